/** Web servers on the blocklist are not talked to either. */
import * as Effect from "effect/Effect"
import * as Trouble from "../../domain/webseed/Trouble.ts"
import { Session } from "../Session.ts"
import { BLOCKED } from "../session/AddressFilter.ts"
import { Connector } from "./Connector.ts"

/** The connector, to which the addresses that the session's filter blocks are not known. */
export const connector: Effect.Effect<Connector["Service"], never, Connector | Session> = Effect.gen(function*() {
  const connector = yield* Connector
  const { addressFilter } = yield* Session
  return {
    ...connector,
    addressesOf: (url) =>
      Effect.flatMap(connector.addressesOf(url), (ips) => {
        const free = ips.filter(({ address }) => !addressFilter.refuses({ host: address }))
        return free.length > 0 || ips.length === 0 ? Effect.succeed(free) : Effect.fail(Trouble.drop(BLOCKED))
      })
  }
})
