/** Headless Chromium, spoken to over its DevTools protocol: one page, and all that it says and asks for. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { temporary } from "../../support/payload.ts"
import * as Child from "./Child.ts"

/** Why there is none here, if so. */
export const unavailable = (): string | undefined => {
  try {
    execFileSync("chromium", ["--version"], { stdio: "ignore" })
    return undefined
  } catch {
    return "the Debian package chromium"
  }
}

interface Message {
  readonly id?: number
  readonly method?: string
  readonly params?: any
  readonly result?: any
  readonly error?: { readonly message: string }
}

export interface Page {
  /** Waits until all of it is loaded. */
  readonly open: (url: string) => Effect.Effect<void>
  /** Loads what a click or a form leads to. */
  readonly follow: (expression: string) => Effect.Effect<void>
  /** Runs an expression in the page, whatever the page's own policy says, and gives its value. */
  readonly evaluate: <A>(expression: string) => Effect.Effect<A>
  readonly type: (text: string) => Effect.Effect<void>
  readonly setScheme: (scheme: "light" | "dark") => Effect.Effect<void>
  readonly screenshot: (file: string) => Effect.Effect<void>
  /** Dialogs, errors, and lines of the console, those about broken policies among them. */
  readonly heard: Array<string>
  /** The URLs that it has asked for. */
  readonly asked: Array<string>
}

/** The protocol over a socket: calls by number, events by name. */
class Wire {
  readonly #socket: WebSocket
  readonly #calls = new Map<number, (message: Message) => void>()
  readonly #events = new Map<string, Set<(params: any) => void>>()
  #last = 0
  session: string | undefined

  constructor(socket: WebSocket) {
    this.#socket = socket
    socket.addEventListener("message", ({ data }) => this.#take(JSON.parse(String(data)) as Message))
  }

  #take(message: Message): void {
    if (message.id !== undefined) {
      this.#calls.get(message.id)?.(message)
      this.#calls.delete(message.id)
    }
    for (const listener of Array.from(this.#events.get(message.method ?? "") ?? [])) listener(message.params)
  }

  on(method: string, listener: (params: any) => void): () => void {
    const listeners = this.#events.get(method) ?? new Set()
    this.#events.set(method, listeners.add(listener))
    return () => listeners.delete(listener)
  }

  call(method: string, params: object = {}): Effect.Effect<any> {
    return Effect.callback((resume) => {
      const id = ++this.#last
      this.#calls.set(
        id,
        ({ error, result }) =>
          resume(error === undefined ? Effect.succeed(result) : Effect.die(new Error(`${method}: ${error.message}`)))
      )
      this.#socket.send(JSON.stringify({ id, method, params, sessionId: this.session }))
    })
  }

  /** Does something and waits for an event that comes after it. */
  during<A>(method: string, effect: Effect.Effect<A>): Effect.Effect<void> {
    const event = Effect.callback<void>((resume) => {
      const off = this.on(method, () => {
        off()
        resume(Effect.void)
      })
    })
    return Effect.all([event, effect], { concurrency: 2, discard: true })
  }
}

const ARGUMENTS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--no-first-run",
  "--disable-background-networking",
  "--window-size=1200,900",
  "--remote-debugging-port=0"
]

const connect = (url: string) =>
  Effect.acquireRelease(
    Effect.callback<WebSocket>((resume) => {
      const socket = new WebSocket(url)
      socket.addEventListener("open", () => resume(Effect.succeed(socket)))
      socket.addEventListener("error", () => resume(Effect.die(new Error(`cannot connect to ${url}`))))
    }),
    (socket) => Effect.sync(() => socket.close())
  )

const listen = (wire: Wire, heard: Array<string>, asked: Array<string>): void => {
  wire.on("Page.javascriptDialogOpening", ({ message }) => heard.push(`dialog: ${message}`))
  wire.on("Runtime.exceptionThrown", ({ exceptionDetails }) => heard.push(`exception: ${exceptionDetails.text}`))
  wire.on("Log.entryAdded", ({ entry }) => heard.push(`${entry.level}: ${entry.text}`))
  wire.on("Runtime.consoleAPICalled", ({ args, type }) => heard.push(`${type}: ${args[0]?.value}`))
  wire.on("Network.requestWillBeSent", ({ request }) => asked.push(request.url))
}

/** An empty page of a new browser, which ends with the scope. */
export const launch: Effect.Effect<Page, never, Scope.Scope> = Effect.gen(function*() {
  const folder = yield* temporary
  const profile = path.join(folder, "profile")
  const browser = yield* Child.spawn("chromium", [
    "chromium",
    ...ARGUMENTS,
    `--user-data-dir=${profile}`,
    "about:blank"
  ])
  const [, url] = yield* Effect.orDie(browser.prints(/DevTools listening on (ws:\/\/\S+)/))
  const wire = new Wire(yield* connect(url!))
  const { targetId } = yield* wire.call("Target.createTarget", { url: "about:blank" })
  const { sessionId } = yield* wire.call("Target.attachToTarget", { targetId, flatten: true })
  wire.session = sessionId
  const heard: Array<string> = []
  const asked: Array<string> = []
  listen(wire, heard, asked)
  for (const domain of ["Page", "Runtime", "Log", "Network"]) yield* wire.call(`${domain}.enable`)
  const evaluate = <A>(expression: string): Effect.Effect<A> =>
    Effect.flatMap(
      wire.call("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true }),
      ({ exceptionDetails, result }) =>
        exceptionDetails === undefined
          ? Effect.succeed(result.value)
          : Effect.die(new Error(exceptionDetails.exception?.description ?? exceptionDetails.text))
    )
  return {
    heard,
    asked,
    evaluate,
    open: (url) => wire.during("Page.loadEventFired", wire.call("Page.navigate", { url })),
    follow: (expression) => wire.during("Page.loadEventFired", evaluate(expression)),
    type: (text) => wire.call("Input.insertText", { text }),
    setScheme: (value) =>
      wire.call("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value }] }),
    screenshot: (file) =>
      Effect.map(
        wire.call("Page.captureScreenshot"),
        ({ data }) => fs.writeFileSync(file, Buffer.from(data as string, "base64"))
      )
  }
})
