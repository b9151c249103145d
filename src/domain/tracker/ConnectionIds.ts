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

/** Addresses kept of one slot, some 100 bytes each. */
const MAX_KEPT = 65_536

interface Id {
  readonly high: number
  readonly low: number
}

export class ConnectionIds {
  private readonly key: Uint8Array
  private readonly maxKept: number
  private slot = Number.NEGATIVE_INFINITY
  private ids = new Map<string, Id>()
  private idsBefore = new Map<string, Id>()

  /** @param key 32 bytes that nobody else knows */
  constructor(key: Uint8Array, maxKept = MAX_KEPT) {
    this.key = key
    this.maxKept = maxKept
  }

  /**
   * Writes 8 bytes, the id for this source. `source` is any one text of its address; `now` is milliseconds of a clock
   * that does not go back.
   */
  write(source: string, now: number, out: Uint8Array, at: number): void {
    this.turn(now)
    const { high, low } = this.idOf(this.ids, source, this.slot)
    Bytes.writeUint32(out, at, high)
    Bytes.writeUint32(out, at + 4, low)
  }

  /** Whether these 8 bytes are an id that this source was given in this slot or the one before. */
  accepts(source: string, now: number, bytes: Uint8Array, at: number): boolean {
    this.turn(now)
    const high = Bytes.readUint32(bytes, at) | 0
    const low = Bytes.readUint32(bytes, at + 4) | 0
    const isOfNow = ((low ^ this.slot) & 1) === 0
    const id = isOfNow
      ? this.idOf(this.ids, source, this.slot)
      : this.idOf(this.idsBefore, source, this.slot - 1)
    return ((high ^ id.high) | (low ^ id.low)) === 0
  }

  private turn(now: number): void {
    const slot = Math.floor(now / SLOT_MS)
    if (slot === this.slot) return
    this.idsBefore = slot === this.slot + 1 ? this.ids : new Map()
    this.ids = new Map()
    this.slot = slot
  }

  private idOf(kept: Map<string, Id>, source: string, slot: number): Id {
    const known = kept.get(source)
    if (known !== undefined) return known
    const mac = Digest.hmacSha256(this.key, Bytes.fromLatin1(`${slot} ${source}`))
    const id = {
      high: Bytes.readUint32(mac, 0) | 0,
      low: (Bytes.readUint32(mac, 4) & ~1 | slot & 1) | 0
    }
    if (kept.size < this.maxKept) kept.set(source, id)
    return id
  }
}
