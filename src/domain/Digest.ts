/** One-shot hashes. Hashing is a pure function, so this is the one file of the domain that may call Node. */
import { createHash } from "node:crypto"

/** SHA-1, 20 bytes: info hashes and version 1 pieces (BEP 3). */
export const sha1 = (bytes: Uint8Array): Uint8Array => createHash("sha1").update(bytes).digest()

/** SHA-256, 32 bytes. */
export const sha256 = (bytes: Uint8Array): Uint8Array => createHash("sha256").update(bytes).digest()
