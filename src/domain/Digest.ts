/** One-shot hashes. Hashing is a pure function, so this is the one file of the domain that may call Node. */
import { createHash, hash } from "node:crypto"

// A plain view, since `slice` of the `Buffer` that Node returns does not copy.
const plain = ({ buffer, byteLength, byteOffset }: Buffer): Uint8Array => new Uint8Array(buffer, byteOffset, byteLength)

/** Bytes of a SHA-1. */
export const SHA1_BYTES = 20

/** SHA-1: info hashes and version 1 pieces (BEP 3). */
export const sha1 = (bytes: Uint8Array): Uint8Array => plain(createHash("sha1").update(bytes).digest())

/** Bytes of a SHA-256. */
export const SHA256_BYTES = 32

/** SHA-256. For a pair of hashes, as in a hash tree, `hash` takes three quarters of the time of `createHash`. */
export const sha256 = (bytes: Uint8Array): Uint8Array => plain(hash("sha256", bytes, "buffer"))

const BLOCK = 64

/**
 * HMAC-SHA-256 (RFC 2104) under a key of up to 64 bytes. Made of one-shot hashes, since `createHmac` takes 20 µs for a
 * short message and two hashes take 3.
 */
export const hmacSha256 = (key: Uint8Array, message: Uint8Array): Uint8Array => {
  const inner = new Uint8Array(BLOCK + message.length).fill(0x36, 0, BLOCK)
  const outer = new Uint8Array(BLOCK + SHA256_BYTES).fill(0x5c, 0, BLOCK)
  for (let i = 0; i < key.length; i++) {
    inner[i]! ^= key[i]!
    outer[i]! ^= key[i]!
  }
  inner.set(message, BLOCK)
  outer.set(hash("sha256", inner, "buffer"), BLOCK)
  return plain(hash("sha256", outer, "buffer"))
}
