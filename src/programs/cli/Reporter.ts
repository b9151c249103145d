/**
 * Tells the user how a torrent fares: a line on stderr that is drawn anew on a terminal or printed now and then elsewhere,
 * notices as things happen, and records on stdout for programs.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Metainfo } from "../../domain/Metainfo.ts"
import * as PeerAddress from "../../domain/PeerAddress.ts"
import * as BanCause from "../../domain/swarm/BanCause.ts"
import * as StallCause from "../../domain/swarm/StallCause.ts"
import * as Wanted from "../../domain/Wanted.ts"
import * as Monotonic from "../../services/Monotonic.ts"
import type { Snapshot, Torrent } from "../../services/Torrent.ts"
import type { TorrentEvent } from "../../services/TorrentEvent.ts"
import * as Format from "./Format.ts"
import * as MetadataRecord from "./MetadataRecord.ts"
import * as Painter from "./Painter.ts"
import * as Records from "./Records.ts"
import { StallWatch } from "./StallWatch.ts"
import * as StatusBlock from "./StatusBlock.ts"
import * as StatusRecords from "./StatusRecords.ts"
import * as Stderr from "./Stderr.ts"

export interface ReporterOptions {
  readonly metainfo: Metainfo
  /** Indices of the files that are wanted; all when absent. */
  readonly selected?: ReadonlySet<number> | undefined
  /** Where the files are. */
  readonly path: string
  readonly json: boolean
  readonly quiet: boolean
  /** Seconds between lines where stderr is no terminal. */
  readonly summaryInterval: number
  /** Bytes/s; `Infinity` for none. */
  readonly maxDownload: number
  readonly maxUpload: number
}

export type PublishOutcome =
  | { readonly state: "added" | "known"; readonly name: string }
  | { readonly state: "failed"; readonly message: string }

export interface Reporter {
  readonly onCheck: (checked: number, total: number) => void
  readonly onEvent: (event: TorrentEvent) => void
  /** From now on the line shows this torrent. */
  readonly follow: (torrent: Torrent) => void
  /** Why nothing comes, in words. */
  readonly why: (cause: StallCause.StallCause) => string
  /** What is known to be wrong although nothing has stalled yet. */
  readonly trouble: () => string | undefined
  /** Said by the program itself. */
  readonly notice: (text: string) => void
  /** How publishing at this tracker went. */
  readonly published: (origin: string, outcome: PublishOutcome) => void
  /** Prints how the torrent and its peers stand, even where all else is silenced. */
  readonly status: () => void
  /** Takes the progress line away, for others to write. */
  readonly makeRoom: () => void
  /** From now on the line says that the end is near. */
  readonly stopping: () => void
  /** The last words: what was moved, how fast, and where it is; `failure` when it has ended so. */
  readonly summary: (exitCode: number, failure: string | undefined) => void
}

const FRAME = "500 millis"

/** Between two records of progress. */
const RECORD_MS = 1000

const NOTHING: Snapshot = {
  ...Painter.IDLE,
  blocked: 0,
  isDone: false,
  state: { _tag: "Checking", checked: 0, total: 0 }
}

const END_WORDS = {
  AnotherSeed: "another seed has everything",
  EnoughCopies: "every piece is with two peers"
} as const

const forHowLong = (cause: BanCause.BanCause): string => {
  const lasts = BanCause.lasts(cause)
  return lasts === Infinity ? "" : ` for ${Format.duration(lasts)}`
}

const noticeOf = (event: TorrentEvent): string | undefined => {
  switch (event._tag) {
    case "Warning":
      return `warning: ${event.message}`
    case "PeerBanned":
      return `peer ${PeerAddress.format(event.address)} banned${forHowLong(event.cause)}: ${BanCause.text(event.cause)}`
    case "PieceCorrupt":
      return `piece ${event.piece} failed its hash`
    case "BlockCorrupt": {
      const sender = event.address === undefined ? "on the disk" : `from ${PeerAddress.format(event.address)}`
      return `block ${event.block} of piece ${event.piece}, ${sender}, is wrong: it alone is fetched again`
    }
    case "TrackerFailed":
      return event.message
    case "WebSeedFailed":
      return `web seed ${event.url} ${event.message}; asked again from time to time`
    case "WebSeedLacks":
      return `web seed ${event.url}: ${Format.printable(event.file.join("/"))}: it ${event.message}`
    case "WebSeedDropped":
      return `web seed ${event.url} is given up: it ${event.message}`
    case "SuperSeedEnded":
      return `super-seeding has ended, since ${END_WORDS[event.end]}; all peers are served as usual from here on`
    default:
      return undefined
  }
}

/** How many files are wanted, when not all are; padding is none. */
const chosenOf = ({ metainfo, selected }: ReporterOptions): Painter.Outcome["files"] => {
  if (selected === undefined) return undefined
  const stored = metainfo.files.flatMap(({ padding }, index) => padding ? [] : [index])
  const chosen = stored.filter((index) => selected.has(index)).length
  return chosen === stored.length ? undefined : { chosen, all: stored.length }
}

/**
 * What is said of events. Trackers fail again and again; once in a row is enough to be told. A web seed may fail after each
 * answer, so the same trouble of it is told once.
 */
export const makeTeller = (): (event: TorrentEvent) => string | undefined => {
  const failing = new Set<string>()
  const webTroubles = new Map<string, string>()
  return (event) => {
    if (event._tag === "TrackerAnswered") failing.delete(event.url)
    if (event._tag === "TrackerFailed") {
      if (failing.has(event.url)) return undefined
      failing.add(event.url)
    }
    if (event._tag === "WebSeedFailed") {
      if (webTroubles.get(event.url) === event.message) return undefined
      webTroubles.set(event.url, event.message)
    }
    return noticeOf(event)
  }
}

/** Starts to report; the line is finished with the scope. */
export const make = Effect.fnUntraced(function*(
  options: ReporterOptions
): Effect.fn.Return<Reporter, never, Scope.Scope> {
  const { metainfo } = options
  const { infoHashV2 = null } = metainfo
  const clock = yield* Clock.Clock
  const { isTerminal, screen, style } = Stderr.open()
  const startedAt = Monotonic.millis(clock)
  let finishedAt: number | undefined
  let torrent: Torrent | undefined
  let end: "none" | "near" | "over" = "none"
  let checked = 0
  let checking = 0
  let lastLine = startedAt
  let lastRecord = startedAt
  const teller = makeTeller()
  const connections = { none: 0, plaintext: 0, rc4: 0 }
  /** What is wrong with the web seed that failed last, unless one has given something since. */
  let webTrouble: string | undefined

  const write = (record: (head: Head) => Records.Record | undefined) => {
    if (!options.json) return
    const body = record({ time: clock.currentTimeMillisUnsafe(), infoHash: metainfo.infoHash })
    if (body !== undefined) process.stdout.write(`${Records.encode(body)}\n`)
  }
  const notice = (text: string) => {
    if (!options.quiet) screen.notice(text)
  }
  const snapshot = () => torrent?.snapshot() ?? NOTHING
  const size = Wanted.sizeOf(metainfo)
  const ratioOf = ({ uploaded }: Snapshot): number => uploaded / size

  const status = (): Painter.Status => {
    const now = snapshot()
    const left = now.total - now.done
    return {
      ...now,
      phase: torrent === undefined ? "checking" : end !== "none" ? "stopping" : now.isDone ? "seeding" : "downloading",
      name: metainfo.name,
      checked,
      total: torrent === undefined ? checking : now.total,
      etaMs: now.downRate > 0 && left > 0 ? left / now.downRate * 1000 : undefined,
      ratio: ratioOf(now)
    }
  }

  const writeProgress = () => {
    const { etaMs, ...at } = status()
    write((head) => ({
      type: "progress",
      ...head,
      done: at.done,
      total: at.total,
      down: Math.round(at.downRate),
      up: Math.round(at.upRate),
      downloaded: at.downloaded,
      uploaded: at.uploaded,
      peers: at.peers,
      seeds: at.seeds,
      webSeeds: at.webSeeds ?? 0,
      eta: etaMs === undefined ? null : Math.round(etaMs),
      ratio: at.ratio
    }))
  }

  const why = (cause: StallCause.StallCause): string => torrent?.proxyTrouble() ?? StallCause.text(cause, webTrouble)
  const stall = new StallWatch()
  const lookAtStall = (now: number) => {
    if (torrent === undefined || end !== "none") return
    const news = stall.look(torrent.snapshot(), now)
    if (news === undefined) return
    write((head) => StatusRecords.stalled(news === "Moving" ? undefined : news.cause, why, head))
    if (!isTerminal && news !== "Moving") notice(`nothing comes: ${why(news.cause)}`)
  }
  const secondLine = (): string => {
    const { cause } = stall
    if (cause === undefined || end !== "none") return ""
    const text = Format.printable(`  nothing comes: ${why(cause)}`)
    return Format.cut(style.unicode ? text : Format.ascii(text), screen.width, style.unicode ? "…" : "..")
  }

  const frame = () => {
    if (end === "over") return
    const now = Monotonic.millis(clock)
    lookAtStall(now)
    if (now - lastRecord >= RECORD_MS && torrent !== undefined) {
      lastRecord = now
      writeProgress()
    }
    if (options.quiet || (torrent === undefined && checking === 0)) return
    if (!isTerminal && now - lastLine < options.summaryInterval * 1000) return
    lastLine = now
    screen.paint(Painter.render(status(), screen.width, style), secondLine())
  }

  yield* Effect.forkScoped(
    Effect.forever(Effect.andThen(Effect.sleep(FRAME), Effect.sync(frame)), { disableYield: true })
  )
  yield* Effect.addFinalizer(() => Effect.sync(() => screen.done()))
  write(({ time }) => MetadataRecord.of(metainfo, time))

  const onEvent = (event: TorrentEvent) => {
    if (event._tag === "PeerConnected") connections[event.cipher]++
    write((head) => recordOf(event, head))
    if (event._tag === "Completed") {
      finishedAt ??= Monotonic.millis(clock)
      const { total } = snapshot()
      const elapsed = Math.round(finishedAt - startedAt)
      write((head) => ({ type: "complete", ...head, path: options.path, total, elapsed }))
    }
    const text = teller(event)
    if (event._tag === "WebSeedAnswered") webTrouble = undefined
    if (event._tag === "WebSeedFailed" || event._tag === "WebSeedDropped") webTrouble = noticeOf(event)
    if (text !== undefined) notice(text)
  }

  return {
    notice,
    why,
    trouble: () => torrent?.proxyTrouble() ?? (torrent?.swarm.peers.size === 0 ? webTrouble : undefined),
    onEvent,
    onCheck: (done, total) => {
      checked = done
      checking = total
      const now = Monotonic.millis(clock)
      if (now - lastRecord < RECORD_MS && done < total) return
      lastRecord = now
      write((head) => ({ type: "checking", ...head, checked: done, total }))
    },
    follow: (started) => {
      torrent = started
    },
    published: (url, outcome) => {
      const failed = outcome.state === "failed"
      const name = failed ? null : outcome.name
      const message = failed ? outcome.message : null
      write((head) => ({ type: "published", ...head, url, state: outcome.state, name, message }))
      notice(
        failed
          ? `warning: not published at ${url}: ${outcome.message}; sharing goes on`
          : `${outcome.state === "known" ? "listed before" : "published"} at ${url} as ${
            Format.printable(outcome.name)
          }`
      )
    },
    status: () => {
      const report = torrent?.diagnosis()
      if (options.json) return write((head) => StatusRecords.status(report, { checked, total: checking, why }, head))
      if (report === undefined) return screen.notice(`${Format.printable(metainfo.name)}: its files are checked`)
      screen.notice(StatusBlock.lines(metainfo.name, report, { ...options, why }, screen.width).join("\n"))
    },
    makeRoom: () => screen.clear(),
    stopping: () => {
      end = "near"
      frame()
    },
    summary: (exitCode, failure) => {
      end = "over"
      screen.clear()
      const now = snapshot()
      const endedAt = Monotonic.millis(clock)
      const downloadMs = (finishedAt ?? endedAt) - startedAt
      const elapsedMs = endedAt - startedAt
      if (failure !== undefined) write((head) => ({ type: "error", ...head, message: failure, exitCode }))
      if (torrent === undefined) {
        if (failure === undefined) notice(`${Format.printable(metainfo.name)}: stopped while its files were checked`)
        return
      }
      write((head) => ({
        type: "summary",
        ...head,
        infoHashV2,
        path: options.path,
        done: now.done,
        total: now.total,
        downloaded: now.downloaded,
        uploaded: now.uploaded,
        down: downloadMs > 0 ? Math.round(now.downloaded * 1000 / downloadMs) : 0,
        ratio: ratioOf(now),
        blocked: now.blocked,
        elapsed: Math.round(elapsedMs),
        connections,
        exitCode
      }))
      const { name } = metainfo
      if (now.blocked > 0) notice(`the blocklist kept ${now.blocked} ${now.blocked === 1 ? "host" : "hosts"} away`)
      const files = chosenOf(options)
      notice(Painter.summary({ ...now, name, files, path: options.path, ratio: ratioOf(now), downloadMs, elapsedMs }))
    }
  }
})

/** What every record begins with. */
export interface Head {
  readonly time: number
  readonly infoHash: string
}

const peerRecord = (
  head: Head,
  { address }: { readonly address: PeerAddress.PeerAddress },
  state: Records.Peer["state"]
): Records.Peer => ({
  type: "peer",
  ...head,
  address: PeerAddress.format(address),
  state,
  client: null,
  reason: null,
  cipher: null,
  cause: null,
  lasts: null
})

const webSeed = (url: string, head: Head) =>
  ({ type: "webSeed", ...head, url, file: null, message: null, retryIn: null }) as const

const banOf = (cause: BanCause.BanCause) => {
  const lasts = BanCause.lasts(cause)
  return { reason: BanCause.text(cause), cause: cause._tag, lasts: lasts === Infinity ? null : lasts }
}

/** The record of an event, for those that are not told in another way. */
export const recordOf = (event: TorrentEvent, head: Head): Records.Record | undefined => {
  switch (event._tag) {
    case "PieceLanded":
      return { type: "piece", ...head, index: event.piece, state: "landed" }
    case "PieceCorrupt":
      return { type: "piece", ...head, index: event.piece, state: "corrupt" }
    case "BlockCorrupt":
      return {
        type: "block",
        ...head,
        piece: event.piece,
        index: event.block,
        state: "corrupt",
        address: event.address === undefined ? null : PeerAddress.format(event.address)
      }
    case "PeerConnected":
      return { ...peerRecord(head, event, "connected"), cipher: event.cipher }
    case "PeerIntroduced":
      return { ...peerRecord(head, event, "introduced"), client: event.client }
    case "PeerDisconnected":
      return { ...peerRecord(head, event, "disconnected"), reason: event.reason }
    case "PeerBanned":
      return { ...peerRecord(head, event, "banned"), ...banOf(event.cause) }
    case "TrackerAnswered":
      return {
        type: "tracker",
        ...head,
        url: event.url,
        state: "answered",
        seeds: event.seeds ?? null,
        leeches: event.leeches ?? null,
        message: null
      }
    case "TrackerFailed":
      return {
        type: "tracker",
        ...head,
        url: event.url,
        state: "failed",
        seeds: null,
        leeches: null,
        message: event.message
      }
    case "WebSeedAnswered":
      return { ...webSeed(event.url, head), state: "answered" }
    case "WebSeedFailed":
      return {
        ...webSeed(event.url, head),
        state: "failed",
        message: event.message,
        retryIn: Math.round(event.retryInMs)
      }
    case "WebSeedLacks":
      return { ...webSeed(event.url, head), state: "lacks", message: event.message, file: event.file.join("/") }
    case "WebSeedDropped":
      return { ...webSeed(event.url, head), state: "dropped", message: event.message }
    case "Warning":
      return { type: "warning", ...head, message: event.message }
    case "SuperSeedEnded":
      return { type: "superSeed", ...head, state: "ended", reason: event.end }
    case "Completed":
      return undefined
  }
}
