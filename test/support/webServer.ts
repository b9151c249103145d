/** Web servers in memory, for web seeds under a TestClock: what they answer is the test's word. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Head } from "../../src/domain/webseed/Answer.ts"
import * as Trouble from "../../src/domain/webseed/Trouble.ts"
import { Connector } from "../../src/services/webseed/Connector.ts"

export interface Request {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  /** First and last byte that are asked for. */
  readonly from: number
  readonly to: number
}

export interface Response {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
}

export interface Server {
  /** Answers a request; may take its time. */
  readonly answer: (request: Request) => Effect.Effect<Response, Trouble.Trouble>
  /** Bytes/s of each connection; all at once when absent. */
  readonly rate?: number | undefined
  readonly addressOf?: ((host: string) => string) | undefined
}

const CHUNK = 40_000

const parse = (url: URL, headers: Readonly<Record<string, string>>): Request => {
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(headers["range"] ?? "") ?? []
  return { url, headers, from: Number(from), to: Number(to) }
}

const readWith = (body: Uint8Array, rate: number | undefined) =>
  Effect.fnUntraced(function*(onBytes: (bytes: Uint8Array) => boolean): Effect.fn.Return<void, Trouble.Trouble> {
    for (let at = 0; at < body.length; at += CHUNK) {
      const chunk = body.slice(at, at + CHUNK)
      if (rate !== undefined) yield* Effect.sleep(chunk.length / rate * 1000)
      if (!onBytes(chunk)) return
      // What was handed over is used again.
      chunk.fill(0xee)
    }
  })

export const layer = (server: Server): Layer.Layer<Connector> =>
  Layer.succeed(
    Connector,
    Connector.of({
      addressesOf: (url) => Effect.succeed([{ address: server.addressOf?.(url.hostname) ?? "192.0.2.80", family: 4 }]),
      line: Effect.succeed({
        get: (url, _ips, headers): Effect.Effect<
          Head & { readonly read: ReturnType<typeof readWith> },
          Trouble.Trouble,
          Scope.Scope
        > =>
          Effect.map(server.answer(parse(url, headers)), ({ body = new Uint8Array(0), headers = {}, status }) => ({
            status,
            header: (name: string) => headers[name],
            read: readWith(body, server.rate)
          }))
      })
    })
  )

/** What a server that serves ranges has to say. */
export const partOf = (content: Uint8Array, { from, to }: Request): Response => ({
  status: 206,
  headers: {
    "content-range": `bytes ${from}-${to}/${content.length}`,
    "content-length": String(to + 1 - from)
  },
  body: content.subarray(from, to + 1)
})

/** There is no web. */
export const none: Layer.Layer<Connector> = layer({ answer: () => Effect.fail(Trouble.drop("is not there")) })
