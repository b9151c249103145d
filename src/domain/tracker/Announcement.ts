/**
 * An announce that is filled in again and again: a tracker hears tens of thousands a second, and texts and arrays of each
 * one's own cost more than looking it up.
 */
import * as Bytes from "../Bytes.ts"
import * as InfoHash from "../InfoHash.ts"
import * as PeerId from "../PeerId.ts"
import type { Event } from "./Announce.ts"
import type { Announcing, Role } from "./Announcing.ts"

export class Announcement implements Announcing {
  readonly infoHash = new Uint8Array(InfoHash.BYTES)
  readonly peerId = new Uint8Array(PeerId.BYTES)
  compact: Uint8Array
  key = 0
  role: Role = "leech"
  event: Event | undefined = undefined
  numWant = 0
  wants: "v4" | "v6" | "both" = "both"
  withIds = false
  private readonly compact4 = new Uint8Array(6)
  private readonly compact6 = new Uint8Array(18)

  constructor() {
    this.compact = this.compact4
  }

  /** The first `length` bytes of `host`, 4 or 16, and a port above zero. */
  setAddress(host: Uint8Array, length: 4 | 16, port: number): void {
    this.compact = length === 4 ? this.compact4 : this.compact6
    for (let i = 0; i < length; i++) this.compact[i] = host[i]!
    Bytes.writeUint16(this.compact, length, port)
  }
}
