/**
 * Pieces that failed their hash and whose blocks may be told apart: in version 2 every block has a hash of its own (BEP 52).
 * Nobody has it at hand, so peers that have the piece are asked, and what they say is proven by the piece's root, which is
 * known. Then every wrong block is known with its sender, and only those are fetched again. When nobody says in time, the
 * piece is given up as a whole.
 */
import * as Bitfield from "../Bitfield.ts"
import * as Bytes from "../Bytes.ts"
import * as Digest from "../Digest.ts"
import { HASH } from "../Merkle.ts"
import { BLOCK } from "../PieceLayout.ts"
import type { PieceTree } from "../PieceTrees.ts"
import * as HashMessage from "../wire/HashMessage.ts"
import { HashExchange, rangeOf } from "./HashExchange.ts"
import type { OpenPiece } from "./OpenPiece.ts"
import type { Peer } from "./Peer.ts"

/** Peers asked for the same hashes at once: one may be mute. */
const AT_ONCE = 2

/** Questions spent on the same hashes. */
const MOST_TRIES = 12

/** Of them, those to one peer; see {@link Repairs}. */
const TRIES_EACH = 3

/** Before the last try with one peer (ms). */
const LAST_TRY_MS = 1000

/** However it goes, a piece stands no longer than this (ms), and than the second while others wait for its memory. */
const DOUBT_MS = 20_000
const SHORT_DOUBT_MS = 8000

/** Up to {@link HashMessage.MOST_ASKED} leaves of a piece that are still wanted. */
interface Chunk {
  readonly doubt: Doubt
  readonly range: HashMessage.HashRange
  /** The first block of the piece that it is about. */
  readonly block: number
  /** Questions that are worth waiting for. */
  open: number
  tries: number
  readonly tried: Map<Peer, Tried>
}

/** What was tried with one peer. */
interface Tried {
  times: number
  isOpen: boolean
  /** Monotonic ms. */
  notBefore: number
}

interface Doubt {
  readonly piece: OpenPiece
  readonly tree: PieceTree
  /** Those of all blocks with data, once `wanted` is empty. */
  readonly leaves: Uint8Array
  readonly wanted: Set<Chunk>
  /** Blocks that differ from their leaf, of those that are known. */
  wrong: Array<number>
  readonly senders: ReadonlySet<number>
  /** Monotonic ms. */
  readonly since: number
}

export interface RepairsOptions {
  /** Where a piece lies in its file's tree. */
  readonly treeOf: (piece: number) => PieceTree
  /** The pieces root of a file. */
  readonly rootOf: (file: number) => Uint8Array
  readonly peers: ReadonlySet<Peer>
  /** Whether the memory that pieces in doubt hold is not needed for others. */
  readonly mayHold: () => boolean
  /** Asks for a block of the piece although it is there. */
  readonly askAgain: (peer: Peer, piece: OpenPiece, block: number, now: number) => void
  /** The hashes of all blocks of the piece are known, and so are its wrong blocks, in order. */
  readonly onKnown: (piece: OpenPiece, wrong: ReadonlyArray<number>, now: number) => void
  /** Nobody has said which blocks are wrong. */
  readonly onGivenUp: (piece: OpenPiece, now: number) => void
}

/**
 * A peer is asked for the leaves of a piece alone; if it rejects that, together with a block of the piece, when it must not
 * reject (BEP 52), and once more a moment later, since libtorrent hashes a piece that it has not looked at yet only when it
 * is asked for a block.
 */
export class Repairs {
  readonly #options: RepairsOptions
  readonly #exchange = new HashExchange<Chunk>()
  /** By piece. */
  readonly #doubts = new Map<number, Doubt>()

  constructor(options: RepairsOptions) {
    this.#options = options
  }

  /** Pieces that are waited for or known. */
  get size(): number {
    return this.#doubts.size
  }

  /**
   * The piece failed its hash. Returns its wrong blocks when the hashes of all are known from before, `"Asked"` when peers are
   * asked for them, and `undefined` when there is nobody to ask or nothing to find out.
   */
  begin(piece: OpenPiece, now: number): ReadonlyArray<number> | "Asked" | undefined {
    const known = this.#doubts.get(piece.index)
    // Blocks that were right have not changed since.
    if (known !== undefined) return known.wrong = wrongOf(known, known.wrong)
    if (piece.blocks === 1) return undefined
    const tree = this.#options.treeOf(piece.index)
    const doubt: Doubt = {
      piece,
      tree,
      leaves: new Uint8Array(tree.leaves * HASH),
      wanted: new Set(),
      wrong: [],
      senders: new Set(piece.sender),
      since: now
    }
    for (const chunk of chunksOf(doubt, this.#options.rootOf(tree.file))) doubt.wanted.add(chunk)
    if (!this.#pump(doubt, now)) return undefined
    this.#doubts.set(piece.index, doubt)
    return "Asked"
  }

  /** The piece has left the board. */
  forget(piece: OpenPiece): void {
    this.#doubts.delete(piece.index)
  }

  /** Takes a `hashes` message; the bytes are copied. */
  hashes(
    peer: Peer,
    range: HashMessage.HashRange,
    bytes: Uint8Array,
    now: number
  ): "Unasked" | "Lie" | undefined {
    const answer = this.#exchange.answered(peer, range, bytes)
    if (typeof answer === "string") return answer
    const chunk = answer.subject
    if (!answer.wasLate) close(chunk, peer)
    const { doubt } = chunk
    if (!doubt.wanted.delete(chunk) || !this.#stands(doubt)) return undefined
    const leaves = answer.nodes.subarray(0, doubt.leaves.length - chunk.block * HASH)
    doubt.leaves.set(leaves, chunk.block * HASH)
    // Chunk by chunk, lest a large piece be hashed in one go: 512 blocks take 4 ms.
    doubt.wrong.push(...wrongOf(doubt, Array.from({ length: leaves.length / HASH }, (_, i) => chunk.block + i)))
    if (doubt.wanted.size > 0) return undefined
    doubt.wrong.sort((a, b) => a - b)
    this.#options.onKnown(doubt.piece, doubt.wrong, now)
    return undefined
  }

  /** The peer will not say. */
  rejected(peer: Peer, range: HashMessage.HashRange, now: number): void {
    const chunk = this.#exchange.rejected(peer, range)
    if (chunk === undefined) return
    const tried = close(chunk, peer)
    if (tried.times === TRIES_EACH - 1) tried.notBefore = now + LAST_TRY_MS
    this.#goOn(chunk.doubt, now)
  }

  /** The peer is gone. */
  left(peer: Peer, now: number): void {
    for (const chunk of this.#exchange.left(peer)) {
      close(chunk, peer)
      this.#goOn(chunk.doubt, now)
    }
  }

  /** Once a second. */
  tick(now: number): void {
    for (const [peer, chunk] of this.#exchange.expire(now)) close(chunk, peer).times = TRIES_EACH
    for (const doubt of Array.from(this.#doubts.values())) {
      if (doubt.wanted.size === 0) continue
      const most = this.#options.mayHold() ? DOUBT_MS : SHORT_DOUBT_MS
      if (now - doubt.since >= most) this.#giveUp(doubt, now)
      else this.#goOn(doubt, now)
    }
  }

  /** Whether the piece still waits for this. */
  #stands(doubt: Doubt): boolean {
    return this.#doubts.get(doubt.piece.index) === doubt
  }

  #goOn(doubt: Doubt, now: number): void {
    if (this.#stands(doubt) && doubt.wanted.size > 0 && !this.#pump(doubt, now)) this.#giveUp(doubt, now)
  }

  #giveUp(doubt: Doubt, now: number): void {
    this.forget(doubt.piece)
    this.#options.onGivenUp(doubt.piece, now)
  }

  /** Asks whoever can be asked; returns whether every chunk may still be answered. */
  #pump(doubt: Doubt, now: number): boolean {
    const asked = new Set<Peer>()
    let hasHope = true
    for (const chunk of doubt.wanted) {
      while (chunk.open < AT_ONCE && chunk.tries < MOST_TRIES) {
        const peer = this.#best(chunk, now)
        if (peer === undefined) break
        this.#ask(peer, chunk, now)
        asked.add(peer)
      }
      if (chunk.open === 0 && !this.#mayWait(chunk)) hasHope = false
    }
    for (const peer of asked) peer.wire.flush()
    return hasHope
  }

  #ask(peer: Peer, chunk: Chunk, now: number): void {
    const { piece, tree } = chunk.doubt
    const tried = chunk.tried.get(peer) ?? { times: 0, isOpen: false, notBefore: 0 }
    if (tried.times === 1) this.#options.askAgain(peer, piece, chunk.block, now)
    chunk.tried.set(peer, tried)
    tried.times++
    tried.isOpen = true
    chunk.tries++
    chunk.open++
    this.#exchange.ask(peer, { subject: chunk, range: chunk.range, top: tree.root, width: tree.width }, now)
  }

  /** Whom to ask: those first that were asked least, have no part in the piece and have been of use before. */
  #best(chunk: Chunk, now: number): Peer | undefined {
    let best: Peer | undefined
    let least = Infinity
    for (const peer of this.#options.peers) {
      const tried = chunk.tried.get(peer)
      if (!this.#mayTry(peer, chunk) || !this.#exchange.mayAsk(peer)) continue
      if (tried !== undefined && now < tried.notBefore) continue
      const hasPart = chunk.doubt.senders.has(peer.identity) ? 1 : 0
      const weight = (tried?.times ?? 0) * 1e6 + hasPart * 1e5 + this.#exchange.reluctance(peer)
      if (weight >= least) continue
      best = peer
      least = weight
    }
    return best
  }

  #mayTry(peer: Peer, chunk: Chunk): boolean {
    if (peer.isLiar || !peer.v2 || !Bitfield.has(peer.bits, chunk.doubt.piece.index)) return false
    const tried = chunk.tried.get(peer)
    if (tried === undefined) return true
    return !tried.isOpen && tried.times < TRIES_EACH && (tried.times !== 1 || !peer.peerChoking)
  }

  /** Whether somebody can be asked later. */
  #mayWait(chunk: Chunk): boolean {
    if (chunk.tries >= MOST_TRIES) return false
    for (const peer of this.#options.peers) {
      if (!this.#mayTry(peer, chunk)) continue
      if (this.#exchange.mayAsk(peer) || this.#exchange.isAnswering(peer)) return true
    }
    return false
  }
}

/** What to ask for: all leaves with data, in runs that lie in the tree as BEP 52 wants them. */
const chunksOf = (doubt: Doubt, root: Uint8Array): Array<Chunk> => {
  const { leaf, leaves, width } = doubt.tree
  const length = Math.min(width, HashMessage.MOST_ASKED)
  const chunks: Array<Chunk> = []
  for (let block = 0; block < leaves; block += length) {
    const range = rangeOf(root, 0, leaf + block, length, width)
    chunks.push({ doubt, range, block, open: 0, tries: 0, tried: new Map() })
  }
  return chunks
}

/** The question of this peer is settled. */
const close = (chunk: Chunk, peer: Peer): Tried => {
  const tried = chunk.tried.get(peer)!
  tried.isOpen = false
  chunk.open--
  return tried
}

/** Those of the blocks that differ from their leaf. What lies behind the file's bytes is padding, which has none. */
const wrongOf = ({ leaves, piece: { bytes }, tree }: Doubt, blocks: ReadonlyArray<number>): Array<number> =>
  blocks.filter((block) => {
    const own = bytes.subarray(block * BLOCK, Math.min((block + 1) * BLOCK, tree.length))
    return !Bytes.equals(Digest.sha256(own), leaves.subarray(block * HASH, (block + 1) * HASH))
  })
