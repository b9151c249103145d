/** One-shot hashes. Hashing is a pure function, so this is the one file of the domain that may call Node. */
import { createHash } from "node:crypto"

// A plain view, since `slice` of the `Buffer` that Node returns does not copy.
const plain = ({ buffer, byteLength, byteOffset }: Buffer): Uint8Array => new Uint8Array(buffer, byteOffset, byteLength)

/** Bytes of a SHA-1. */
export const SHA1_BYTES = 20

/** SHA-1: info hashes and version 1 pieces (BEP 3). */
export const sha1 = (bytes: Uint8Array): Uint8Array => plain(createHash("sha1").update(bytes).digest())

/** SHA-256, 32 bytes. */
export const sha256 = (bytes: Uint8Array): Uint8Array => plain(createHash("sha256").update(bytes).digest())
