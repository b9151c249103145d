/** A line for every announce: who asked over what, for which torrent, and how many peers there were to tell. */
import * as InfoHash from "../../domain/InfoHash.ts"
import * as PeerAddress from "../../domain/PeerAddress.ts"
import type { Announcing, Answer } from "../../domain/tracker/Announcing.ts"

const outcomeOf = (answer: Answer | undefined): string =>
  answer === undefined
    ? "store lost"
    : answer === "TooManyTorrents"
    ? "table full"
    : `${answer.peers4.length / 6 + answer.peers6.length / 18} peers`

/** `2026-11-21T12:00:00.000Z udp 192.0.2.1:6881 announce 0123… started seed 12 peers`. */
export const line = (
  now: number,
  protocol: "udp" | "http",
  { compact, event, infoHash, role }: Announcing,
  answer: Answer | undefined
): string => {
  const [address] = PeerAddress.fromCompact(compact, compact.length === 6 ? 4 : 6)
  const who = address === undefined ? "-" : PeerAddress.format(address)
  return `${new Date(now).toISOString()} ${protocol} ${who} announce ${InfoHash.fromBytes(infoHash)} ${
    event ?? "-"
  } ${role} ${outcomeOf(answer)}`
}
