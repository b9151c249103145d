/** Blocklists from files and the web, as one filter. They are read piece by piece, and inflated so too. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as fs from "node:fs"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"
import * as zlib from "node:zlib"
import { BlocklistReader, type Findings } from "../domain/BlocklistReader.ts"
import { Builder, type IpFilter, MAX_RANGES } from "../domain/IpFilter.ts"
import type { Proxy } from "../domain/Proxy.ts"
import { Resolver } from "./Resolver.ts"
import * as SystemCode from "./SystemCode.ts"
import * as HttpGet from "./tracker/HttpGet.ts"
import type { LocalAddress } from "./tracker/Route.ts"

export class BlocklistError extends Schema.TaggedError<BlocklistError>()("BlocklistError", {
  reason: Schema.Literals(["NotFound", "Unreadable", "Unreachable", "Malformed", "TooLarge"]),
  /** The file or URL. */
  source: Schema.String,
  detail: Schema.String
}) {
  override get message() {
    return `blocklist ${this.source}: ${this.detail}`
  }
}

export interface BlocklistOptions {
  /** Where requests leave from (`--bind`). */
  readonly localAddress?: LocalAddress | undefined
  readonly proxy?: Proxy | undefined
}

export interface Loaded {
  readonly filter: IpFilter
  /** What the user should know: one line for each list with something odd in it. */
  readonly notes: ReadonlyArray<string>
}

/** Bytes of a list, as it comes and as inflated: ten times the longest that are passed around. */
export const MAX_SENT = 64 << 20
export const MAX_TEXT = 256 << 20

const WEB_TIMEOUT = "60 seconds"

type Magic = "gzip" | "zip" | "text"

const magicOf = (bytes: Uint8Array): Magic =>
  bytes[0] === 0x1f && bytes[1] === 0x8b ? "gzip" : bytes[0] === 0x50 && bytes[1] === 0x4b ? "zip" : "text"

class Oversize extends Error {}

const isWeb = (source: string): boolean => /^https?:\/\//i.test(source)

/** What of it may be shown: some URLs have a key in their queries. */
const nameOf = (source: string): string => {
  if (!isWeb(source) || !URL.canParse(source)) return source
  const { origin, pathname } = new URL(source)
  return `${origin}${pathname}`
}

const problem = (source: string, reason: BlocklistError["reason"], detail: string): BlocklistError =>
  new BlocklistError({ source: nameOf(source), reason, detail })

const fetch = Effect.fnUntraced(function*(source: string, options: BlocklistOptions) {
  const asking = { ...options, userAgent: "freshet", maxBytes: MAX_SENT, anywhere: true, raw: true }
  if (!URL.canParse(source)) return yield* problem(source, "NotFound", "this is no URL")
  const answer = yield* HttpGet.make(yield* Resolver, asking)(new URL(source)).pipe(
    Effect.mapError((error) => problem(source, error._tag === "TooLarge" ? "TooLarge" : "Unreachable", error.message)),
    Effect.timeoutOrElse({
      duration: WEB_TIMEOUT,
      orElse: () => Effect.fail(problem(source, "Unreachable", "it did not come within a minute"))
    })
  )
  if (answer.status >= 200 && answer.status < 300) return answer.body
  return yield* problem(
    source,
    answer.status === 404 || answer.status === 410 ? "NotFound" : "Unreachable",
    `the server answered with status ${answer.status}`
  )
})

const SLICE = 65_536

function* slices(body: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < body.length; at += SLICE) yield body.subarray(at, at + SLICE)
}

class Zipped extends Error {}

/** Feeds the reader, and lets the event loop go on in between. Pipes can be read once only, so the first bytes are looked at here. */
const readInto = async (input: Readable, reader: BlocklistReader, signal: AbortSignal): Promise<void> => {
  const chunks: AsyncIterator<Uint8Array> = input[Symbol.asyncIterator]()
  const begin = await chunks.next()
  if (begin.done === true) return
  const magic = magicOf(begin.value)
  if (magic === "zip") throw new Zipped()
  const whole = async function*() {
    yield begin.value
    for (let next; (next = await chunks.next()).done !== true;) yield next.value
  }
  let size = 0
  const sink = async (chunks: AsyncIterable<Uint8Array>) => {
    for await (const chunk of chunks) {
      size += chunk.length
      if (size > MAX_TEXT) throw new Oversize()
      reader.push(chunk)
    }
  }
  await (magic === "gzip"
    ? pipeline(whole, zlib.createGunzip(), sink, { signal })
    : pipeline(whole, sink, { signal }))
}

const toError = (source: string, cause: unknown): BlocklistError => {
  if (cause instanceof Oversize) return problem(source, "TooLarge", `it has more than ${MAX_TEXT >> 20} MiB of text`)
  if (cause instanceof Zipped) return problem(source, "Malformed", "it is a zip archive; unpack it first")
  const code = SystemCode.of(cause) ?? ""
  if (code.startsWith("Z_")) return problem(source, "Malformed", "it is broken gzip")
  return problem(source, code === "ENOENT" ? "NotFound" : "Unreadable", SystemCode.describe(cause))
}

const noteOf = (source: string, { firstMalformed, malformed, ranges }: Findings): string | undefined => {
  if (malformed === 0) return ranges === 0 ? `blocklist ${nameOf(source)} names no addresses` : undefined
  const lines = malformed === 1 ? `line ${firstMalformed} makes` : `${malformed} lines make`
  const first = malformed === 1 ? "" : `, the first is line ${firstMalformed}`
  const others = ranges === 1 ? "the other is" : `the other ${ranges} are`
  return `blocklist ${nameOf(source)}: ${lines} no sense${first}; ${others} in force`
}

const readOne = Effect.fnUntraced(function*(source: string, builder: Builder, options: BlocklistOptions) {
  const body = isWeb(source) ? yield* fetch(source, options) : undefined
  const reader = new BlocklistReader(builder)
  yield* Effect.tryPromise({
    try: async (signal) => {
      const input = body === undefined ? fs.createReadStream(source) : Readable.from(slices(body))
      try {
        await readInto(input, reader, signal)
      } finally {
        input.destroy()
      }
    },
    catch: (cause) => toError(source, cause)
  })
  const findings = reader.end()
  if (findings.isTooLong) {
    return yield* problem(source, "TooLarge", `with it there are more than ${MAX_RANGES} ranges of one family`)
  }
  if (findings.malformed > 0 && findings.ranges === 0) {
    return yield* problem(source, "Malformed", "no line of it names addresses; is it a blocklist?")
  }
  return noteOf(source, findings)
})

/** Reads all of the lists; one that cannot be had, or is none, fails them all: half a filter is worse than none. */
export const load = Effect.fnUntraced(function*(
  sources: ReadonlyArray<string>,
  options: BlocklistOptions = {}
): Effect.fn.Return<Loaded, BlocklistError, Resolver> {
  const builder = new Builder()
  const notes: Array<string> = []
  for (const source of sources) {
    const note = yield* readOne(source, builder, options)
    if (note !== undefined) notes.push(note)
  }
  return { filter: builder.build(), notes }
})
