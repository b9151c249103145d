/**
 * The allowed fast set (BEP 6): pieces that a peer with next to nothing may have though it is choked, so that it has
 * something to trade. The same for all addresses of one /24, whoever computes it.
 */
import * as Bytes from "../Bytes.ts"
import * as Digest from "../Digest.ts"
import * as InfoHash from "../InfoHash.ts"
import * as PeerAddress from "../PeerAddress.ts"
import type { PieceLayout } from "../PieceLayout.ts"

/** The number that BEP 6 names. */
const MOST = 10

/** Of the torrent at most this part is given so, or small torrents would be had for nothing. */
const SHARE = 0.1

/** Bytes given so: of large pieces a few are enough to start with. */
const MOST_BYTES = 16 << 20

/** How many pieces of this torrent are allowed to a peer; perhaps none. */
export const sizeFor = ({ pieceLength, pieces }: Pick<PieceLayout, "pieceLength" | "pieces">): number =>
  Math.min(MOST, Math.floor(SHARE * pieces), Math.max(1, Math.floor(MOST_BYTES / pieceLength)))

/** The first `count` pieces of the set, in its order; none for an IPv6 address, of which BEP 6 says nothing. */
export const make = (
  infoHash: InfoHash.InfoHash,
  pieces: number,
  address: PeerAddress.PeerAddress,
  count: number
): ReadonlySet<number> => {
  const set = new Set<number>()
  if (address.family !== 4) return set
  const wanted = Math.min(count, pieces)
  let x = Bytes.concat([PeerAddress.hostBytes(address).fill(0, 3), InfoHash.toBytes(infoHash)])
  while (set.size < wanted) {
    x = Digest.sha1(x)
    for (let at = 0; at < x.length && set.size < wanted; at += 4) set.add(Bytes.readUint32(x, at) % pieces)
  }
  return set
}
