/** `edit`: changes trackers, web seeds and texts of a .torrent, and nothing else in it. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as MetainfoEditor from "../../domain/MetainfoEditor.ts"
import type { EditOptions } from "./DocumentFlags.ts"
import * as EditPage from "./EditPage.ts"
import * as EditReport from "./EditReport.ts"
import { ExitCode, type Failure, failure } from "./ExitCode.ts"
import * as Format from "./Format.ts"
import { loadDocument } from "./LoadTorrent.ts"
import { warn } from "./Main.ts"
import * as SaveTorrent from "./SaveTorrent.ts"

const STDIO = "-"

const excluding = (a: string, b: string) => failure(ExitCode.usage, `${a} and ${b} exclude each other`)

/** Options that contradict each other or say nothing. */
const check = (options: EditOptions): Effect.Effect<void, Failure> => {
  if (Option.isSome(options.comment) && options.noComment) return excluding("--comment", "--no-comment")
  if (Option.isSome(options.source) && options.noSource) return excluding("--source", "--no-source")
  if (options.private && options.public) return excluding("--private", "--public")
  if (options.json && Option.contains(options.output, STDIO)) return excluding("--json", "--output -")
  return Effect.void
}

const textOf = (text: Option.Option<string>, none: boolean): string | null | undefined =>
  none ? null : Option.getOrUndefined(text)

const listOf = (
  add: ReadonlyArray<ReadonlyArray<string>>,
  remove: ReadonlyArray<string>,
  clear: boolean
): MetainfoEditor.ListEdit | undefined =>
  clear || add.length > 0 || remove.length > 0 ? { add, remove, clear } : undefined

const editsOf = (options: EditOptions): MetainfoEditor.Edits => ({
  trackers: listOf(options.addTracker, options.removeTracker, options.noTrackers),
  webSeeds: listOf(options.addWebseed.map((url) => [url]), options.removeWebseed, options.noWebseeds),
  comment: textOf(options.comment, options.noComment),
  source: textOf(options.source, options.noSource),
  private: options.private ? true : options.public ? false : undefined,
  name: Option.getOrUndefined(options.name)
})

/** Where the result goes; `undefined` for the standard output. */
const targetOf = ({ output, torrent }: EditOptions): Effect.Effect<string | undefined, Failure> => {
  if (Option.isSome(output)) return Effect.succeed(output.value === STDIO ? undefined : output.value)
  return torrent === STDIO || /^https?:\/\//i.test(torrent)
    ? failure(ExitCode.usage, `${torrent} cannot be written to; say where to write with --output FILE, or --output -`)
    : Effect.succeed(torrent)
}

/** A reader of the document gets nothing else on the standard output. */
const say = (lines: ReadonlyArray<string>, target: string | undefined): void => {
  if (target === undefined) { for (const line of lines) process.stderr.write(`${Format.printable(line)}\n`) }
  else process.stdout.write(lines.map((line) => `${Format.printable(line)}\n`).join(""))
}

export const runEdit = Effect.fnUntraced(function*(options: EditOptions) {
  yield* check(options)
  const edits = editsOf(options)
  if (Object.values(edits).every((edit) => edit === undefined)) {
    return yield* failure(ExitCode.usage, "nothing is said to be changed; see --help for what can be")
  }
  const target = yield* targetOf(options)
  const source = options.torrent === STDIO ? "stdin" : options.torrent
  const { bytes: document } = yield* loadDocument({
    program: "edit",
    source: options.torrent,
    maxBytes: options.maxTorrentSize,
    proxy: Option.getOrUndefined(options.proxy)
  })
  const edited = yield* Effect.fromResult(Result.mapError(
    MetainfoEditor.edit(document, edits, { maxBytes: Math.max(options.maxTorrentSize, document.length) }),
    ({ message }) => failure(ExitCode.usage, `${source} cannot be changed so: ${message}`)
  ))
  const isSame = edited.bytes === document
  const isWritten = !options.dryRun && (!isSame || Option.isSome(options.output))
  if (isWritten && target !== undefined) {
    yield* SaveTorrent.save(
      yield* SaveTorrent.prepare(target, { over: "Torrent", option: "--output" }),
      edited.bytes
    )
  }
  if (isWritten && target === undefined) process.stdout.write(edited.bytes)
  const report = EditReport.of(edited, isWritten ? target ?? null : null)
  if (options.json) process.stdout.write(`${EditReport.encode(report)}\n`)
  else {
    const isElsewhere = isWritten && target !== undefined && target !== options.torrent
    const occasion = { source, target: isElsewhere ? target : undefined, isDryRun: options.dryRun }
    say(EditPage.lines(edited, report, occasion), target)
  }
  if (edited.after.private && edited.after.trackers.length === 0) {
    warn(`${source}: a private torrent without a tracker: no peer can find another`)
  }
})
