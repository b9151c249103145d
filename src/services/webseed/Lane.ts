/**
 * One connection to a web seed as the swarm sees it: a peer that never chokes. What the swarm writes to it is read here, and its
 * requests are answered by HTTP, blocks that lie end to end by one request (BEP 19).
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Bitfield from "../../domain/Bitfield.ts"
import * as Bytes from "../../domain/Bytes.ts"
import type { FileEntry } from "../../domain/Metainfo.ts"
import { BlockCutter } from "../../domain/swarm/BlockCutter.ts"
import { Peer, type PeerOptions } from "../../domain/swarm/Peer.ts"
import type { Swarm } from "../../domain/swarm/Swarm.ts"
import * as WebRanges from "../../domain/swarm/WebRanges.ts"
import * as Message from "../../domain/wire/Message.ts"
import * as Monotonic from "../Monotonic.ts"

/** A range of a file, given in order to `onBytes` until that says `false`. */
export type FetchFile<E> = (
  file: number,
  position: number,
  length: number,
  onBytes: (bytes: Uint8Array, from: number, to: number) => boolean
) => Effect.Effect<void, E>

export interface LaneOptions<E> {
  readonly swarm: Swarm
  readonly files: ReadonlyArray<FileEntry>
  /** What the web seed has. */
  readonly bits: Bitfield.Bitfield
  readonly peer: Pick<PeerOptions, "key" | "identity" | "id" | "address"> & { readonly webSeed: string }
  readonly fetch: FetchFile<E>
  /** Bytes of the web seed have come. */
  readonly onGood: () => void
}

/** A run that nobody waits for any more is read to its end when so many bytes are left at the most: a new connection costs more. */
const WORTH_READING = 256 * 1024

/** Where requests and cancels have what they are about: behind the length and the id of the message. */
const FIELDS = 5

class Lane {
  readonly peer: Peer
  readonly #options: Omit<LaneOptions<never>, "fetch">
  readonly #clock: Clock.Clock
  readonly #outbox = new Message.Outbox()
  readonly #ended = Deferred.makeUnsafe<void>()
  readonly #asked = Latch.makeUnsafe(false)
  readonly #cutter: BlockCutter
  #waiting: Array<WebRanges.Block> = []
  /** Blocks of the run that are still wanted, by {@link keyOf}. */
  readonly #running = new Set<number>()
  #left = 0
  #now: number
  #isOpen = true

  constructor(clock: Clock.Clock, options: Omit<LaneOptions<never>, "fetch">) {
    this.#clock = clock
    this.#options = options
    this.#now = Monotonic.millis(clock)
    this.#cutter = new BlockCutter(this.#onBlock)
    this.peer = new Peer({
      ...options.peer,
      inbound: false,
      v2: false,
      bits: options.bits.slice().fill(0),
      outbox: this.#outbox,
      wire: this,
      now: this.#now
    })
  }

  readonly ended = Deferred.await(this.#ended)

  /** Waits until something is asked for. */
  readonly asked = Effect.suspend(() => this.#asked.await)

  readonly close = (): void => {
    this.#isOpen = false
    Deferred.doneUnsafe(this.#ended, Effect.void)
  }

  /** Takes what the swarm has to say: requests and cancels; a server has no use for anything else. */
  readonly flush = (): void => {
    if (this.#outbox.length === 0) return
    const bytes = this.#outbox.take()
    for (let at = 0; at < bytes.length; at += 4 + Bytes.readUint32(bytes, at)) {
      const id = Bytes.readUint32(bytes, at) === 0 ? -1 : bytes[at + 4]
      if (id === Message.REQUEST) this.#waiting.push(blockAt(bytes, at + FIELDS))
      else if (id === Message.CANCEL) this.#cancel(blockAt(bytes, at + FIELDS))
    }
    if (this.#waiting.length > 0) this.#asked.openUnsafe()
  }

  open(): void {
    const { bits, swarm } = this.#options
    swarm.opened(this.peer)
    swarm.bitfield(this.peer, bits)
    swarm.unchoke(this.peer)
    swarm.batchEnded(this.peer, this.#now)
  }

  finish(): void {
    this.close()
    this.#options.swarm.closed(this.peer, Monotonic.millis(this.#clock))
  }

  /** The next run of what is asked for; nothing when all is on its way. */
  next(): ReadonlyArray<WebRanges.Block> {
    const count = WebRanges.runOf(this.#options.swarm.layout, this.#waiting)
    const run = this.#waiting.slice(0, count)
    this.#waiting = this.#waiting.slice(count)
    if (this.#waiting.length === 0) this.#asked.closeUnsafe()
    this.#cutter.begin(run)
    this.#running.clear()
    this.#left = 0
    for (const block of run) {
      this.#running.add(keyOf(block))
      this.#left += block.length
    }
    return run
  }

  /** Bytes of the run that are to come. */
  get left(): number {
    return this.#left
  }

  /** Whether the rest of the run is worth reading. */
  get isWanted(): boolean {
    return this.#isOpen && (this.#running.size > 0 || this.#left <= WORTH_READING)
  }

  /** Payload as it comes; `false` when the rest of the run is not worth reading. */
  readonly onBytes = (bytes: Uint8Array, from: number, to: number): boolean => {
    this.#now = Monotonic.millis(this.#clock)
    this.#left -= to - from
    this.#options.onGood()
    this.#cutter.push(bytes, from, to)
    this.#options.swarm.batchEnded(this.peer, this.#now)
    return this.isWanted
  }

  /** Padding, which is known without asking. */
  zeros(count: number): void {
    this.#now = Monotonic.millis(this.#clock)
    this.#left -= count
    this.#cutter.zeros(count)
    this.#options.swarm.batchEnded(this.peer, this.#now)
  }

  readonly #onBlock = (block: WebRanges.Block, bytes: Uint8Array, at: number): void => {
    this.#running.delete(keyOf(block))
    const { begin, length, piece } = block
    const verdict = this.#options.swarm.block(this.peer, piece, begin, bytes, at, length, this.#now)
    if (verdict !== undefined) this.close()
  }

  #cancel(block: WebRanges.Block): void {
    const key = keyOf(block)
    this.#running.delete(key)
    const index = this.#waiting.findIndex((waiting) => keyOf(waiting) === key)
    if (index >= 0) this.#waiting.splice(index, 1)
  }
}

/** Unique in any torrent: no piece is longer than 2^29 bytes, and there are not more than 2^22. */
const keyOf = ({ begin, piece }: WebRanges.Block): number => piece * 2 ** 29 + begin

const blockAt = (bytes: Uint8Array, at: number): WebRanges.Block => ({
  piece: Bytes.readUint32(bytes, at),
  begin: Bytes.readUint32(bytes, at + 4),
  length: Bytes.readUint32(bytes, at + 8)
})

/** Fetches one run after the other, for as long as there is no trouble. */
const work = Effect.fnUntraced(function*<E>(
  lane: Lane,
  { fetch, files, swarm }: LaneOptions<E>
): Effect.fn.Return<never, E> {
  while (true) {
    yield* lane.asked
    const [first] = lane.next()
    if (first === undefined) continue
    const offset = WebRanges.offsetOf(swarm.layout, first)
    for (const { file, length, position } of WebRanges.stretches(files, offset, lane.left)) {
      if (!lane.isWanted) break
      if (file === undefined) lane.zeros(length)
      else yield* fetch(file, position, length, lane.onBytes)
    }
    // A run of padding takes no time at all.
    yield* Effect.yieldNow
  }
})

/** Runs a connection until the swarm wants no more of it, or there is trouble. */
export const run = Effect.fnUntraced(function*<E>(options: LaneOptions<E>): Effect.fn.Return<void, E> {
  const lane = new Lane(yield* Clock.Clock, options)
  lane.open()
  yield* Effect.raceFirst(lane.ended, work(lane, options)).pipe(Effect.ensuring(Effect.sync(() => lane.finish())))
})
