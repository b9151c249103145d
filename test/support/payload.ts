/** Torrents for tests of storage: a layout of files, and a payload that fits it. */
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Bytes from "../../src/domain/Bytes.ts"
import * as Digest from "../../src/domain/Digest.ts"
import * as InfoHash from "../../src/domain/InfoHash.ts"
import type * as Metainfo from "../../src/domain/Metainfo.ts"
import * as PieceLayout from "../../src/domain/PieceLayout.ts"

export interface FileSpec {
  readonly length: number
  readonly padding?: boolean
  readonly path?: ReadonlyArray<string>
}

export interface Torrent {
  readonly metainfo: Metainfo.Metainfo
  readonly payload: Uint8Array
}

/** Bytes that look random and are the same every time. */
export const noise = (length: number, seed = 1): Uint8Array => {
  const out = new Uint8Array(length)
  let state = seed * 2_654_435_761 >>> 0 || 1
  for (let i = 0; i < length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    out[i] = state
  }
  return out
}

export const torrent = (specs: ReadonlyArray<FileSpec>, pieceLength: number, seed = 1): Torrent => {
  let offset = 0
  const files = specs.map((spec, index): Metainfo.FileEntry => {
    const entry = {
      path: spec.path ?? ["top", `folder${index % 3}`, `file${index}`],
      length: spec.length,
      offset,
      padding: spec.padding ?? false,
      piecesRoot: undefined,
      symlink: undefined,
      executable: false
    }
    offset += spec.length
    return entry
  })
  const payload = noise(offset, seed)
  for (const file of files) if (file.padding) payload.fill(0, file.offset, file.offset + file.length)
  const layout = PieceLayout.make(offset, pieceLength)
  const hashes = Array.from({ length: layout.pieces }, (_, piece) => Digest.sha1(pieceOf({ layout, payload }, piece)))
  return { payload, metainfo: metainfoOf(files, layout, Bytes.concat(hashes)) }
}

/** The same files where version 2 puts them (BEP 52): each with data starts a piece, and behind it there may be a gap. */
export const spaced = ({ metainfo, payload }: Torrent): Torrent => {
  const { pieceLength } = metainfo.layout
  const short = new Map<number, number>()
  const pieces: Array<Uint8Array> = []
  let end = 0
  const files = metainfo.files.map((file): Metainfo.FileEntry => {
    const gap = file.length === 0 ? 0 : (pieceLength - end % pieceLength) % pieceLength
    if (gap > 0) short.set(Math.floor(end / pieceLength), pieceLength - gap)
    pieces.push(new Uint8Array(gap), payload.subarray(file.offset, file.offset + file.length))
    const offset = end + gap
    end = offset + file.length
    return Object.assign({}, file, { offset, padding: false })
  })
  return {
    payload: Bytes.concat(pieces),
    metainfo: { ...metainfo, files, layout: PieceLayout.make(end, pieceLength, short) }
  }
}

const metainfoOf = (
  files: ReadonlyArray<Metainfo.FileEntry>,
  layout: PieceLayout.PieceLayout,
  pieceHashes: Uint8Array,
  infoHash = InfoHash.fromBytes(Digest.sha1(pieceHashes))
): Metainfo.Metainfo => ({
  version: "1",
  infoHash,
  infoHashV1: infoHash,
  infoHashV2: undefined,
  swarms: [infoHash],
  name: "top",
  multiFile: true,
  files,
  layout,
  pieceHashes,
  pieceRoots: undefined,
  private: false,
  trackers: [],
  webSeeds: [],
  nodes: [],
  comment: undefined,
  createdBy: undefined,
  creationDate: undefined,
  source: undefined,
  info: Bytes.empty
})

const pieceOf = (
  { layout, payload }: { readonly layout: PieceLayout.PieceLayout; readonly payload: Uint8Array },
  piece: number
): Uint8Array => {
  const offset = PieceLayout.pieceOffset(layout, piece)
  return payload.subarray(offset, offset + PieceLayout.pieceSize(layout, piece))
}

/** The right bytes of a piece. */
export const piece = ({ metainfo, payload }: Torrent, index: number): Uint8Array =>
  pieceOf({ layout: metainfo.layout, payload }, index)

/** The right bytes of a file. */
export const content = ({ metainfo, payload }: Torrent, file: number): Uint8Array => {
  const { length, offset } = metainfo.files[file]!
  return payload.subarray(offset, offset + length)
}

/** Puts a whole file of the torrent on disk, as another program would. */
export const place = (torrent: Torrent, dir: string, file: number, bytes = content(torrent, file)): string => {
  const target = path.join(dir, ...torrent.metainfo.files[file]!.path)
  fs.mkdirSync(path.dirname(target), { recursive: true })
  fs.writeFileSync(target, bytes)
  return target
}

/** A folder that goes away with the scope. Its path holds no link. */
export const temporary = Effect.acquireRelease(
  Effect.sync(() => fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "freshet-")))),
  (dir) => Effect.sync(() => fs.rmSync(dir, { recursive: true, force: true }))
)
