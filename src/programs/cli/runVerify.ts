/** `verify`: compares data on the disk with its torrent. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import * as path from "node:path"
import * as DataVerifier from "../../services/DataVerifier.ts"
import { PieceHasher } from "../../services/PieceHasher.ts"
import type { VerifyOptions } from "./DocumentFlags.ts"
import { ExitCode, type Failure, failure } from "./ExitCode.ts"
import * as Format from "./Format.ts"
import * as Hashing from "./Hashing.ts"
import { loadTorrent } from "./LoadTorrent.ts"
import { complain, Run } from "./Main.ts"
import * as Stdout from "./Stdout.ts"
import * as Text from "./Text.ts"
import * as VerifyReport from "./VerifyReport.ts"

const folderOf = (dir: string): Effect.Effect<string, Failure> => {
  const folder = path.resolve(dir)
  return fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true
    ? Effect.succeed(folder)
    : failure(ExitCode.notFound, `${dir} is not a folder; say with --dir where the data is`)
}

/** The usual mistake: the torrent's own folder, instead of the one that holds it. */
const hintOf = ({ dir, files, name }: VerifyReport.VerifyReport): string | undefined =>
  files.every(({ state }) => state === "missing") && path.basename(dir) === name
    ? `nothing of ${name} is below ${dir}; give the folder that holds it: --dir ${path.dirname(dir)}`
    : undefined

/** On a terminal a long line goes on under its second column. */
const fitted = (lines: ReadonlyArray<string>): ReadonlyArray<string> => {
  const { terminal } = Stdout.open()
  return terminal === undefined
    ? lines
    : lines.flatMap((line) => Text.hanging(line, terminal.columns, VerifyReport.COLUMN))
}

export const runVerify = Effect.fnUntraced(function*(options: VerifyOptions) {
  const run = yield* Run
  const dir = yield* folderOf(options.dir)
  const metainfo = yield* loadTorrent({
    source: options.torrent,
    program: "verify",
    maxBytes: options.maxTorrentSize,
    proxy: Option.getOrUndefined(options.proxy),
    dataIn: dir
  })
  const findings = yield* Effect.scoped(
    Effect.flatMap(
      Hashing.progress({ ...options, name: metainfo.name, phase: "checking" }),
      (onProgress) => DataVerifier.verify({ metainfo, dir, onProgress })
    )
  ).pipe(
    Effect.provide(PieceHasher.layer),
    Effect.catchTag("PieceHasherError", ({ message }) => failure(ExitCode.fileError, message))
  )
  const report = VerifyReport.of(metainfo, dir, findings)
  const lines = [...VerifyReport.problems(report), VerifyReport.summary(report)].map(Format.printable)
  const shown = options.json ? [VerifyReport.encode(report)] : fitted(lines)
  process.stdout.write(shown.map((line) => `${line}\n`).join(""))
  const hint = hintOf(report)
  if (hint !== undefined) complain(hint)
  if (!report.ok) run.code = ExitCode.integrity
})
