/**
 * Gets the piece layers of a version 2 torrent from peers (BEP 52): magnet links bring the `info` dictionary alone, which has
 * only the roots of the files. Every run of hashes is proven up to its file's root, so whoever sends a wrong one is known.
 */
import * as Bytes from "../Bytes.ts"
import { HASH, powerOfTwo } from "../Merkle.ts"
import type { LayeredFile } from "../metainfo/LayeredFiles.ts"
import { BLOCK } from "../PieceLayout.ts"
import * as HashMessage from "../wire/HashMessage.ts"
import { HashExchange, rangeOf } from "./HashExchange.ts"
import type { Peer } from "./Peer.ts"
import type { Verdict } from "./Verdict.ts"

/** Questions that one peer may have open. */
const WINDOW = 8

/** A peer that refuses or does not answer is left alone for so long (ms), and twice as long each time. */
const REST_MS = 4000
const LONGEST_REST_MS = 120_000

export interface LayerFetchOptions {
  readonly pieceLength: number
  /** Each root once. */
  readonly files: ReadonlyArray<LayeredFile>
  readonly peers: () => Iterable<Peer>
  /** Layers by the root of their file, as `Bytes.toLatin1` has it. */
  readonly onDone: (layers: ReadonlyMap<string, Uint8Array>) => void
  readonly onLiar: (identity: number) => void
}

interface Run {
  readonly file: LayeredFile
  readonly range: HashMessage.HashRange
  /** Nodes of the layer under the root. */
  readonly width: number
}

interface Rest {
  until: number
  times: number
}

export class LayerFetch {
  readonly #options: LayerFetchOptions
  readonly #exchange = new HashExchange<Run>()
  readonly #open = new Map<Peer, number>()
  readonly #rests = new WeakMap<Peer, Rest>()
  readonly #layers = new Map<string, Uint8Array>()
  /** Runs to ask for again, and then those that were never asked for. */
  readonly #again: Array<Run> = []
  readonly #fresh: Iterator<Run>
  #left: number
  /** Hashes that are there. */
  received = 0
  /** When the last of them came; -Infinity before. */
  movedAt = -Infinity

  constructor(options: LayerFetchOptions) {
    this.#options = options
    this.#fresh = runsOf(options)
    this.#left = countOf(options)
  }

  /** Asks whoever can be asked. */
  pump(now: number): void {
    for (const peer of this.#options.peers()) {
      if (!peer.v2 || (this.#rests.get(peer)?.until ?? 0) > now) continue
      let open = this.#open.get(peer) ?? 0
      if (open >= WINDOW || !this.#exchange.mayAsk(peer)) continue
      while (open < WINDOW && this.#exchange.mayAsk(peer)) {
        const run = this.#next()
        if (run === undefined) break
        this.#exchange.ask(peer, { subject: run, range: run.range, top: run.file.root, width: run.width }, now)
        open++
      }
      this.#open.set(peer, open)
      peer.wire.flush()
    }
  }

  /** Takes a `hashes` message; the bytes are copied. */
  hashes(peer: Peer, range: HashMessage.HashRange, bytes: Uint8Array, now: number): Verdict {
    const answer = this.#exchange.answered(peer, range, bytes)
    if (answer === "Unasked") return "sent hashes that nobody asked for"
    if (answer === "Lie") {
      this.#options.onLiar(peer.identity)
      return "sent hashes that do not lead to the root of their file"
    }
    if (answer.wasLate) return undefined
    this.#closed(peer)
    this.#rests.delete(peer)
    this.#keep(answer.subject, answer.nodes)
    this.movedAt = now
    if (--this.#left === 0) this.#options.onDone(this.#layers)
    else this.pump(now)
    return undefined
  }

  /** Answers that may still come of the peer. */
  owedBy(peer: Peer): number {
    return this.#exchange.owedBy(peer)
  }

  /** The peer will not say. */
  rejected(peer: Peer, range: HashMessage.HashRange, now: number): void {
    const run = this.#exchange.rejected(peer, range)
    if (run === undefined) return
    this.#closed(peer)
    this.#again.push(run)
    this.#rest(peer, now)
    this.pump(now)
  }

  left(peer: Peer, now: number): void {
    this.#again.push(...this.#exchange.left(peer))
    this.#open.delete(peer)
    this.pump(now)
  }

  /** Once a second. */
  tick(now: number): void {
    const late = new Set<Peer>()
    for (const [peer, run] of this.#exchange.expire(now)) {
      this.#closed(peer)
      this.#again.push(run)
      late.add(peer)
    }
    for (const peer of late) this.#rest(peer, now)
    this.pump(now)
  }

  #next(): Run | undefined {
    const again = this.#again.pop()
    if (again !== undefined) return again
    const fresh = this.#fresh.next()
    return fresh.done === true ? undefined : fresh.value
  }

  #closed(peer: Peer): void {
    this.#open.set(peer, Math.max(0, (this.#open.get(peer) ?? 0) - 1))
  }

  #rest(peer: Peer, now: number): void {
    const times = this.#rests.get(peer)?.times ?? 0
    const until = now + Math.min(LONGEST_REST_MS, REST_MS * 2 ** Math.min(times, 10))
    this.#rests.set(peer, { until, times: times + 1 })
  }

  #keep({ file, range }: Run, nodes: Uint8Array): void {
    const key = Bytes.toLatin1(file.root)
    const layer = this.#layers.get(key) ?? new Uint8Array(file.pieces * HASH)
    this.#layers.set(key, layer)
    const at = range.index * HASH
    const kept = nodes.subarray(0, layer.length - at)
    layer.set(kept, at)
    this.received += kept.length / HASH
  }
}

const lengthOf = ({ pieces }: LayeredFile): number => Math.min(powerOfTwo(pieces), HashMessage.MOST_ASKED)

const countOf = ({ files }: LayerFetchOptions): number =>
  files.reduce((sum, file) => sum + Math.ceil(file.pieces / lengthOf(file)), 0)

/** All that is to be asked for; what lies behind the last piece of a file is none of it. */
function* runsOf({ files, pieceLength }: LayerFetchOptions): Generator<Run, void> {
  const base = Math.log2(pieceLength / BLOCK)
  for (const file of files) {
    const width = powerOfTwo(file.pieces)
    const length = lengthOf(file)
    for (let index = 0; index < file.pieces; index += length) {
      yield { file, range: rangeOf(file.root, base, index, length, width), width }
    }
  }
}
