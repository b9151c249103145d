// The test's own proxy, run inside the namespace: node proxy.ts OPTIONS, which are JSON; see support/proxyServer.ts.
// It prints what it is asked for, a line each.
import * as Effect from "effect/Effect"
import * as ProxyServer from "../../support/proxyServer.ts"

const options: ProxyServer.ProxyOptions = JSON.parse(process.argv[2]!)
const onAsked = (what: string) => console.log(what)
const run = Effect.andThen(ProxyServer.start({ ...options, onAsked }), Effect.sync(() => console.log("listening")))
void Effect.runPromise(Effect.scoped(Effect.andThen(run, Effect.never)))
