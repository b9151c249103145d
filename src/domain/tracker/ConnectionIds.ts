/**
 * Connection ids (BEP 15): what a UDP tracker sends to an address and gets back from whoever can hear there, so that
 * nobody makes it send to others. An id is the first 64 bits of an HMAC over the source's address (its port may change
 * behind a NAT) and the slot of time, so there is no state to keep; the last bit is the slot's own, so that checking an
 * id takes one HMAC. Those of the last two slots are kept, up to a bound: an address that comes back costs one look-up.
 */
import * as Bytes from "../Bytes.ts"
import * as Digest from "../Digest.ts"

/** An id is good for one to two slots: at least the two minutes of BEP 15. */
export const SLOT_MS = 120_000

/** Bytes of an id. */
export const BYTES = 8

/** Bytes of the secret. */
export const KEY_BYTES = 32

/** Addresses kept of one slot. */
const MAX_KEPT = 16_384

/** Words of an address, then its id: high, low. */
const ADDRESS = 4
const ENTRY = ADDRESS + 2

/** An address of IPv4 in the words of one of IPv6 (RFC 4291, section 2.5.5.2). */
const MAPPED = 0xffff

/** A place that is free: no packet comes from a multicast address. */
const FREE = -1

export class ConnectionIds {
  private readonly key: Uint8Array
  private readonly maxKept: number
  private slot = Number.NEGATIVE_INFINITY
  /** Each id at the place that its address chooses, where it pushes out what is there. */
  private ids: Int32Array
  private idsBefore: Int32Array
  /** The address at hand in words, and where its id is. */
  private readonly words = new Int32Array(ADDRESS)
  private readonly made = new Int32Array(ENTRY)

  /** @param key 32 bytes that nobody else knows */
  constructor(key: Uint8Array, maxKept = MAX_KEPT) {
    this.key = key
    this.maxKept = maxKept
    this.ids = new Int32Array(ENTRY * maxKept).fill(FREE)
    this.idsBefore = this.ids.slice()
  }

  /**
   * Writes 8 bytes, the id for this source. `host` holds its address in 4 or 16 bytes; `now` is milliseconds of a clock that
   * does not go back.
   */
  write(host: Uint8Array, length: 4 | 16, now: number, out: Uint8Array, at: number): void {
    this.turn(now)
    this.hold(host, length)
    const found = this.find(this.ids)
    const entries = found < 0 ? this.make(this.ids, host, length, this.slot) : this.ids
    const id = Math.max(found, 0) + ADDRESS
    Bytes.writeUint32(out, at, entries[id]!)
    Bytes.writeUint32(out, at + 4, entries[id + 1]!)
  }

  /** Whether these 8 bytes are an id that this source was given in this slot or the one before. */
  accepts(host: Uint8Array, length: 4 | 16, now: number, bytes: Uint8Array, at: number): boolean {
    this.turn(now)
    this.hold(host, length)
    const high = Bytes.readUint32(bytes, at) | 0
    const low = Bytes.readUint32(bytes, at + 4) | 0
    const isOfNow = ((low ^ this.slot) & 1) === 0
    const kept = isOfNow ? this.ids : this.idsBefore
    const found = this.find(kept)
    const entries = found < 0 ? this.make(kept, host, length, isOfNow ? this.slot : this.slot - 1) : kept
    const id = Math.max(found, 0) + ADDRESS
    return ((high ^ entries[id]!) | (low ^ entries[id + 1]!)) === 0
  }

  private turn(now: number): void {
    const slot = Math.floor(now / SLOT_MS)
    if (slot === this.slot) return
    const oldest = this.idsBefore
    this.idsBefore = slot === this.slot + 1 ? this.ids : this.ids.fill(FREE)
    this.ids = oldest.fill(FREE)
    this.slot = slot
  }

  private hold(host: Uint8Array, length: 4 | 16): void {
    const { words } = this
    for (let i = 0; i < ADDRESS; i++) {
      words[i] = length === 16
        ? Bytes.readUint32(host, 4 * i)
        : i === 3
        ? Bytes.readUint32(host, 0)
        : i === 2
        ? MAPPED
        : 0
    }
  }

  /** Where the address at hand belongs. */
  private place(): number {
    let hash = 0
    for (const word of this.words) hash = Math.imul(hash ^ word, 0x9e37_79b1) ^ (hash >>> 15)
    return ENTRY * ((hash >>> 0) % this.maxKept)
  }

  /** Where the entry of the address at hand is, or -1. */
  private find(kept: Int32Array): number {
    if (this.maxKept === 0) return -1
    const at = this.place()
    for (let i = 0; i < ADDRESS; i++) if (kept[at + i] !== this.words[i]) return -1
    return at
  }

  /** An entry for the address at hand, and keeps it. */
  private make(kept: Int32Array, host: Uint8Array, length: 4 | 16, slot: number): Int32Array {
    const message = new Uint8Array(8 + length)
    Bytes.writeUint32(message, 0, slot / 2 ** 32)
    Bytes.writeUint32(message, 4, slot)
    message.set(host.subarray(0, length), 8)
    const mac = Digest.hmacSha256(this.key, message)
    const { made } = this
    made.set(this.words)
    made[ADDRESS] = Bytes.readUint32(mac, 0)
    made[ADDRESS + 1] = Bytes.readUint32(mac, 4) & ~1 | slot & 1
    if (this.maxKept > 0) kept.set(made, this.place())
    return made
  }
}
