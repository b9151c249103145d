/**
 * The 20 bytes that handshakes and announces carry, kept as 40 lower-case hex digits so that they can key a table: the
 * SHA-1 of the raw `info` dictionary (BEP 3), or the truncated hash of version 2 (BEP 52).
 */
import type * as Brand from "effect/Brand"
import * as Bytes from "./Bytes.ts"
import type { InfoHashV2 } from "./InfoHashV2.ts"

export type InfoHash = string & Brand.Brand<"InfoHash">

export const BYTES = 20

/** Takes exactly 20 bytes. */
export const fromBytes = (bytes: Uint8Array): InfoHash => Bytes.toHex(bytes) as InfoHash

/** Reads the 20 bytes at `at`. */
export const read = (bytes: Uint8Array, at: number): InfoHash => Bytes.toHex(bytes, at, at + BYTES) as InfoHash

export const toBytes = (infoHash: InfoHash): Uint8Array => Bytes.fromHex(infoHash)!

/** Reads 40 hex digits of any case. */
export const parse = (text: string): InfoHash | undefined =>
  /^[0-9a-fA-F]{40}$/.test(text) ? text.toLowerCase() as InfoHash : undefined

/** The first 20 bytes of a hash of version 2 (BEP 52). */
export const truncate = (v2: InfoHashV2): InfoHash => v2.slice(0, 2 * BYTES) as string as InfoHash
