/** `create`: makes a torrent of a file or folder, and writes it. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as path from "node:path"
import * as Magnet from "../../domain/Magnet.ts"
import type { Metainfo } from "../../domain/Metainfo.ts"
import * as TorrentLint from "../../domain/TorrentLint.ts"
import * as Monotonic from "../../services/Monotonic.ts"
import { type Plan, TorrentMaker } from "../../services/TorrentMaker.ts"
import type { CreateOptions } from "./CreateFlags.ts"
import { ExitCode, type Failure } from "./ExitCode.ts"
import * as Format from "./Format.ts"
import { complain, untilStopped, warn } from "./Main.ts"
import * as Making from "./Making.ts"
import * as SaveTorrent from "./SaveTorrent.ts"

/** Where the torrent goes: a file, or `-` for stdout. */
type Target = string

/** Seconds between progress lines where stderr is no terminal. */
const SUMMARY_INTERVAL = 10

/** Less time than that is nobody's concern, and a rate of it says nothing. */
const SETTLED_MS = 100

/** Refuses what cannot be written before it is hashed, which may take hours; `undefined` for stdout. */
const placeOf = Effect.fnUntraced(function*(
  target: Target,
  plan: Plan,
  { force, json }: CreateOptions
): Effect.fn.Return<SaveTorrent.Place | undefined, Failure> {
  if (target !== SaveTorrent.STDOUT) {
    const over = force ? "File" : "Nothing"
    return yield* SaveTorrent.prepare(target, { over, option: "--output", source: plan.path })
  }
  yield* SaveTorrent.checkStdout("--output", { "--json": json })
  return undefined
})

const warningsOf = (
  plan: Plan,
  { magnet, private: isPrivate, tracker, webSeed }: CreateOptions
): ReadonlyArray<string> => [
  ...plan.unshareable === undefined
    ? []
    : [`${plan.unshareable} has a name that is not UTF-8; few clients can fetch it`],
  ...magnet && isPrivate
    ? ["nobody gives the metadata of a private torrent away: its link is of no use without the .torrent (BEP 27)"]
    : [],
  ...TorrentLint.lint({
    ...plan,
    multiFile: !plan.single,
    private: isPrivate,
    trackers: tracker,
    webSeeds: webSeed,
    paths: plan.files.map(({ names }) => [plan.name, ...names.map((name) => Buffer.from(name).toString())])
  })
]

const contentOf = ({ files, name, pieceLength, pieces, totalLength }: Plan): string =>
  `${name}: ${Format.bytes(totalLength)} in ${files.length} ${files.length === 1 ? "file" : "files"}, ` +
  `${pieces} ${pieces === 1 ? "piece" : "pieces"} of ${Format.bytes(pieceLength)}`

/** What came of it, if it was more than a rehearsal. */
interface Result {
  readonly metainfo: Metainfo
  readonly magnet: string
  readonly target: Target
}

const tell = (text: string): void => void process.stderr.write(`${Format.printable(text)}\n`)

/** Of what was left out, and what may not be meant. */
const tellOf = (plan: Plan, options: CreateOptions): void => {
  if (!options.quiet) Making.notes(plan.leftOut).forEach(tell)
  for (const warning of warningsOf(plan, options)) warn(warning)
}

const record = Effect.fnUntraced(function*(plan: Plan, warnings: ReadonlyArray<string>, result: Result | undefined) {
  const { files, leftOut, name, pieceLength, pieces, totalLength: total, version } = plan
  // Most runs need no schema, which takes its time to load.
  const Records = yield* Effect.promise(() => import("./Records.ts"))
  const line = Records.encode({
    type: "created",
    time: yield* Clock.currentTimeMillis,
    infoHash: result?.metainfo.infoHashV1 ?? null,
    infoHashV2: result?.metainfo.infoHashV2 ?? null,
    path: result === undefined ? null : path.resolve(result.target),
    magnet: result?.magnet ?? null,
    name,
    version,
    total,
    pieceLength,
    pieces,
    files: files.length,
    leftOut,
    warnings
  })
  process.stdout.write(`${line}\n`)
})

const rehearse = Effect.fnUntraced(function*(plan: Plan, target: Target, options: CreateOptions) {
  if (options.json) return yield* record(plan, warningsOf(plan, options), undefined)
  tellOf(plan, options)
  process.stdout.write(`${Format.printable(contentOf(plan))}\n`)
  tell(target === SaveTorrent.STDOUT ? "nothing is written" : `nothing is written; it would be to ${target}`)
})

const create = Effect.fnUntraced(function*(plan: Plan, target: Target, options: CreateOptions) {
  const place = yield* placeOf(target, plan, options)
  if (!options.json) tellOf(plan, options)
  const clock = yield* Clock.Clock
  const startedAt = Monotonic.millis(clock)
  const { bytes, metainfo } = yield* Making.make(plan, {
    trackers: options.tracker,
    webSeeds: options.webSeed,
    private: options.private,
    source: Option.getOrUndefined(options.source),
    comment: Option.getOrUndefined(options.comment),
    createdBy: options.noCreatedBy ? undefined : Making.CREATED_BY,
    creationDate: options.noDate ? undefined : yield* Making.creationDate
  }, { quiet: options.quiet, summaryInterval: SUMMARY_INTERVAL })
  const ms = Monotonic.millis(clock) - startedAt
  if (place !== undefined) yield* SaveTorrent.save(place, bytes)
  else process.stdout.write(bytes)
  const magnet = Magnet.format(Magnet.fromMetainfo(metainfo))
  if (options.json) return yield* record(plan, warningsOf(plan, options), { metainfo, magnet, target })
  const words = [...Format.hashes(metainfo), ...options.magnet ? [magnet] : []]
  const say = target === SaveTorrent.STDOUT ? tell : (text: string) => void process.stdout.write(`${text}\n`)
  if (target !== SaveTorrent.STDOUT || !options.quiet) words.forEach(say)
  if (options.quiet) return
  const time = ms < SETTLED_MS ? "" : `, made in ${Format.duration(ms)} (${Format.rate(plan.totalLength * 1000 / ms)})`
  tell(`${contentOf(plan)}${time}`)
  if (target !== SaveTorrent.STDOUT) tell(`written to ${target}`)
})

const tellOfStop = Effect.sync(() => complain("stopped: no torrent is made"))

export const runCreate = Effect.fnUntraced(function*(options: CreateOptions) {
  const work = Effect.gen(function*() {
    const plan = yield* Making.plan({
      path: options.path,
      version: yield* Making.versionOf(options),
      pieceLength: Option.getOrUndefined(options.pieceLength),
      name: Option.getOrUndefined(options.name),
      exclude: options.exclude,
      includeHidden: options.includeHidden
    })
    const target = Option.getOrElse(options.output, () => `${plan.name}.torrent`)
    yield* (options.dryRun ? rehearse(plan, target, options) : create(plan, target, options))
    return ExitCode.ok
  })
  yield* untilStopped(
    Effect.onInterrupt(Effect.provide(work, TorrentMaker.layer), () => tellOfStop),
    () => ExitCode.unfinished
  )
})
