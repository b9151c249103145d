/** Tells the user how a magnet link becomes a torrent: until then there is no name to trust and no size. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Magnet } from "../../domain/Magnet.ts"
import * as MagnetMatch from "../../domain/MagnetMatch.ts"
import * as StallCause from "../../domain/swarm/StallCause.ts"
import type { Fetching, Progress } from "../../services/Metadata.ts"
import * as Monotonic from "../../services/Monotonic.ts"
import type { TorrentEvent } from "../../services/TorrentEvent.ts"
import * as Format from "./Format.ts"
import * as Records from "./Records.ts"
import * as Reporter from "./Reporter.ts"
import { StallWatch } from "./StallWatch.ts"
import * as StatusBlock from "./StatusBlock.ts"
import * as StatusRecords from "./StatusRecords.ts"
import * as Stderr from "./Stderr.ts"

export interface MagnetReporterOptions
  extends Pick<Reporter.ReporterOptions, "json" | "quiet" | "summaryInterval" | "maxDownload" | "maxUpload">
{
  readonly magnet: Magnet
}

export interface MagnetReporter {
  readonly onEvent: (event: TorrentEvent) => void
  readonly notice: (text: string) => void
  /** From now on the line shows this. */
  readonly follow: (fetching: Pick<Fetching, "progress" | "proxyTrouble" | "report">) => void
  /** Prints how it stands, even where all else is silenced. */
  readonly status: () => void
}

const FRAME = "500 millis"

/** Between two records (ms). */
const RECORD_MS = 1000

const many = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`

/** One line: what is there, or what is waited for. */
export const lineOf = (name: string, { givers, isLayers, peers, received, size, tooLarge }: Progress): string => {
  const parts = isLayers
    ? [`metadata ${Format.bytes(received)}, waiting for its piece hashes`, `peers ${peers}`]
    : size !== undefined
    ? [`metadata ${Format.pair(received, size)}`, `peers ${peers}, ${givers} with metadata`]
    : peers === 0
    ? ["metadata: waiting for a peer"]
    : tooLarge !== undefined
    ? [`metadata of ${Format.bytes(tooLarge)} is over the limit of --max-torrent-size`, `peers ${peers}`]
    : ["metadata: waiting for a peer that has it", many(peers, "peer")]
  return [Format.printable(name), ...parts].join("  ")
}

/** Starts to report; the line is finished with the scope. */
export const make = Effect.fnUntraced(function*(
  options: MagnetReporterOptions
): Effect.fn.Return<MagnetReporter, never, Scope.Scope> {
  const { magnet } = options
  const infoHash = MagnetMatch.swarmsOf(magnet)[0]!
  const name = magnet.name ?? infoHash
  const clock = yield* Clock.Clock
  const { isTerminal, screen } = Stderr.open()
  const teller = Reporter.makeTeller()
  const stall = new StallWatch()
  let fetching: Pick<Fetching, "progress" | "proxyTrouble" | "report"> | undefined
  let lastLine = Monotonic.millis(clock)
  let lastRecord = -Infinity

  const write = (record: (head: Reporter.Head) => Records.Record | undefined) => {
    const body = options.json ? record({ time: clock.currentTimeMillisUnsafe(), infoHash }) : undefined
    if (body !== undefined) process.stdout.write(`${Records.encode(body)}\n`)
  }
  const notice = (text: string) => {
    if (!options.quiet) screen.notice(text)
  }
  const writeProgress = (at: Progress) =>
    write((head) => ({
      type: "magnet",
      ...head,
      infoHashV2: magnet.infoHashV2 ?? null,
      name: magnet.name ?? null,
      state: at.isLayers ? "layers" : "metadata",
      received: at.received,
      size: at.size ?? null,
      peers: at.peers,
      givers: at.givers
    }))
  const why = (cause: StallCause.StallCause): string => fetching?.proxyTrouble() ?? StallCause.text(cause)

  const lookAtStall = (from: Pick<Fetching, "report">, { received }: Progress, now: number) => {
    const { state } = from.report()
    if (state._tag !== "Metadata") return
    const { cause } = state
    const news = stall.look({ downloaded: received, state: { _tag: "Stalled", cause } }, now)
    if (news === undefined) return
    write((head) => StatusRecords.stalled(news === "Moving" ? undefined : cause, why, head))
    if (!isTerminal && news !== "Moving") notice(`nothing comes: ${why(cause)}`)
  }
  const secondLine = (): string =>
    stall.cause === undefined
      ? ""
      : Format.cut(Format.printable(`  nothing comes: ${why(stall.cause)}`), screen.width)
  const frame = () => {
    if (fetching === undefined) return
    const now = Monotonic.millis(clock)
    const at = fetching.progress()
    lookAtStall(fetching, at, now)
    if (now - lastRecord >= RECORD_MS) {
      lastRecord = now
      writeProgress(at)
    }
    if (options.quiet || (!isTerminal && now - lastLine < options.summaryInterval * 1000)) return
    lastLine = now
    screen.paint(Format.cut(lineOf(name, at), screen.width), secondLine())
  }
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sync(frame), Effect.sleep(FRAME))))
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      if (fetching !== undefined) writeProgress(fetching.progress())
      screen.clear()
    })
  )
  return {
    notice,
    onEvent: (event) => {
      write((head) => Reporter.recordOf(event, head))
      const text = teller(event)
      if (text !== undefined) notice(text)
    },
    follow: (now) => {
      fetching = now
      frame()
    },
    status: () => {
      const report = fetching?.report()
      if (report === undefined) return
      if (options.json) return write((head) => StatusRecords.status(report, { checked: 0, total: 0, why }, head))
      screen.notice(StatusBlock.lines(name, report, { ...options, why }, screen.width).join("\n"))
    }
  }
})
