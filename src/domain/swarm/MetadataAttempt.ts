/**
 * Metadata of one claimed size on its way: which parts are there, who sent them, and who was asked for the others. Nothing is
 * allocated for a claim, only for what has come.
 */
import * as Bytes from "../Bytes.ts"
import * as MetadataMessage from "../wire/MetadataMessage.ts"

/** Whoever metadata is asked of. The same peer has the same identity on each of its connections. */
export interface Giver {
  readonly identity: number
}

/** How long a part may be awaited (ms) before it is asked of a second peer, once all parts are asked for. */
const SLOW_MS = 2000

const MOST_ASKERS = 2

interface Asked<P> {
  readonly peers: Array<P>
  readonly since: number
}

export class MetadataAttempt<P extends Giver> {
  /** Bytes. */
  readonly size: number
  /** The only one who is asked, when what several have sent together was wrong. */
  readonly owner: P | undefined
  readonly startedAt: number
  readonly members = new Set<P>()
  /** Bytes that are there. */
  received = 0
  readonly #parts = new Map<number, Uint8Array>()
  readonly #senders = new Set<number>()
  readonly #asked = new Map<number, Asked<P>>()
  /** Asked for once, and free again. */
  readonly #free: Array<number> = []
  /** Parts from here on were never asked for. */
  #next = 0

  constructor(size: number, owner: P | undefined, now: number) {
    this.size = size
    this.owner = owner
    this.startedAt = now
  }

  get isWhole(): boolean {
    return this.received === this.size
  }

  /** Identities of all who have sent a part. */
  get senders(): ReadonlyArray<number> {
    return Array.from(this.#senders)
  }

  has(piece: number): boolean {
    return this.#parts.has(piece)
  }

  /** A part to ask of the peer, who is noted as asked; a second time only when every part was asked for. */
  next(peer: P, now: number): number | undefined {
    const fresh = this.#free.pop() ?? (this.#next < MetadataMessage.partsOf(this.size) ? this.#next++ : undefined)
    if (fresh !== undefined) {
      this.#asked.set(fresh, { peers: [peer], since: now })
      return fresh
    }
    for (const [piece, { peers, since }] of this.#asked) {
      if (now - since < SLOW_MS || peers.length >= MOST_ASKERS || peers.includes(peer)) continue
      peers.push(peer)
      return piece
    }
    return undefined
  }

  /** The peer will not send the part, or has let too much time go by. */
  release(peer: P, piece: number): void {
    const asked = this.#asked.get(piece)
    const at = asked?.peers.indexOf(peer) ?? -1
    if (asked === undefined || at < 0) return
    asked.peers.splice(at, 1)
    if (asked.peers.length > 0) return
    this.#asked.delete(piece)
    this.#free.push(piece)
  }

  /** Takes a part of the right length, whoever was asked for it; the bytes are copied. */
  put(peer: P, piece: number, bytes: Uint8Array): void {
    if (this.has(piece)) return
    this.#asked.delete(piece)
    const free = this.#free.indexOf(piece)
    if (free >= 0) this.#free.splice(free, 1)
    this.#parts.set(piece, Uint8Array.from(bytes))
    this.#senders.add(peer.identity)
    this.received += bytes.length
  }

  /** All parts, end to end. */
  join(): Uint8Array {
    return Bytes.concat(Array.from(this.#parts).sort(([a], [b]) => a - b).map(([, bytes]) => bytes))
  }
}
