/**
 * The peers of all swarms as records of 64 bytes, about a cache line each, in segments that are never copied. A peer
 * keeps its slot for as long as it is known. All peers stand in one line, the one that has been silent longest first.
 *
 * ```
 * 0   peer id                       20 bytes
 * 20  address as in BEP 23 or 7     18 bytes, zeros behind the 6 of IPv4
 * 38  class                         byte, see PeerClass.ts
 * 39  its completed is counted      byte
 * 40  when its time is over         uint32, seconds
 *     number of its swarm, place among the swarm's peers, neighbours in the line, key     int32 each
 * ```
 */
import * as AddressHash from "./AddressHash.ts"

const SEGMENT_BITS = 13
const SEGMENT = 1 << SEGMENT_BITS
const MASK = SEGMENT - 1

const WORDS = 16

/** Offsets in words. */
const ADDRESS = 5
const EXPIRY = 10
const SWARM = 11
const PLACE = 12
const OLDER = 13
const NEWER = 14
const KEY = 15

/** Offsets in bytes. */
const ADDRESS_BYTE = 20
const PORT_BYTE = 36
const CLASS_BYTE = 38
const FINISHED_BYTE = 39

const ID_BYTES = 20

export const NONE = -1

interface Records {
  readonly words: Int32Array
  readonly halves: Uint16Array
  readonly bytes: Uint8Array
}

const newRecords = (count: number): Records => {
  const words = new Int32Array(count * WORDS)
  return { words, halves: new Uint16Array(words.buffer), bytes: new Uint8Array(words.buffer) }
}

/** Ports are never 0, and IPv4 has nothing where IPv6 has the port. */
const isIpv4 = (bytes: Uint8Array, at: number): boolean =>
  bytes[at + PORT_BYTE] === 0 && bytes[at + PORT_BYTE + 1] === 0

const keyHashOf = (key: Int32Array, { words }: Records, at: number, swarm: number): number =>
  AddressHash.of(key, words, at, ADDRESS, swarm, words[at + KEY]!)

const hashOf = (key: Int32Array, { bytes, words }: Records, at: number, swarm: number): number => {
  const port6 = (bytes[4 * at + PORT_BYTE]! << 8) | bytes[4 * at + PORT_BYTE + 1]!
  const count = port6 === 0 ? 2 : 4
  return AddressHash.of(key, words, at + ADDRESS, count, swarm, (count << 16) | port6)
}

export class PeerSlab {
  /** The id and address that the next calls are about. */
  private readonly hand = newRecords(1)
  private readonly segments: Array<Records> = []
  private top = 0
  private free = NONE
  private head = NONE
  private tail = NONE
  private count = 0

  get size(): number {
    return this.count
  }

  get bytes(): number {
    return this.segments.length * SEGMENT * WORDS * 4
  }

  /** Who has been silent longest, or {@link NONE}. */
  get oldest(): number {
    return this.head
  }

  /** Takes an id, an address and a key, or 0, in hand: what most of the following is about. */
  hold(peerId: Uint8Array, compact: Uint8Array, key: number): void {
    const { bytes, words } = this.hand
    words[KEY] = key
    for (let i = 0; i < ID_BYTES; i++) bytes[i] = peerId[i]!
    for (let word = ADDRESS + 1; word < EXPIRY; word++) words[word] = 0
    for (let i = 0; i < compact.length; i++) bytes[ADDRESS_BYTE + i] = compact[i]!
  }

  /** Of the address in hand, in one swarm. */
  heldHash(key: Int32Array, swarm: number): number {
    return hashOf(key, this.hand, 0, swarm)
  }

  hash(key: Int32Array, slot: number): number {
    const records = this.segments[slot >>> SEGMENT_BITS]!
    const at = (slot & MASK) * WORDS
    return hashOf(key, records, at, records.words[at + SWARM]!)
  }

  /** Is this the swarm's peer at the address in hand? Ports are never 0, so no IPv4 address looks like one of IPv6. */
  isHeld(slot: number, swarm: number): boolean {
    const { bytes, words } = this.segments[slot >>> SEGMENT_BITS]!
    const hand = this.hand
    const at = (slot & MASK) * WORDS
    if (words[at + SWARM] !== swarm) return false
    for (let word = ADDRESS; word < ADDRESS + 4; word++) if (words[at + word] !== hand.words[word]) return false
    const byte = 4 * at + PORT_BYTE
    return bytes[byte] === hand.bytes[PORT_BYTE] && bytes[byte + 1] === hand.bytes[PORT_BYTE + 1]
  }

  /** Of the id and the key in hand, in one swarm. */
  heldKeyHash(key: Int32Array, swarm: number): number {
    return keyHashOf(key, this.hand, 0, swarm)
  }

  keyHash(key: Int32Array, slot: number): number {
    const records = this.segments[slot >>> SEGMENT_BITS]!
    const at = (slot & MASK) * WORDS
    return keyHashOf(key, records, at, records.words[at + SWARM]!)
  }

  /** Is this the swarm's peer with the id and the key in hand, and an address of the same family? */
  isHeldByKey(slot: number, swarm: number): boolean {
    const { bytes, words } = this.segments[slot >>> SEGMENT_BITS]!
    const at = (slot & MASK) * WORDS
    return words[at + SWARM] === swarm && words[at + KEY] === this.hand.words[KEY] &&
      isIpv4(bytes, 4 * at) === isIpv4(this.hand.bytes, 0) && this.hasHeldId(slot)
  }

  /** The key in hand as an integer of either sign; 0 for none. */
  get heldKey(): number {
    return this.hand.words[KEY]!
  }

  peerKey(slot: number): number {
    return this.get(slot, KEY)
  }

  /** Backwards, since ids begin with the name of the client. */
  hasHeldId(slot: number): boolean {
    const { words } = this.segments[slot >>> SEGMENT_BITS]!
    const at = (slot & MASK) * WORDS
    for (let word = ADDRESS - 1; word >= 0; word--) if (words[at + word] !== this.hand.words[word]) return false
    return true
  }

  /** A new peer with the id and the address in hand, at the end of the line. */
  add(swarm: number, kind: number, expiry: number): number {
    const slot = this.allot()
    const { bytes, words } = this.segments[slot >>> SEGMENT_BITS]!
    const at = (slot & MASK) * WORDS
    for (let word = 0; word < EXPIRY; word++) words[at + word] = this.hand.words[word]!
    words[at + KEY] = this.hand.words[KEY]!
    words[at + SWARM] = swarm
    words[at + EXPIRY] = expiry
    bytes[4 * at + CLASS_BYTE] = kind
    bytes[4 * at + FINISHED_BYTE] = 0
    this.append(slot)
    this.count++
    return slot
  }

  remove(slot: number): void {
    this.unlink(slot)
    this.put(slot, NEWER, this.free)
    this.put(slot, SWARM, NONE)
    this.free = slot
    this.count--
  }

  /** Moves a peer to the end of the line. */
  touch(slot: number, expiry: number): void {
    this.put(slot, EXPIRY, expiry)
    if (slot === this.tail) return
    this.unlink(slot)
    this.append(slot)
  }

  /** Writes the last word of its id, and the first 6 bytes of its address as three half words, the first one lowest. */
  describe(slot: number, out: Int32Array, to: number): void {
    const { halves, words } = this.segments[slot >>> SEGMENT_BITS]!
    const at = (slot & MASK) * WORDS + ADDRESS
    out[to] = words[at - 1]!
    out[to + 1] = halves[2 * at]! | (halves[2 * at + 1]! << 16)
    out[to + 2] = halves[2 * at + 2]!
  }

  /** The last word of the id in hand. */
  get heldIdEnd(): number {
    return this.hand.words[ADDRESS - 1]!
  }

  /** The id, the address and the key in hand take the place of others. */
  take(slot: number): void {
    const { words } = this.segments[slot >>> SEGMENT_BITS]!
    const at = (slot & MASK) * WORDS
    const kind = this.kind(slot)
    const finished = this.isFinished(slot)
    for (let word = 0; word < EXPIRY; word++) words[at + word] = this.hand.words[word]!
    words[at + KEY] = this.hand.words[KEY]!
    this.setKind(slot, kind)
    this.setFinished(slot, finished)
  }

  expiry(slot: number): number {
    return this.get(slot, EXPIRY) >>> 0
  }

  swarm(slot: number): number {
    return this.get(slot, SWARM)
  }

  place(slot: number): number {
    return this.get(slot, PLACE)
  }

  setPlace(slot: number, place: number): void {
    this.put(slot, PLACE, place)
  }

  kind(slot: number): number {
    return this.byte(slot, CLASS_BYTE)
  }

  setKind(slot: number, kind: number): void {
    this.putByte(slot, CLASS_BYTE, kind)
  }

  isFinished(slot: number): boolean {
    return this.byte(slot, FINISHED_BYTE) !== 0
  }

  setFinished(slot: number, finished: boolean): void {
    this.putByte(slot, FINISHED_BYTE, finished ? 1 : 0)
  }

  /** Copies the first `size` bytes of the address. */
  copyAddress(slot: number, size: number, out: Uint8Array, to: number): void {
    this.copy(slot, ADDRESS_BYTE, size, out, to)
  }

  copyId(slot: number, out: Uint8Array, to: number): void {
    this.copy(slot, 0, ID_BYTES, out, to)
  }

  /** Puts the whole line in order of expiry again, after peers were added in another. */
  sort(): void {
    if (this.head === NONE) return
    const least = this.expiry(this.head)
    // One number for both, since sorting with a comparison takes ten times as long.
    const line = new Float64Array(this.count)
    for (let i = 0, slot = this.head; slot !== NONE; slot = this.get(slot, NEWER)) {
      line[i++] = (this.expiry(slot) - least) * 2 ** 31 + slot
    }
    line.sort()
    this.head = this.tail = NONE
    for (const entry of line) this.append(entry - Math.floor(entry / 2 ** 31) * 2 ** 31)
  }

  private copy(slot: number, from: number, size: number, out: Uint8Array, to: number): void {
    const { bytes } = this.segments[slot >>> SEGMENT_BITS]!
    const at = 4 * WORDS * (slot & MASK) + from
    // A loop, since TypedArray.set takes several times as long for so few bytes.
    for (let i = 0; i < size; i++) out[to + i] = bytes[at + i]!
  }

  private allot(): number {
    const slot = this.free
    if (slot !== NONE) {
      this.free = this.get(slot, NEWER)
      return slot
    }
    if (this.top === this.segments.length * SEGMENT) this.segments.push(newRecords(SEGMENT))
    return this.top++
  }

  private append(slot: number): void {
    this.put(slot, OLDER, this.tail)
    this.put(slot, NEWER, NONE)
    if (this.tail === NONE) this.head = slot
    else this.put(this.tail, NEWER, slot)
    this.tail = slot
  }

  private unlink(slot: number): void {
    const older = this.get(slot, OLDER)
    const newer = this.get(slot, NEWER)
    if (older === NONE) this.head = newer
    else this.put(older, NEWER, newer)
    if (newer === NONE) this.tail = older
    else this.put(newer, OLDER, older)
  }

  private get(slot: number, word: number): number {
    return this.segments[slot >>> SEGMENT_BITS]!.words[(slot & MASK) * WORDS + word]!
  }

  private put(slot: number, word: number, value: number): void {
    this.segments[slot >>> SEGMENT_BITS]!.words[(slot & MASK) * WORDS + word] = value
  }

  private byte(slot: number, byte: number): number {
    return this.segments[slot >>> SEGMENT_BITS]!.bytes[4 * WORDS * (slot & MASK) + byte]!
  }

  private putByte(slot: number, byte: number, value: number): void {
    this.segments[slot >>> SEGMENT_BITS]!.bytes[4 * WORDS * (slot & MASK) + byte] = value
  }
}
