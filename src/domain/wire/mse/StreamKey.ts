/** What message stream encryption derives of the shared secret S and of the info hash, which is its SKEY. */
import * as Bytes from "../../Bytes.ts"
import * as Digest from "../../Digest.ts"
import * as InfoHash from "../../InfoHash.ts"
import { Rc4 } from "./Rc4.ts"

const hash = (tag: string, ...parts: ReadonlyArray<Uint8Array>): Uint8Array =>
  Digest.sha1(Bytes.concat([Bytes.fromLatin1(tag), ...parts]))

/** HASH('req1', S): where the padding before it ends. */
export const sync = (shared: Uint8Array): Uint8Array => hash("req1", shared)

/** HASH('req2', SKEY): by what a torrent is asked for, as a key of tables. */
export const nameOf = (infoHash: InfoHash.InfoHash): string => Bytes.toLatin1(hash("req2", InfoHash.toBytes(infoHash)))

/** XORs HASH('req3', S) into the name at `at`, which hides or shows it. */
export const mask = (shared: Uint8Array, bytes: Uint8Array, at: number): void => {
  const key = hash("req3", shared)
  for (let i = 0; i < key.length; i++) bytes[at + i]! ^= key[i]!
}

/** Of the side that called, and of the side that was called. */
export const ciphers = (shared: Uint8Array, infoHash: InfoHash.InfoHash): { readonly a: Rc4; readonly b: Rc4 } => {
  const key = InfoHash.toBytes(infoHash)
  return { a: new Rc4(hash("keyA", shared, key)), b: new Rc4(hash("keyB", shared, key)) }
}
