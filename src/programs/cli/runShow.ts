/** `show`: tells what is in a torrent or a magnet link. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ShowOptions } from "./DocumentFlags.ts"
import { ExitCode, type Failure, failure } from "./ExitCode.ts"
import * as FileList from "./FileList.ts"
import { loadTorrent } from "./LoadTorrent.ts"
import * as MagnetLink from "./MagnetLink.ts"
import * as ShownTorrent from "./ShownTorrent.ts"
import * as Stdout from "./Stdout.ts"
import * as TorrentPage from "./TorrentPage.ts"

interface Subject {
  readonly torrent: ShownTorrent.ShownTorrent
  readonly hints: TorrentPage.Hints
}

const load = Effect.fnUntraced(function*(options: ShowOptions): Effect.fn.Return<Subject, Failure> {
  const link = MagnetLink.of(options.torrent)
  if (link !== undefined) {
    const magnet = yield* Effect.fromResult(link)
    return { torrent: ShownTorrent.ofMagnet(magnet), hints: magnet }
  }
  const metainfo = yield* loadTorrent({
    source: options.torrent,
    maxBytes: options.maxTorrentSize,
    proxy: Option.getOrUndefined(options.proxy)
  })
  return { torrent: ShownTorrent.ofMetainfo(metainfo), hints: TorrentPage.NO_HINTS }
})

const filesOf = ({ files }: ShownTorrent.ShownTorrent) =>
  files === null
    ? failure(ExitCode.usage, "a magnet link does not tell the files of its torrent; leave out --files")
    : Effect.succeed(files)

export const runShow = Effect.fnUntraced(function*(options: ShowOptions) {
  if (Number(options.json) + Number(options.magnet) + Number(options.files) > 1) {
    return yield* failure(ExitCode.usage, "--json, --magnet and --files exclude each other")
  }
  const { hints, torrent } = yield* load(options)
  const { terminal } = Stdout.open()
  const text = options.json
    ? `${ShownTorrent.encode(torrent)}\n`
    : options.magnet
    ? `${torrent.magnet}\n`
    : options.files
    ? (terminal === undefined ? FileList.fields : FileList.table)(yield* filesOf(torrent))
    : terminal === undefined
    ? TorrentPage.fields(torrent, hints)
    : TorrentPage.render(torrent, hints, terminal.columns, terminal.style)
  process.stdout.write(text)
})
