/** `leech` with a magnet link or an info hash. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as path from "node:path"
import type { Magnet } from "../../domain/Magnet.ts"
import type { Metainfo } from "../../domain/Metainfo.ts"
import * as Folder from "../../services/Folder.ts"
import { defaultStateDir } from "../../services/ResumeStore.ts"
import * as SystemCode from "../../services/SystemCode.ts"
import * as Blocklists from "./Blocklists.ts"
import { ExitCode, failure } from "./ExitCode.ts"
import type { LeechOptions } from "./Flags.ts"
import * as Format from "./Format.ts"
import * as MagnetPhase from "./MagnetPhase.ts"
import { untilStopped, warn } from "./Main.ts"
import * as Records from "./Records.ts"
import { bindOf, check, engineOf, leechTorrent, peersOf, showFiles, trackersOf } from "./runLeech.ts"
import * as SaveTorrent from "./SaveTorrent.ts"

/** The files of the user's choice, or else of the link's (BEP 53). */
const selectedBy = ({ selected }: Magnet, { selectFile }: LeechOptions): ReadonlySet<number> | undefined =>
  Option.getOrElse(selectFile, () => {
    if (selected === undefined) return undefined
    const chosen = new Set<number>()
    for (const { first, last } of selected) for (let file = first; file <= last; file++) chosen.add(file)
    return chosen
  })

const rulesOf = ({ allowOverwrite }: LeechOptions): SaveTorrent.Rules => ({
  over: allowOverwrite ? "File" : "Nothing",
  option: "--save-metadata",
  force: "--allow-overwrite"
})

/** Writes the .torrent, unless it is there already byte for byte. */
const write = Effect.fnUntraced(function*(file: string, document: Uint8Array, options: LeechOptions) {
  if (yield* SaveTorrent.isThere(file, document)) return
  yield* SaveTorrent.save(yield* SaveTorrent.prepare(file, rulesOf(options)), document)
})

const tellOfSaved = Effect.fnUntraced(function*(saved: string, { infoHash }: Metainfo, options: LeechOptions) {
  const file = path.resolve(saved)
  if (options.json) {
    const time = yield* Clock.currentTimeMillis
    process.stdout.write(`${Records.encode({ type: "saved", time, infoHash, path: file })}\n`)
  }
  if (options.metadataOnly && !options.quiet) process.stderr.write(`saved in ${Format.printable(file)}\n`)
})

const makeFolder = (dir: string) =>
  Effect.tryPromise({
    try: () => Folder.make(dir),
    catch: (cause) => failure(ExitCode.cannotCreateFolder, `cannot make ${dir}: ${SystemCode.describe(cause)}`)
  })

/** Finds out whether it can go to where the user wants it, before hours are spent. */
const checkPlace = Effect.fnUntraced(function*(named: string, options: LeechOptions) {
  if (named !== SaveTorrent.STDOUT) {
    return yield* SaveTorrent.prepare(named, { ...rulesOf(options), over: "File" })
  }
  return yield* SaveTorrent.checkStdout("--save-metadata", {
    "--json": options.json,
    "--show-files": options.showFiles
  })
})

/** To where the user wants it; with `--metadata-only` and no other wish, into the download folder. */
const saveMetadata = Effect.fnUntraced(
  function*({ document, metainfo }: Pick<MagnetPhase.Gained, "document" | "metainfo">, options: LeechOptions) {
    const named = Option.getOrUndefined(options.saveMetadata)
    if (named === undefined && !options.metadataOnly && !options.keepMetadata) return
    const file = named ?? path.join(options.dir, `${metainfo.name}.torrent`)
    if (document === undefined) {
      const what = file === SaveTorrent.STDOUT ? "the torrent" : file
      return warn(`${what} is not written: no peer gives the piece hashes of version 2`)
    }
    if (file === SaveTorrent.STDOUT) return void process.stdout.write(document)
    if (named === undefined) yield* makeFolder(path.resolve(options.dir))
    yield* write(file, document, options)
    yield* tellOfSaved(file, metainfo, options)
  }
)

/** BEP 27 forbids others than the torrent's own trackers, which without any in the link are those of the user. */
const announcedTo = (metainfo: Metainfo, magnet: Magnet, options: LeechOptions) =>
  trackersOf(metainfo, magnet.trackers.length > 0 ? options : { ...options, tracker: [] })

export const runMagnet = Effect.fnUntraced(function*(options: LeechOptions, magnet: Magnet) {
  yield* MagnetPhase.checkSources(magnet, options)
  const named = Option.getOrUndefined(options.saveMetadata)
  if (named !== undefined) yield* checkPlace(named, options)
  const userPeers = yield* peersOf(options)
  const filter = yield* Blocklists.load(options, bindOf(options.bind))
  const stateDir = Option.getOrElse(options.stateDir, () => defaultStateDir(process.env))
  let isDone = false
  const stopped = () => isDone ? ExitCode.ok : ExitCode.unfinished
  const work = Effect.gen(function*() {
    const gained = yield* MagnetPhase.gain({ magnet, options, stateDir, peers: userPeers })
    const { begun, linkPeers, metainfo } = gained
    yield* saveMetadata(gained, options)
    if (options.showFiles) yield* showFiles(metainfo, options.json)
    if (options.metadataOnly || options.showFiles) return ExitCode.ok
    const selected = selectedBy(magnet, options)
    yield* check(metainfo, selected, options)
    return yield* leechTorrent(options, {
      metainfo,
      begun,
      selected,
      trackers: yield* announcedTo(metainfo, magnet, options),
      peers: userPeers,
      linkPeers,
      stopped,
      onDone: () => {
        isDone = true
      }
    })
  })
  yield* untilStopped(Effect.scoped(Effect.provide(work, engineOf(options, filter))), stopped)
})
