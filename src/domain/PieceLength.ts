/** How long the pieces of a new torrent are. */
import * as Merkle from "./Merkle.ts"
import { BLOCK } from "./PieceLayout.ts"

/** What other clients accept without complaint. */
export const MIN = BLOCK
export const MAX = 64 * 1024 * 1024

/**
 * The largest payloads, in bytes, for pieces of 16 KiB, 32 KiB and so on: about as many bytes of hashes as the square root of
 * the payload, as libtorrent 2.0 has it, so that a torrent made with either has the same info hash.
 */
const STEPS = [
  2_684_355,
  10_737_418,
  42_949_673,
  171_798_692,
  687_194_767,
  2_748_779_069,
  10_995_116_278,
  43_980_465_111,
  175_921_860_444,
  703_687_441_777
]

/** A power of two from 16 KiB to 16 MiB, by the bytes of all files. */
export const choose = (totalLength: number): number => {
  const step = STEPS.findIndex((most) => totalLength <= most)
  return MIN * 2 ** (step === -1 ? STEPS.length : step)
}

/** Whether pieces may be so long: a multiple of 16 KiB, and a power of two where there is a hash tree (BEP 52). */
export const isPossible = (pieceLength: number, hasTree: boolean): boolean =>
  pieceLength >= MIN && pieceLength <= MAX && pieceLength % MIN === 0 && (!hasTree || Merkle.isPowerOfTwo(pieceLength))
