/** One range of one file of a web seed: the request, where redirects lead, and what comes of the answer. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Answer from "../../domain/webseed/Answer.ts"
import type { SeedUrl } from "../../domain/webseed/SeedUrl.ts"
import * as Trouble from "../../domain/webseed/Trouble.ts"
import * as Monotonic from "../Monotonic.ts"
import type { Ip } from "../Resolver.ts"
import { USER_AGENT } from "../Tracker.ts"
import { leadsInside, MAX_REDIRECTS } from "../tracker/HttpGet.ts"
import type { Answered, Connector, Line } from "./Connector.ts"

/** Where files were found that the web seed redirects for, by the URL that it gave; the oldest is forgotten. */
export class Redirects {
  readonly #known = new Map<string, URL>()

  get(url: string): URL | undefined {
    return this.#known.get(url)
  }

  learn(url: string, target: URL): void {
    this.#known.delete(url)
    this.#known.set(url, target)
    if (this.#known.size > MOST_KNOWN) this.#known.delete(this.#known.keys().next().value!)
  }

  /** Returns whether there was one: its target may be of the past. */
  forget(url: string): boolean {
    return this.#known.delete(url)
  }
}

const MOST_KNOWN = 256

/** What is asked for. */
export interface FetchOptions {
  readonly connector: Connector["Service"]
  readonly line: Line
  readonly seed: SeedUrl
  /** The user has named it, not a stranger. */
  readonly isNamed: boolean
  readonly redirects: Redirects
}

/** An answer that sends nothing for so long (ms) is given up. */
const STALL_MS = 30_000

/** How often that is looked at. */
const WATCH = "5 seconds"

/**
 * Gets a range of the file at `url`, in order and whole, however many answers that takes. `onBytes` is given `bytes[from, to)`,
 * valid during the call; it says `false` when nothing more is wanted.
 */
export const range = Effect.fnUntraced(function*(
  options: FetchOptions,
  url: string,
  asked: Answer.Range,
  onBytes: (bytes: Uint8Array, from: number, to: number) => boolean
) {
  let { length, position } = asked
  while (length > 0) {
    const got = yield* part(options, url, { ...asked, position, length }, onBytes)
    position += got
    length -= got
  }
})

/** One answer; succeeds with the bytes of the range that it had, or with all when nothing more of it is wanted. */
const part = Effect.fnUntraced(
  function*(
    options: FetchOptions,
    url: string,
    asked: Answer.Range,
    onBytes: (bytes: Uint8Array, from: number, to: number) => boolean
  ) {
    const { answered, usable } = yield* usableOf(options, url, asked).pipe(
      // What a redirect has led to may be gone, while the web seed itself knows another place.
      Effect.catchIf(() => options.redirects.forget(url), () => usableOf(options, url, asked))
    )
    const isWanted = yield* body(answered, usable, onBytes)
    return isWanted ? usable.length : asked.length
  },
  Effect.scoped
)

/**
 * What the effect holds is let go of at once when it fails, and else with the scope: a line has one connection to a server,
 * and the next request may go to the same.
 */
const held = Effect.fnUntraced(function*<A, E, R>(effect: Effect.Effect<A, E, R>) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  return yield* effect.pipe(Scope.provide(scope), Effect.onError(() => Scope.close(scope, Exit.void)))
})

const usableOf = Effect.fnUntraced(function*(options: FetchOptions, url: string, asked: Answer.Range) {
  const answered = yield* follow(options, url, asked)
  const now = yield* Clock.currentTimeMillis
  const usable = Answer.judge(answered, asked, now)
  return usable._tag === "Trouble" ? yield* Effect.fail(usable) : { answered, usable }
}, held)

/** Reads a body, of which `skip` bytes are of no use and `length` are; tells whether more is wanted. */
const body = Effect.fnUntraced(function*(
  answered: Answered,
  { body, length, skip }: Answer.Usable,
  onBytes: (bytes: Uint8Array, from: number, to: number) => boolean
) {
  const clock = yield* Clock.Clock
  let heardAt = Monotonic.millis(clock)
  let at = 0
  let wanted = true
  const onChunk = (bytes: Uint8Array): boolean => {
    heardAt = Monotonic.millis(clock)
    const from = Math.max(0, skip - at)
    const to = Math.min(bytes.length, skip + length - at)
    at += bytes.length
    if (to > from) wanted = onBytes(bytes, from, to)
    return wanted && at <= body
  }
  const stalled = Effect.gen(function*() {
    while (Monotonic.millis(clock) - heardAt < STALL_MS) yield* Effect.sleep(WATCH)
    return yield* Effect.fail(Trouble.rest(`sent nothing for ${STALL_MS / 1000} s`))
  })
  yield* Effect.raceFirst(answered.read(onChunk), stalled)
  if (!wanted) return false
  if (at < body) return yield* Effect.fail(Trouble.rest("sent less than it said"))
  if (at > body) return yield* Effect.fail(Trouble.file("sends more than was asked for"))
  return true
})

/** Asks, and goes where it is sent. */
const follow = Effect.fnUntraced(function*(options: FetchOptions, start: string, asked: Answer.Range) {
  const { connector, redirects, seed } = options
  const first = new URL(start)
  let url = redirects.get(start) ?? first
  let isOutside = !leadsInside(yield* connector.addressesOf(first))
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    const ips = yield* connector.addressesOf(url)
    const inside = leadsInside(ips)
    const refusal = inside ? refusalOf(url, url === first, isOutside, options.isNamed) : undefined
    if (refusal !== undefined) return yield* Effect.fail(refusal)
    const next = yield* hop(options, url, ips, asked)
    if (!(next instanceof URL)) {
      if (url !== first) redirects.learn(start, url)
      return next
    }
    if (next.protocol === "http:" && url.protocol === "https:" && seed.authorization !== undefined) {
      return yield* Effect.fail(Trouble.drop("redirects from https to http, which is not followed with a password"))
    }
    isOutside ||= !inside
    url = next
  }
  return yield* Effect.fail(Trouble.drop(`redirects more than ${MAX_REDIRECTS} times`))
})

/** Torrents come from strangers: what they name in the local network may be any device there, with a query that does things. */
const refusalOf = (url: URL, isFirst: boolean, isOutside: boolean, isNamed: boolean): Trouble.Trouble | undefined => {
  if (!isFirst) return isOutside ? Trouble.drop("redirects into the local network") : undefined
  return isNamed || url.search === ""
    ? undefined
    : Trouble.drop("is in the local network and has a query: name it with --web-seed if that is meant")
}

/** One request: where it leads, or the answer. */
const hop = Effect.fnUntraced(
  function*({ line, seed }: FetchOptions, url: URL, ips: ReadonlyArray<Ip>, asked: Answer.Range) {
    const answered = yield* line.get(url, ips, headersOf(seed, url, asked))
    const location = answered.header("location")
    if (!REDIRECTS.has(answered.status) || location === undefined) return answered
    const target = URL.canParse(location, url.href) ? new URL(location, url) : undefined
    return yield* Effect.fail(
      target !== undefined && /^https?:$/.test(target.protocol) ? target : Trouble.drop("redirects to no web address")
    )
  },
  held,
  Effect.catchIf((led) => led instanceof URL, Effect.succeed)
)

const REDIRECTS = new Set([301, 302, 303, 307, 308])

/** What the torrent's web seed may know is told to no other server. */
const headersOf = ({ authorization, origin }: SeedUrl, url: URL, asked: Answer.Range) => ({
  range: Answer.rangeHeader(asked),
  "accept-encoding": "identity",
  "user-agent": USER_AGENT,
  ...(authorization !== undefined && url.origin === origin && { authorization })
})
