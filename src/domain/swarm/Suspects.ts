/**
 * Who sent bad data. A piece that fails its hash has blocks of several peers, and the hash does not say whose was wrong. So
 * the digest of every block is kept with its sender; when the piece comes right, whoever sent different bytes has lied. Until
 * then the senders are suspects, to be asked for whole pieces alone: who sent all of a bad piece needs no further proof.
 */
import * as Bytes from "../Bytes.ts"
import * as Digest from "../Digest.ts"

/** Failures remembered, and the blocks in all of them (some 24 bytes each); the oldest go first. */
const MOST_FAILURES = 256
const MOST_BLOCKS = 65_536

interface Failure {
  readonly piece: number
  readonly senders: Int32Array
  /** One SHA-1 after the other. */
  readonly digests: Uint8Array
  /** Senders that this failure still tells against. */
  readonly suspects: Set<number>
}

export interface Bounds {
  readonly failures: number
  readonly blocks: number
}

/**
 * Owned by one torrent. A sender is the number by which the caller knows a peer across reconnections; a negative one is
 * nobody (a block from the disk). Every block counts for the one peer whose bytes are in it.
 */
export class Suspects {
  readonly #bounds: Bounds
  readonly #failures: Array<Failure> = []
  readonly #counts = new Map<number, number>()
  #blocks = 0

  constructor(bounds: Bounds = { failures: MOST_FAILURES, blocks: MOST_BLOCKS }) {
    this.#bounds = bounds
  }

  /** Whether the peer had part in a bad piece and has not been cleared: ask it for whole pieces alone. */
  isSuspect(peer: number): boolean {
    return this.#counts.has(peer)
  }

  /** Failures remembered now. */
  get size(): number {
    return this.#failures.length
  }

  /**
   * The piece failed its hash. `senders[i]` sent block `i`, whose bytes `blockBytes(i)` gives during this call. Returns the
   * peers that are proven liars already: the only sender, or one that has sent two versions of one block.
   */
  failed(piece: number, senders: ArrayLike<number>, blockBytes: (block: number) => Uint8Array): ReadonlyArray<number> {
    const sole = soleSender(senders)
    if (sole !== undefined) return this.#convict(new Set([sole]))
    const failure = record(piece, senders, blockBytes)
    const guilty = new Set<number>()
    for (const earlier of this.#failures) {
      if (earlier.piece !== piece) continue
      for (let i = 0; i < failure.senders.length; i++) {
        const sender = failure.senders[i]!
        if (sender >= 0 && sender === earlier.senders[i] && !agrees(earlier, i, digestOf(failure, i))) {
          guilty.add(sender)
        }
      }
    }
    this.#remember(failure)
    return this.#convict(guilty)
  }

  /** The piece passed its hash. Returns the peers that sent other bytes for it before: proven liars, to be banned. */
  passed(piece: number, senders: ArrayLike<number>, blockBytes: (block: number) => Uint8Array): ReadonlyArray<number> {
    const guilty = new Set<number>()
    const failures = this.#failures.filter((failure) => failure.piece === piece)
    if (failures.length > 0) {
      for (let i = 0; i < senders.length; i++) {
        const digest = Digest.sha1(blockBytes(i))
        for (const failure of failures) {
          if (failure.senders[i]! >= 0 && !agrees(failure, i, digest)) guilty.add(failure.senders[i]!)
        }
      }
      for (const failure of failures) this.#forget(failure)
    }
    const sole = soleSender(senders)
    if (sole !== undefined) this.#clear(sole)
    return this.#convict(guilty)
  }

  #remember(failure: Failure): void {
    this.#failures.push(failure)
    this.#blocks += failure.senders.length
    for (const peer of failure.suspects) this.#counts.set(peer, (this.#counts.get(peer) ?? 0) + 1)
    while (
      this.#failures.length > this.#bounds.failures ||
      (this.#blocks > this.#bounds.blocks && this.#failures.length > 1)
    ) this.#forget(this.#failures[0]!)
  }

  #forget(failure: Failure): void {
    this.#failures.splice(this.#failures.indexOf(failure), 1)
    this.#blocks -= failure.senders.length
    for (const peer of failure.suspects) {
      const left = this.#counts.get(peer)! - 1
      if (left === 0) this.#counts.delete(peer)
      else this.#counts.set(peer, left)
    }
  }

  /** The failures stay as evidence, but no longer put this peer on parole. */
  #clear(peer: number): void {
    if (!this.#counts.delete(peer)) return
    for (const failure of this.#failures) failure.suspects.delete(peer)
  }

  /** A banned peer is past suspicion. */
  #convict(guilty: ReadonlySet<number>): ReadonlyArray<number> {
    for (const peer of guilty) this.#clear(peer)
    return [...guilty]
  }
}

const record = (piece: number, senders: ArrayLike<number>, blockBytes: (block: number) => Uint8Array): Failure => {
  const digests = new Uint8Array(senders.length * Digest.SHA1_BYTES)
  const suspects = new Set<number>()
  for (let i = 0; i < senders.length; i++) {
    digests.set(Digest.sha1(blockBytes(i)), i * Digest.SHA1_BYTES)
    if (senders[i]! >= 0) suspects.add(senders[i]!)
  }
  return { piece, senders: Int32Array.from(senders), digests, suspects }
}

const digestOf = (failure: Failure, block: number): Uint8Array =>
  failure.digests.subarray(block * Digest.SHA1_BYTES, (block + 1) * Digest.SHA1_BYTES)

const agrees = (failure: Failure, block: number, digest: Uint8Array): boolean =>
  Bytes.equals(digestOf(failure, block), digest)

/** The peer that sent every block, if one did. */
export const soleSender = (senders: ArrayLike<number>): number | undefined => {
  const first = senders[0]
  if (first === undefined || first < 0) return undefined
  for (let i = 1; i < senders.length; i++) if (senders[i] !== first) return undefined
  return first
}
