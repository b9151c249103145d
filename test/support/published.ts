/** Torrents with a document of their own, and their files on the disk. */
import * as Result from "effect/Result"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Metainfo from "../../src/domain/Metainfo.ts"
import * as MetainfoWriter from "../../src/domain/MetainfoWriter.ts"
import { content, type FileSpec, place, type Torrent, torrent } from "./payload.ts"

export interface Published extends Torrent {
  /** The .torrent. */
  readonly document: Uint8Array
}

export interface PublishOptions {
  readonly trackers?: ReadonlyArray<ReadonlyArray<string>>
  readonly private?: boolean
  readonly seed?: number
}

export const publish = (
  specs: ReadonlyArray<FileSpec>,
  pieceLength: number,
  options: PublishOptions = {}
): Published => {
  const { metainfo, payload } = torrent(specs, pieceLength, options.seed)
  const document = MetainfoWriter.encode({
    name: metainfo.name,
    pieceLength,
    pieceHashes: metainfo.pieceHashes,
    trackers: options.trackers,
    private: options.private,
    files: metainfo.files.map(({ length, padding, path }) => ({ length, padding, path: path.slice(1) }))
  })
  const parsed = Metainfo.parse(document, { maxBytes: document.length, names: "portable" })
  return { payload, document, metainfo: Result.getOrThrow(parsed) }
}

/** Puts all files of the torrent into the folder. */
export const placeAll = (torrent: Published, dir: string): void => {
  torrent.metainfo.files.forEach((file, index) => {
    if (!file.padding) place(torrent, dir, index)
  })
}

/** Where a file of the torrent is, or would be. */
export const fileAt = (torrent: Torrent, dir: string, file: number): string =>
  path.join(dir, ...torrent.metainfo.files[file]!.path)

/** The files, by index, that are not there or not right. */
export const wrongFiles = (torrent: Torrent, dir: string): Array<number> =>
  torrent.metainfo.files.flatMap((_, file) => {
    const place = fileAt(torrent, dir, file)
    return fs.existsSync(place) && Buffer.compare(fs.readFileSync(place), content(torrent, file)) === 0 ? [] : [file]
  })

/** The bytes of a piece as they are on the disk now; what is not there is left zero. */
export const pieceOnDisk = ({ metainfo }: Torrent, dir: string, piece: number): Uint8Array => {
  const { pieceLength, totalLength } = metainfo.layout
  const from = piece * pieceLength
  const out = new Uint8Array(Math.min(pieceLength, totalLength - from))
  for (const file of metainfo.files) {
    const start = Math.max(from, file.offset)
    const end = Math.min(from + out.length, file.offset + file.length)
    if (start >= end) continue
    const fd = fs.openSync(path.join(dir, ...file.path), "r")
    fs.readSync(fd, out, start - from, end - start, start - file.offset)
    fs.closeSync(fd)
  }
  return out
}
