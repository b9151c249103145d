/**
 * Keeps the trackers of one torrent informed (BEP 3, 12, 27, 31): which tracker when, with which event, and when again.
 * Lines of trackers (see Tiers) run side by side; within a line the next tracker is asked when one fails, and a tracker
 * that failed is left alone for longer each time.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import type * as InfoHash from "../domain/InfoHash.ts"
import type * as PeerAddress from "../domain/PeerAddress.ts"
import type * as PeerId from "../domain/PeerId.ts"
import type { AnnounceReply, AnnounceRequest, Event } from "../domain/tracker/Announce.ts"
import * as Tiers from "../domain/tracker/Tiers.ts"
import * as Monotonic from "./Monotonic.ts"
import { Tracker, type TrackerError } from "./Tracker.ts"

/** What came of one announce. */
export interface AnnounceStatus {
  readonly url: string
  readonly result: "ok" | "warning" | "error"
  /** One line; what the tracker or the error says, empty when all is well. */
  readonly message: string
  /** How many peers it named. */
  readonly peers: number
  readonly seeders: number | undefined
  readonly leechers: number | undefined
  /** When this tracker may be asked again; `Infinity` for never. */
  readonly nextInMs: number
}

export interface AnnouncerOptions {
  readonly infoHash: InfoHash.InfoHash
  readonly peerId: PeerId.PeerId
  /** An unsigned 32-bit number of chance, one per torrent and session. */
  readonly key: number
  readonly tiers: ReadonlyArray<ReadonlyArray<string>>
  /** BEP 27: one tracker at a time. */
  readonly private: boolean
  readonly numWant: () => number
  /** Where peers can call us; 0 for nowhere. */
  readonly port: () => number
  /** Bytes since the torrent was started, and still missing. */
  readonly stats: () => { readonly uploaded: number; readonly downloaded: number; readonly left: number }
  /** Nothing more is wanted, though not all is there: every announce says so (BEP 21). */
  readonly isPartialSeed?: (() => boolean) | undefined
  /** See {@link AnnounceRequest}. */
  readonly crypto?: AnnounceRequest["crypto"]
  readonly onPeers: (peers: ReadonlyArray<PeerAddress.PeerAddress>, url: string) => void
  readonly onStatus?: ((status: AnnounceStatus) => void) | undefined
  /** A tracker says at which address it sees us (BEP 24). */
  readonly onSeenAs?: ((host: string, url: string) => void) | undefined
  /** A private torrent has changed its tracker: its peers must be dropped before the new ones come (BEP 27). */
  readonly onSwitch?: (() => void) | undefined
  /** Ends when the download does; counts only if nothing is left then, and if it was not complete from the start. */
  readonly completed: Effect.Effect<void>
  /** Asked at the end: `true` when somebody else goes on with these trackers, who are then not told that we go. */
  readonly goesOn?: (() => boolean) | undefined
  /**
   * Ends when more peers are wanted than are known; run anew after every announce. The next one then comes as soon as
   * the tracker allows.
   */
  readonly wake?: Effect.Effect<void> | undefined
}

const MIN_INTERVAL_MS = 30_000
const MAX_INTERVAL_MS = 24 * 3_600_000
/** When a tracker does not say. */
const INTERVAL_MS = 30 * 60_000
/** How early a wish for peers may bring the next announce when the tracker does not say. */
const EAGER_MS = 2 * 60_000
const FIRST_RETRY_MS = 10_000
const MAX_RETRY_MS = 30 * 60_000
const FAREWELL_MS = 2000

/**
 * The port that trackers are told where nobody can call us, as libtorrent has it. Many refuse 0, and any port that is in
 * common use may be somebody's at the address that they see.
 */
export const NO_PORT = 1

interface TrackerState {
  readonly url: string
  /** In a row. */
  failures: number
  /** Before this it must be left alone. */
  readyAt: number
  trackerId: string | undefined
  /** It has counted us in: gets no `started` any more, but a `stopped` at the end. */
  accepted: boolean
  /** It knows us as a leech, so that it is to be told of the end of the download. */
  awaitsCompleted: boolean
  /** Tells it of the end of the download. */
  saying: Fiber.Fiber<Pause | void> | undefined
}

interface Context {
  readonly options: AnnouncerOptions
  readonly tracker: Tracker["Service"]
  readonly now: () => number
  readonly random: () => number
  readonly finished: Deferred.Deferred<void>
  readonly states: Map<string, TrackerState>
  /** Announces that the end of a run must not cut off: they last until the farewell is over. */
  readonly lasting: FiberSet.FiberSet<Pause | void>
  isFinished: boolean
  tiers: Tiers.Tiers
  /** The tracker whose peers a private torrent uses. */
  current: string | undefined
}

/** NaN and nonsense become the fallback; timers overflow beyond 24 days. */
const clamp = (value: number | undefined, fallback: number): number =>
  value === undefined || Number.isNaN(value) ? fallback : Math.min(MAX_INTERVAL_MS, Math.max(MIN_INTERVAL_MS, value))

const stateOf = (context: Context, url: string): TrackerState => {
  const known = context.states.get(url)
  if (known !== undefined) return known
  const state: TrackerState = {
    url,
    failures: 0,
    readyAt: 0,
    trackerId: undefined,
    accepted: false,
    awaitsCompleted: false,
    saying: undefined
  }
  context.states.set(url, state)
  return state
}

const requestOf = (context: Context, state: TrackerState, event: Event | undefined): AnnounceRequest => {
  const { crypto, infoHash, key, numWant, peerId, port, stats } = context.options
  return {
    infoHash,
    peerId,
    key,
    event,
    ...stats(),
    port: port() || NO_PORT,
    numWant: event === "stopped" ? 0 : numWant(),
    trackerId: state.trackerId,
    crypto
  }
}

const owesCompleted = (context: Context, state: TrackerState): boolean => context.isFinished && state.awaitsCompleted

const eventFor = (context: Context, state: TrackerState): Event | undefined => {
  if (context.options.isPartialSeed?.() === true) return "paused"
  return !state.accepted ? "started" : owesCompleted(context, state) ? "completed" : undefined
}

/** Exponential, with a quarter of chance either way so that a swarm does not come back all at once. */
const backOff = (failures: number, random: () => number): number =>
  Math.min(MAX_RETRY_MS, Math.round(FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 20) * (0.75 + random() / 2)))

const retryDelay = (context: Context, failures: number, { reason }: TrackerError): number => {
  const wish = reason._tag === "Refused" ? reason.retryInMs : undefined
  if (wish === Number.POSITIVE_INFINITY) return wish
  return wish === undefined ? backOff(failures, context.random) : clamp(wish, MAX_RETRY_MS)
}

const onFailure = (context: Context, state: TrackerState, error: TrackerError): void => {
  state.failures++
  const delay = retryDelay(context, state.failures, error)
  state.readyAt = context.now() + delay
  context.options.onStatus?.({
    url: state.url,
    result: "error",
    message: error.message,
    peers: 0,
    seeders: undefined,
    leechers: undefined,
    nextInMs: delay
  })
}

interface Pause {
  /** No announce before this, whatever is wished. */
  readonly leastMs: number
  readonly mostMs: number
}

const pauseOf = (reply: AnnounceReply): Pause => {
  const interval = clamp(reply.intervalMs, INTERVAL_MS)
  const leastMs = clamp(reply.minIntervalMs, Math.min(interval, EAGER_MS))
  return { leastMs, mostMs: Math.max(interval, leastMs) }
}

const onReply = (context: Context, state: TrackerState, request: AnnounceRequest, reply: AnnounceReply): Pause => {
  const { onPeers, onSeenAs, onStatus, onSwitch } = context.options
  const pause = pauseOf(reply)
  state.failures = 0
  state.readyAt = context.now() + pause.leastMs
  state.trackerId = reply.trackerId ?? state.trackerId
  if (request.event === "started") state.awaitsCompleted = request.left > 0
  if (request.event === "completed") state.awaitsCompleted = false
  state.accepted = true
  context.tiers = Tiers.promote(context.tiers, state.url)
  if (context.options.private && context.current !== undefined && context.current !== state.url) onSwitch?.()
  context.current = state.url
  onStatus?.({
    url: state.url,
    result: reply.warning === undefined ? "ok" : "warning",
    message: reply.warning ?? "",
    peers: reply.peers.length,
    seeders: reply.seeders,
    leechers: reply.leechers,
    nextInMs: pause.mostMs
  })
  if (reply.externalIp !== undefined) onSeenAs?.(reply.externalIp, state.url)
  onPeers(reply.peers, state.url)
  return pause
}

/** Until the next announce is due, more peers are wished for, or there is the end of the download to tell. */
const rest = (context: Context, state: TrackerState, { leastMs, mostMs }: Pause): Effect.Effect<void> => {
  const due = Effect.sleep(mostMs)
  const wished = Effect.andThen(Effect.sleep(leastMs), context.options.wake ?? Effect.never)
  const waits = [due, wished]
  if (state.awaitsCompleted) waits.push(Deferred.await(context.finished))
  return Effect.raceAllFirst(waits)
}

/** One announce; the pause that the tracker asks for when it goes well. */
const announceOnce = Effect.fnUntraced(function*(context: Context, state: TrackerState) {
  const request = requestOf(context, state, eventFor(context, state))
  const announcing = context.tracker.announce(state.url, request).pipe(
    Effect.match({
      onFailure: (error) => onFailure(context, state, error),
      onSuccess: (reply) => onReply(context, state, request, reply)
    })
  )
  if (request.event !== "completed") return yield* announcing
  return yield* Fiber.join(state.saying = yield* FiberSet.run(context.lasting, announcing))
})

/** Stays with one tracker while there is news that is its own; then the line begins anew. */
const visit = Effect.fnUntraced(function*(context: Context, state: TrackerState) {
  let pause = yield* announceOnce(context, state)
  while (pause !== undefined) {
    yield* rest(context, state, pause)
    if (!owesCompleted(context, state)) {
      state.readyAt = 0
      return
    }
    pause = yield* announceOnce(context, state)
  }
})

const runLine = Effect.fnUntraced(function*(context: Context, index: number) {
  while (true) {
    const line = Tiers.lines(context.tiers, context.options.private)[index]!
    const now = context.now()
    const next = Tiers.next(line, (url) => stateOf(context, url).readyAt, now)
    if (next === undefined) return
    // Whole milliseconds: a timer drops the rest, and would be set again and again for it.
    if (next.at > now) yield* Effect.sleep(Math.ceil(next.at - now))
    else yield* visit(context, stateOf(context, next.url))
  }
})

/** Trackers that have counted us in are told that we go, all at once; a slow one is not waited for. */
const farewell = (context: Context): Effect.Effect<void> =>
  Effect.forEach(
    [...context.states.values()].filter((state) => state.accepted),
    Effect.fnUntraced(function*(state) {
      const say = (event: Event) => Effect.ignore(context.tracker.announce(state.url, requestOf(context, state, event)))
      if (state.saying !== undefined) yield* Fiber.await(state.saying)
      // The download may have ended a moment ago, before its news got out.
      if (state.awaitsCompleted && context.options.stats().left === 0) yield* say("completed")
      yield* say("stopped")
    }),
    { concurrency: "unbounded", discard: true }
  ).pipe(Effect.timeoutOption(FAREWELL_MS), Effect.asVoid)

/**
 * Announces until the scope closes, then says `stopped` within 2 s. Never fails: what goes wrong is told to `onStatus`
 * and tried again.
 */
export const run = Effect.fnUntraced(
  function*(options: AnnouncerOptions): Effect.fn.Return<never, never, Tracker | Scope.Scope> {
    const clock = yield* Clock.Clock
    const random = yield* Random.Random
    const context: Context = {
      options,
      tracker: yield* Tracker,
      now: () => Monotonic.millis(clock),
      random: () => random.nextDoubleUnsafe(),
      finished: yield* Deferred.make<void>(),
      states: new Map(),
      lasting: yield* FiberSet.make<Pause | void>(),
      isFinished: false,
      tiers: Tiers.make(options.tiers, () => random.nextDoubleUnsafe()),
      current: undefined
    }
    // Before the forks, so that at the end they are stopped first and nobody announces after the farewell.
    yield* Effect.addFinalizer(() => options.goesOn?.() === true ? Effect.void : farewell(context))
    yield* options.completed.pipe(
      Effect.andThen(Effect.suspend(() => {
        // A part of the files, or an end in failure, makes no seed.
        if (options.stats().left > 0) return Effect.void
        context.isFinished = true
        return Deferred.succeed(context.finished, undefined)
      })),
      Effect.forkScoped
    )
    const lines = Tiers.lines(context.tiers, options.private)
    const running = yield* Effect.forEach(lines, (_, index) => Effect.forkScoped(runLine(context, index)))
    yield* Effect.onInterrupt(Fiber.joinAll(running), () => Fiber.interruptAll(running))
    return yield* Effect.never
  }
)
