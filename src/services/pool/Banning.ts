/** Throws peers of a torrent out, also those that have left, and tells of it once. */
import * as BanCause from "../../domain/swarm/BanCause.ts"
import type { Bans } from "../../domain/swarm/Bans.ts"
import type { TorrentEvent } from "../TorrentEvent.ts"
import type { Gone } from "./Roster.ts"

/** Identities remembered; the oldest goes first. */
const LIMIT = 1000

/** Owned by a PeerPool; `bans` are the session's. Times are monotonic ms. */
export class Banning {
  readonly #bans: Bans
  /** When the ban ends that was told of an identity. */
  readonly #told = new Map<number, number>()

  constructor(bans: Bans) {
    this.#bans = bans
  }

  /** Returns what is to be told, since several pieces may prove the same. */
  ban({ address, id, identity, inbound }: Gone, cause: BanCause.BanCause, now: number): TorrentEvent | undefined {
    const until = now + BanCause.lasts(cause)
    this.#bans.ban(id, address, !inbound, until, now)
    if ((this.#told.get(identity) ?? -Infinity) > now) return undefined
    this.#told.delete(identity)
    this.#told.set(identity, until)
    if (this.#told.size > LIMIT) this.#told.delete(this.#told.keys().next().value!)
    return { _tag: "PeerBanned", address, cause }
  }

  /** Bans in force. */
  count(now: number): number {
    let count = 0
    for (const until of this.#told.values()) if (until > now) count++
    return count
  }
}
