/**
 * What peers say about the `info` dictionary (BEP 9, `ut_metadata`): a bencoded dictionary, and in a `data` message a part of
 * the metadata behind it.
 */
import * as Result from "effect/Result"
import * as Bencode from "../Bencode.ts"
import * as Bytes from "../Bytes.ts"

/** The name in the extension handshake (BEP 10). */
export const NAME = "ut_metadata"

/** Bytes of every part but the last, which may be shorter. */
export const PART = 16_384

/** Bytes that the dictionary before a part may have: three keys take 60, and others may stand beside them. */
const MOST_FIELDS = 1024

/** Longest payload that is read. */
export const MAX_LENGTH = PART + MOST_FIELDS

const LIMITS: Bencode.Limits = { maxBytes: MAX_LENGTH, maxDepth: 8, maxTokens: 256 }

const REQUEST = 0
const DATA = 1
const REJECT = 2

export type MetadataMessage =
  | { readonly _tag: "Request"; readonly piece: number }
  /** `data` is a view of what was read; `totalSize` is that of all the metadata, where it is told. */
  | { readonly _tag: "Data"; readonly piece: number; readonly totalSize: number | undefined; readonly data: Uint8Array }
  | { readonly _tag: "Reject"; readonly piece: number }
  /** Of a kind that BEP 9 leaves room for, to be passed over. */
  | { readonly _tag: "Unknown" }

/** Parts of metadata of so many bytes. */
export const partsOf = (size: number): number => Math.ceil(size / PART)

/** Bytes of one part. */
export const lengthOf = (size: number, piece: number): number => Math.min(PART, size - piece * PART)

const encode = (kind: number, piece: number): Uint8Array => Bencode.encode({ msg_type: kind, piece })

export const request = (piece: number): Uint8Array => encode(REQUEST, piece)

export const reject = (piece: number): Uint8Array => encode(REJECT, piece)

/** @param data the part, which is copied */
export const data = (piece: number, totalSize: number, data: Uint8Array): Uint8Array =>
  Bytes.concat([Bencode.encode({ msg_type: DATA, piece, total_size: totalSize }), data])

/** Reads a payload without its two ids; `undefined` for what is no such message. */
export const decode = (bytes: Uint8Array): MetadataMessage | undefined => {
  const read = Bencode.read(bytes, LIMITS)
  if (Result.isFailure(read)) return undefined
  const fields = Bencode.pick(read.success, ["msg_type", "piece", "total_size"])
  const kind = Bencode.integer(fields.msg_type)
  if (kind === undefined) return undefined
  if (kind !== REQUEST && kind !== DATA && kind !== REJECT) return { _tag: "Unknown" }
  const piece = Bencode.integer(fields.piece)
  if (piece === undefined || piece < 0) return undefined
  if (kind === REQUEST) return { _tag: "Request", piece }
  if (kind === REJECT) return { _tag: "Reject", piece }
  return { _tag: "Data", piece, totalSize: Bencode.integer(fields.total_size), data: bytes.subarray(read.success.end) }
}
