/** The SHA-256 of the raw `info` dictionary (BEP 52), kept as 64 lower-case hex digits so that it can key a table. */
import type * as Brand from "effect/Brand"
import * as Bytes from "./Bytes.ts"

export type InfoHashV2 = string & Brand.Brand<"InfoHashV2">

export const BYTES = 32

/** Takes exactly 32 bytes. */
export const fromBytes = (bytes: Uint8Array): InfoHashV2 => Bytes.toHex(bytes) as InfoHashV2

export const toBytes = (infoHash: InfoHashV2): Uint8Array => Bytes.fromHex(infoHash)!

/** Reads 64 hex digits of any case. */
export const parse = (text: string): InfoHashV2 | undefined =>
  /^[0-9a-fA-F]{64}$/.test(text) ? text.toLowerCase() as InfoHashV2 : undefined
