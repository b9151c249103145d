/**
 * One way of a connection in memory. Bytes leave the sender's queue in chunks of random size, at the pace of its cable and
 * of the path, and reach the receiver in order after the path's latency.
 */

/** One way between two machines: ms, and bytes/s. */
export interface Path {
  readonly latency: number
  readonly rate: number
}

/** What a machine's cable carries, in bytes/s, and until when (ms) it is taken. */
export interface Cable {
  readonly up: number
  readonly down: number
  upFreeAt: number
  downFreeAt: number
}

/** What links need of their network. */
export interface Medium {
  readonly now: () => number
  /** Runs it at that time (ms), but never within this call; what is due together runs in the order given. */
  readonly schedule: (at: number, run: () => void) => void
  /** Numbers in [0, 1). */
  readonly random: () => number
  /** Whether packets pass between two hosts now. */
  readonly reachable: (from: string, to: string) => boolean
  readonly forget: (flow: Flow) => void
  /** A chunk holds the cable for so many ms at the most, or for one packet, so that others get their turn. */
  readonly turn: number
}

/** Bytes that may be under way one way of a connection. */
const WINDOW = 262_144

/** The largest delivery, and how many of them are tiny, so that frames straddle reads at every place. */
const LARGEST_CHUNK = 65_536
const PACKET = 1460
const TINY_CHUNK = 40
const TINY_SHARE = 0.1

/** Queued bytes from which on `drained` waits, as Node's streams have it. */
const HIGH_WATER = 16_384

interface Part {
  readonly bytes: Uint8Array
  readonly sent: (() => void) | undefined
  at: number
}

export type Item = Uint8Array | "End" | "Reset"

/** One way of a connection. */
export class Flow {
  readonly from: string
  readonly to: string
  readonly #medium: Medium
  readonly #path: Path
  readonly #source: Cable
  readonly #largest: number
  readonly #target: Cable
  readonly #deliver: (item: Item) => void
  readonly #onEmpty: () => void
  /** Ends both ways as a crash of the sender does. */
  readonly break: () => void
  #parts: Array<Part> = []
  #queued = 0
  #underWay = 0
  #leaving = false
  #freeAt = 0
  #ended = false
  /** Arrived at a broken path: it goes on when the path heals. */
  #stalled: Array<Item> = []
  needsDrain = false

  constructor(options: {
    readonly medium: Medium
    readonly from: string
    readonly to: string
    readonly path: Path
    readonly source: Cable
    readonly target: Cable
    readonly deliver: (item: Item) => void
    readonly onEmpty: () => void
    readonly break: () => void
  }) {
    this.from = options.from
    this.to = options.to
    this.#medium = options.medium
    this.#path = options.path
    this.#source = options.source
    const turn = Math.min(options.path.rate, options.source.up) * options.medium.turn / 1000
    this.#largest = Math.min(LARGEST_CHUNK, Math.max(PACKET, turn))
    this.#target = options.target
    this.#deliver = options.deliver
    this.#onEmpty = options.onEmpty
    this.break = options.break
  }

  get queued(): number {
    return this.#queued
  }

  send(parts: ReadonlyArray<Uint8Array>, sent: (() => void) | undefined): void {
    const last = parts.length - 1
    if (last < 0) return
    parts.forEach((bytes, i) => {
      this.#parts.push({ bytes, sent: i === last ? sent : undefined, at: 0 })
      this.#queued += bytes.length
    })
    if (this.#queued >= HIGH_WATER) this.needsDrain = true
    this.#leave(this.#medium.now())
  }

  /** Drops what is queued; what is under way still arrives, then the end. */
  end(how: "End" | "Reset"): void {
    if (this.#ended) return
    this.#ended = true
    const parts = this.#parts
    this.#parts = []
    this.#queued = 0
    this.needsDrain = false
    const now = this.#medium.now()
    this.#medium.schedule(now, () => {
      for (const { sent } of parts) sent?.()
    })
    this.#travel(how, 0, Math.max(now, this.#freeAt))
  }

  /** The receiver has taken so many bytes. */
  taken(bytes: number): void {
    this.#underWay -= bytes
    this.#leave(this.#medium.now())
  }

  /** The path is whole again. */
  resume(): void {
    const stalled = this.#stalled
    this.#stalled = []
    for (const item of stalled) this.#arrive(item)
    this.#leave(this.#medium.now())
  }

  #leave(from: number): void {
    const room = WINDOW - this.#underWay
    if (this.#leaving || this.#parts.length === 0 || room <= 0 || !this.#medium.reachable(this.from, this.to)) return
    const tiny = this.#medium.random() < TINY_SHARE
    const most = 1 + Math.floor(this.#medium.random() * (tiny ? TINY_CHUNK : this.#largest))
    const chunk = new Uint8Array(Math.min(most, room, this.#queued))
    const done = this.#cut(chunk)
    const start = Math.max(from, this.#freeAt, this.#source.upFreeAt)
    this.#source.upFreeAt = start + 1000 * chunk.length / this.#source.up
    this.#freeAt = Math.max(this.#source.upFreeAt, start + 1000 * chunk.length / this.#path.rate)
    this.#underWay += chunk.length
    this.#leaving = true
    this.#travel(chunk, chunk.length, this.#freeAt)
    this.#medium.schedule(this.#freeAt, () => this.#left(chunk.length, done))
  }

  /** Moves the front of the queue into the chunk; returns the parts that are through. */
  #cut(chunk: Uint8Array): Array<Part> {
    const done: Array<Part> = []
    let at = 0
    for (let part = this.#parts[0]; part !== undefined; part = this.#parts[0]) {
      const length = Math.min(chunk.length - at, part.bytes.length - part.at)
      chunk.set(part.bytes.subarray(part.at, part.at + length), at)
      part.at += length
      at += length
      if (part.at < part.bytes.length) break
      done.push(part)
      this.#parts.shift()
    }
    return done
  }

  #left(bytes: number, done: ReadonlyArray<Part>): void {
    this.#leaving = false
    if (!this.#ended) {
      this.#queued -= bytes
      // The next chunk follows on the heels of this one, whatever the network's clock was rounded to.
      this.#leave(this.#freeAt)
    }
    for (const { sent } of done) sent?.()
    if (this.#queued > 0) return
    this.needsDrain = false
    this.#onEmpty()
  }

  #travel(item: Item, bytes: number, leftAt: number): void {
    const there = Math.max(leftAt + this.#path.latency, this.#target.downFreeAt)
    if (bytes > 0) this.#target.downFreeAt = there + 1000 * bytes / this.#target.down
    this.#medium.schedule(bytes > 0 ? this.#target.downFreeAt : there, () => this.#arrive(item))
  }

  #arrive(item: Item): void {
    if (this.#stalled.length > 0 || !this.#medium.reachable(this.from, this.to)) this.#stalled.push(item)
    else {
      if (typeof item === "string") this.#medium.forget(this)
      this.#deliver(item)
    }
  }
}
