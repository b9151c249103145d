/** Whether metadata is what a magnet link asks for (BEP 9, 52). */
import * as Digest from "./Digest.ts"
import * as InfoHash from "./InfoHash.ts"
import * as InfoHashV2 from "./InfoHashV2.ts"
import type { Magnet } from "./Magnet.ts"

export type Hashes = Pick<Magnet, "infoHashV1" | "infoHashV2">

/** "Half" when it has one of the link's two hashes and not the other: then nothing can ever have both. */
export type Match = "Whole" | "Half" | "None"

export const of = ({ infoHashV1, infoHashV2 }: Hashes, info: Uint8Array): Match => {
  const right = [
    ...infoHashV1 === undefined ? [] : [InfoHash.fromBytes(Digest.sha1(info)) === infoHashV1],
    ...infoHashV2 === undefined ? [] : [InfoHashV2.fromBytes(Digest.sha256(info)) === infoHashV2]
  ]
  return right.every((is) => is) ? "Whole" : right.includes(true) ? "Half" : "None"
}

/** The hashes of handshakes and announces, one a swarm. */
export const swarmsOf = ({ infoHashV1, infoHashV2 }: Hashes): ReadonlyArray<InfoHash.InfoHash> =>
  [infoHashV1, infoHashV2 && InfoHash.truncate(infoHashV2)].filter((hash) => hash !== undefined)
