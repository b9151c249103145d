/**
 * The resume record as bytes: a fixed head, four tables and a checksum. Its exact length follows from the torrent and
 * the number of masks, so a reader can refuse before it allocates.
 *
 * ```
 * 0   "freshres"            8 bytes
 * 8   format                uint32: 2 for a torrent without version 1, else 1; all integers big-endian
 * 12  info hash             20 bytes
 * 32  pieces, files, blocks per piece, masks      uint32 each
 * 48  uploaded, downloaded  float64 each
 *     info hash in full     32 bytes, in format 2
 *     have                  ceil(pieces / 8) bytes
 *     closed, in part       ceil(files / 8) bytes each
 *     mtimes                int64 per file, 0 unless closed
 *     masks                 uint32 piece + ceil(blocks per piece / 8) bytes, by rising piece
 *     SHA-1 of all before   20 bytes
 * ```
 *
 * What names a torrent without version 1 is a truncated hash, which another may share: format 2 keeps the whole one.
 */
import * as Data from "effect/Data"
import * as Result from "effect/Result"
import * as Bitfield from "./Bitfield.ts"
import * as Bytes from "./Bytes.ts"
import * as Digest from "./Digest.ts"
import * as InfoHash from "./InfoHash.ts"
import * as InfoHashV2 from "./InfoHashV2.ts"
import type * as Metainfo from "./Metainfo.ts"
import * as PieceLayout from "./PieceLayout.ts"
import type { ResumeRecord } from "./Resume.ts"

const MAGIC = Bytes.fromUtf8("freshres")
const HEAD = 64
const CHECKSUM = 20

/** Why bytes are not the record that was asked for. */
export type Damage = Data.TaggedEnum<{
  NotARecord: {}
  OtherVersion: { readonly version: number }
  OtherTorrent: {}
  /** Too short, too long, or changed. */
  Corrupt: {}
}>
export const Damage = Data.taggedEnum<Damage>()

const formatOf = ({ infoHashV1 }: Metainfo.Metainfo): number => infoHashV1 === undefined ? 2 : 1

/** Behind the head: what {@link formatOf} adds to it. */
const fullHash = ({ infoHashV1, infoHashV2 }: Metainfo.Metainfo): Uint8Array =>
  infoHashV1 === undefined && infoHashV2 !== undefined ? InfoHashV2.toBytes(infoHashV2) : Bytes.empty

const maskEntry = ({ layout }: Metainfo.Metainfo): number => 4 + Bitfield.byteLength(layout.blocksPerPiece)

const length = (metainfo: Metainfo.Metainfo, masks: number): number => {
  const files = metainfo.files.length
  const tables = Bitfield.byteLength(metainfo.layout.pieces) + 2 * Bitfield.byteLength(files) + 8 * files
  return HEAD + fullHash(metainfo).length + tables + masks * maskEntry(metainfo) + CHECKSUM
}

/** No record of this torrent is longer, in bytes. */
export const maxLength = (metainfo: Metainfo.Metainfo): number => length(metainfo, metainfo.layout.pieces)

export const encode = (metainfo: Metainfo.Metainfo, record: ResumeRecord): Uint8Array<ArrayBuffer> => {
  const { layout, files } = metainfo
  const out = new Uint8Array(length(metainfo, record.masks.size))
  const view = new DataView(out.buffer)
  out.set(MAGIC)
  const head = [layout.pieces, files.length, layout.blocksPerPiece, record.masks.size]
  view.setUint32(8, formatOf(metainfo))
  out.set(InfoHash.toBytes(metainfo.infoHash), 12)
  head.forEach((value, index) => view.setUint32(32 + 4 * index, value))
  view.setFloat64(48, record.uploaded)
  view.setFloat64(56, record.downloaded)
  let at = HEAD
  for (const table of [fullHash(metainfo), record.have, record.closed.files, record.inPart]) {
    out.set(table, at)
    at += table.length
  }
  for (const mtime of record.closed.mtimes) {
    view.setBigInt64(at, mtime)
    at += 8
  }
  for (const piece of Array.from(record.masks.keys()).sort((a, b) => a - b)) {
    view.setUint32(at, piece)
    out.set(record.masks.get(piece)!, at + 4)
    at += maskEntry(metainfo)
  }
  out.set(Digest.sha1(out.subarray(0, at)), at)
  return out
}

/** Reads a record of this torrent; shares no memory with `bytes`. */
export const decode = (metainfo: Metainfo.Metainfo, bytes: Uint8Array): Result.Result<ResumeRecord, Damage> => {
  if (bytes.length < HEAD + CHECKSUM || !Bytes.equals(bytes.subarray(0, MAGIC.length), MAGIC)) {
    return Result.fail(Damage.NotARecord())
  }
  const version = Bytes.readUint32(bytes, 8)
  if (version !== 1 && version !== 2) return Result.fail(Damage.OtherVersion({ version }))
  // A plain view, since `slice` of a Node `Buffer` does not copy.
  const body = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length - CHECKSUM)
  if (!Bytes.equals(Digest.sha1(body), bytes.subarray(body.length))) return Result.fail(Damage.Corrupt())
  const { files, infoHash, layout } = metainfo
  const hash = fullHash(metainfo)
  const same = version === formatOf(metainfo) && Bytes.equals(body.subarray(HEAD, HEAD + hash.length), hash) &&
    Bytes.equals(bytes.subarray(12, 32), InfoHash.toBytes(infoHash)) &&
    Bytes.readUint32(bytes, 32) === layout.pieces && Bytes.readUint32(bytes, 36) === files.length &&
    Bytes.readUint32(bytes, 40) === layout.blocksPerPiece
  if (!same) return Result.fail(Damage.OtherTorrent())
  const masks = Bytes.readUint32(bytes, 44)
  if (masks > layout.pieces || bytes.length !== length(metainfo, masks)) return Result.fail(Damage.Corrupt())
  const record = readTables(metainfo, body, masks)
  return record === undefined ? Result.fail(Damage.Corrupt()) : Result.succeed(record)
}

const readTables = (metainfo: Metainfo.Metainfo, body: Uint8Array, count: number): ResumeRecord | undefined => {
  const { files, layout } = metainfo
  const view = new DataView(body.buffer, body.byteOffset, body.length)
  let at = HEAD + fullHash(metainfo).length
  const bits = (size: number): Bitfield.Bitfield => body.slice(at, at += Bitfield.byteLength(size))
  const have = bits(layout.pieces)
  const closed = bits(files.length)
  const inPart = bits(files.length)
  const mtimes = new BigInt64Array(files.length)
  for (let file = 0; file < files.length; file++, at += 8) mtimes[file] = view.getBigInt64(at)
  const masks = new Map<number, Bitfield.Bitfield>()
  for (let left = count; left > 0; left--) {
    const piece = view.getUint32(at)
    at += 4
    const mask = bits(layout.blocksPerPiece)
    if (piece >= layout.pieces || !holdsBlocks(layout, piece, mask)) return undefined
    masks.set(piece, mask)
  }
  const uploaded = view.getFloat64(48)
  const downloaded = view.getFloat64(56)
  const sound = Bitfield.isValid(have, layout.pieces) && Bitfield.isValid(closed, files.length) &&
    Bitfield.isValid(inPart, files.length) && uploaded >= 0 && downloaded >= 0
  return sound ? { have, masks, closed: { files: closed, mtimes }, inPart, uploaded, downloaded } : undefined
}

/** No bit past the last block of the piece. */
const holdsBlocks = (layout: PieceLayout.PieceLayout, piece: number, mask: Bitfield.Bitfield): boolean => {
  let sound = true
  const blocks = PieceLayout.blocksIn(layout, piece)
  Bitfield.forEach(mask, (block) => {
    sound &&= block < blocks
  })
  return sound
}
