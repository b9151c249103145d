/**
 * What becomes of pieces that failed their hash, and of who sent them. In version 2 the blocks of a piece are told apart, at
 * once or when peers have said their hashes ({@link Repairs}), and only wrong ones are fetched again. Else all of it is, and
 * its senders are watched ({@link Suspects}).
 */
import { BLOCK } from "../PieceLayout.ts"
import type { PieceTree } from "../PieceTrees.ts"
import type { HashRange } from "../wire/HashMessage.ts"
import * as BanCause from "./BanCause.ts"
import type { Board } from "./Board.ts"
import type { OpenPiece } from "./OpenPiece.ts"
import type { Peer } from "./Peer.ts"
import { Repairs } from "./Repairs.ts"
import { soleSender, Suspects } from "./Suspects.ts"

const WRONG_BLOCKS: BanCause.BanCause = { _tag: "WrongBlocks" }
const FALSE_HASHES: BanCause.BanCause = { _tag: "FalseHashes" }

/** The hash trees of a version 2 torrent. */
export interface Trees {
  /** Where a piece lies in its file's tree. */
  readonly treeOf: (piece: number) => PieceTree
  /** The pieces root of a file, by its index. */
  readonly rootOf: (file: number) => Uint8Array
}

/** What is told of them. */
export interface BadPiecesHooks {
  /** These blocks of a piece are wrong, from these peers by identity, negative for nobody; they are fetched again. */
  readonly onWrongBlocks: (piece: number, blocks: ReadonlyArray<number>, senders: ReadonlyArray<number>) => void
  /** Peers are to be banned, by identity. */
  readonly onBanned: (identities: ReadonlyArray<number>, cause: BanCause.BanCause) => void
}

export interface BadPiecesOptions {
  readonly board: Board
  readonly peers: ReadonlySet<Peer>
  /** Absent in version 1. */
  readonly trees: Trees | undefined
  readonly hooks: BadPiecesHooks
  /** The peer is to have nothing more to do. */
  readonly dismiss: (peer: Peer, now: number) => void
  /** Blocks or memory have become free. */
  readonly onFree: (now: number) => void
}

export class BadPieces {
  readonly suspects = new Suspects()
  readonly #options: BadPiecesOptions
  readonly #board: Board
  readonly #hooks: BadPiecesHooks
  readonly #repairs: Repairs | undefined

  constructor(options: BadPiecesOptions) {
    this.#options = options
    this.#board = options.board
    this.#hooks = options.hooks
    this.#repairs = options.trees && new Repairs({
      ...options.trees,
      peers: options.peers,
      mayHold: () => this.#board.canOpen(),
      askAgain: (peer, piece, block, now) => this.#board.askAgain(peer, piece, block, now),
      onKnown: (piece, wrong, now) => this.#found(wrong, piece, now),
      onGivenUp: (piece, now) => this.#found([], piece, now)
    })
  }

  /** The piece failed its hash. */
  failed(piece: OpenPiece, now: number): void {
    const sole = soleSender(piece.sender)
    // Before it could be asked which blocks are wrong.
    if (sole !== undefined) this.#stop([sole], now)
    const wrong = this.#repairs?.begin(piece, now)
    if (wrong === "Asked") {
      if (sole !== undefined) this.#hooks.onBanned([sole], WRONG_BLOCKS)
      return
    }
    this.#fetchAgain(wrong ?? [], piece, now)
    this.#options.onFree(now)
  }

  /** The piece is right, and still has its bytes: whoever sent others for it has lied. */
  passed(piece: OpenPiece, now: number): void {
    this.#repairs?.forget(piece)
    if (this.suspects.size === 0) return
    const liars = this.suspects.passed(piece.index, piece.sender, (block) => blockOf(piece, block))
    this.#convict(liars, WRONG_BLOCKS, now)
    this.#watch()
  }

  /** The piece is about to leave the board unfinished. */
  forget(piece: OpenPiece): void {
    this.#repairs?.forget(piece)
  }

  /** Takes `hashes` that are as many as the range says; a text is why the peer must be dropped. */
  hashes(peer: Peer, range: HashRange, hashes: Uint8Array, now: number): string | undefined {
    const outcome = this.#repairs === undefined ? "Unasked" : this.#repairs.hashes(peer, range, hashes, now)
    if (outcome === "Unasked") return peer.owedHashes-- > 0 ? undefined : "sent hashes that nobody asked for"
    if (outcome === undefined) return undefined
    this.#convict([peer.identity], FALSE_HASHES, now)
    return BanCause.text(FALSE_HASHES)
  }

  /** The peer will not say the hashes that it was asked for. */
  rejected(peer: Peer, range: HashRange, now: number): void {
    this.#repairs?.rejected(peer, range, now)
  }

  opened(peer: Peer): void {
    peer.onParole = this.suspects.isSuspect(peer.identity)
  }

  left(peer: Peer, now: number): void {
    this.#repairs?.left(peer, now)
  }

  /** Once a second. */
  tick(now: number): void {
    this.#repairs?.tick(now)
  }

  /** What came of a piece that peers were asked about; no blocks when nobody knew. */
  #found(wrong: ReadonlyArray<number>, piece: OpenPiece, now: number): void {
    // At the end of a run all pieces are taken off the board, and only then the last peers leave.
    if (this.#board.open.get(piece.index) !== piece) return
    this.#fetchAgain(wrong, piece, now)
    this.#options.onFree(now)
  }

  /** Has the wrong blocks of a piece fetched again, or all when it is not known which these are. */
  #fetchAgain(wrong: ReadonlyArray<number>, piece: OpenPiece, now: number): void {
    if (wrong.length === 0) return this.#reject(piece, now)
    const senders = wrong.map((block) => piece.sender[block]!)
    this.#hooks.onWrongBlocks(piece.index, wrong, senders)
    this.#convict(Array.from(new Set(senders.filter((sender) => sender >= 0))), WRONG_BLOCKS, now)
    this.#board.reopen(piece, wrong, now)
  }

  #reject(piece: OpenPiece, now: number): void {
    const liars = this.suspects.failed(piece.index, piece.sender, (block) => blockOf(piece, block))
    this.#convict(liars, WRONG_BLOCKS, now)
    this.#repairs?.forget(piece)
    this.#board.reject(piece)
    this.#watch()
  }

  /** Whoever has lied gets nothing more to do, and the service closes the connection. */
  #convict(identities: ReadonlyArray<number>, cause: BanCause.BanCause, now: number): void {
    if (identities.length === 0) return
    this.#stop(identities, now)
    this.#hooks.onBanned(identities, cause)
  }

  #stop(identities: ReadonlyArray<number>, now: number): void {
    for (const peer of Array.from(this.#options.peers)) {
      if (!identities.includes(peer.identity)) continue
      peer.isLiar = true
      this.#options.dismiss(peer, now)
    }
  }

  #watch(): void {
    for (const peer of this.#options.peers) peer.onParole = this.suspects.isSuspect(peer.identity)
  }
}

const blockOf = ({ bytes }: OpenPiece, block: number): Uint8Array => bytes.subarray(block * BLOCK, (block + 1) * BLOCK)
