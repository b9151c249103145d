/**
 * Who takes without end or promises without giving. Such a peer is choked for a while first, since a broken client looks the
 * same as a greedy one; if it goes on, it is banned for a while. Free riding is no misconduct: that is the choker's business.
 *
 * - Takes more than there is: of an honest peer nearly every byte we send turns up in what it says to have. Some clients
 *   never tell a seed of their pieces, and some people delete a torrent and fetch it again: so the size of the torrent may go
 *   twice without an account. The pieces that a peer says to have count once only, however often it says them.
 * - Takes one block again and again: a piece that failed its hash is fetched again, but not for ever.
 * - Gives nothing of what it says to have, while others give: only a peer that never gave us a byte counts. One that is slow,
 *   or lies about some pieces, cannot be told from an honest one, and gets no more to do than the Board's time-outs allow.
 */
import type { BanCause } from "./BanCause.ts"
import type { Peer } from "./Peer.ts"
import { Repeats } from "./Repeats.ts"

/** How often the whole torrent may go to a peer without an account, before it is choked and before it is banned. */
const SIZES_TO_CHOKE = 2
const SIZES_TO_BAN = 3

/** What may be under way or in unfinished pieces (bytes): the 500 blocks that libtorrent keeps asked for. */
const UNDER_WAY = 500 * 16_384

/** How often one block may go to a peer: some pieces fail their hash several times until a liar is found. */
const TIMES_TO_CHOKE = 8
const TIMES_TO_BAN = 32

/** Time-outs in a row of a peer that never gave anything, and how long they must have lasted (ms). */
const QUESTIONS_TO_CHOKE = 3
const QUESTIONS_TO_BAN = 6
const SILENT_MS = 120_000

/** How long (ms) a peer is choked. */
const PENANCE_MS = 120_000

/** Peers remembered; the oldest goes first. */
const LIMIT = 2000

/** More than any piece has. */
const BLOCKS_APART = 2 ** 27

/** What a peer is sentenced to; `undefined` when nothing is wrong. */
export type Sentence =
  | { readonly _tag: "Choked"; readonly until: number }
  | { readonly _tag: "Banned"; readonly cause: BanCause }
  | undefined

/** A block that went to a peer. */
export interface Sent {
  readonly piece: number
  readonly begin: number
  readonly length: number
}

interface Account {
  sent: number
  /** Pieces it had at first, and the most it ever said to have. */
  readonly first: number
  most: number
  readonly repeats: Repeats
  /** It has given us something, on this connection or an earlier one. */
  gave: boolean
  questions: number
  askedAt: number
  /** All that we had received when its last question came to nothing. */
  heard: number
  chokedUntil: number
  /** Choked for this already. */
  readonly warned: Set<BanCause["_tag"]>
}

export interface MisconductOptions {
  /** Bytes of the torrent, and of a piece. */
  readonly size: number
  readonly pieceLength: number
}

/** Owned by one torrent. Peers are known by identity, across connections. Times are monotonic ms. */
export class Misconduct {
  readonly #size: number
  readonly #pieceLength: number
  readonly #accounts = new Map<number, Account>()

  constructor({ pieceLength, size }: MisconductOptions) {
    this.#size = size
    this.#pieceLength = pieceLength
  }

  /** A peer has connected: whoever was choked for something stays so. */
  opened(peer: Peer): void {
    peer.barredUntil = this.#accounts.get(peer.identity)?.chokedUntil ?? 0
  }

  left(peer: Peer): void {
    const account = this.#accounts.get(peer.identity)
    if (account === undefined) return
    account.most = Math.max(account.most, peer.has)
    account.gave ||= peer.received > 0
  }

  /** So many bytes have gone to a peer, these blocks. */
  sent(peer: Peer, bytes: number, blocks: ReadonlyArray<Sent>, now: number): Sentence {
    const account = this.#accountOf(peer)
    account.sent += bytes
    account.most = Math.max(account.most, peer.has)
    const beyond = account.sent - (account.most - account.first) * this.#pieceLength
    const sentence = this.#weigh(
      account,
      { _tag: "TakesTooMuch", beyond },
      beyond > SIZES_TO_CHOKE * this.#size + UNDER_WAY,
      beyond > SIZES_TO_BAN * this.#size + UNDER_WAY,
      now
    )
    if (sentence !== undefined) return sentence
    for (const { begin, piece } of blocks) {
      const times = account.repeats.count(piece * BLOCKS_APART + begin)
      if (times < TIMES_TO_CHOKE) continue
      const cause: BanCause = { _tag: "AsksAgain", piece, begin, times }
      const verdict = this.#weigh(account, cause, true, times >= TIMES_TO_BAN, now)
      // What was asked for before the choke does not count against it.
      if (verdict !== undefined) return verdict
    }
    return undefined
  }

  /**
   * A peer that does not choke us has let a time-out pass without a block. `received` is all that came from anybody: where
   * nothing came since its last time-out, the network may be to blame.
   */
  unanswered(peer: Peer, received: number, now: number): Sentence {
    const account = this.#accountOf(peer)
    account.gave ||= peer.received > 0
    if (account.gave || received === account.heard) return undefined
    account.heard = received
    if (account.questions++ === 0) account.askedAt = now
    const { questions } = account
    const isLong = now - account.askedAt >= SILENT_MS
    return this.#weigh(
      account,
      { _tag: "FalseHaves", questions },
      questions >= QUESTIONS_TO_CHOKE,
      questions >= QUESTIONS_TO_BAN && isLong,
      now
    )
  }

  /** The first time a peer is choked; if it comes to the worst, it is banned. */
  #weigh(account: Account, cause: BanCause, isBad: boolean, isWorst: boolean, now: number): Sentence {
    if (isWorst) return { _tag: "Banned", cause }
    if (!isBad) account.warned.delete(cause._tag)
    if (!isBad || account.warned.has(cause._tag)) return undefined
    account.warned.add(cause._tag)
    account.chokedUntil = now + PENANCE_MS
    return { _tag: "Choked", until: account.chokedUntil }
  }

  #accountOf(peer: Peer): Account {
    const known = this.#accounts.get(peer.identity)
    if (known !== undefined) return known
    const account: Account = {
      sent: 0,
      first: peer.has,
      most: peer.has,
      repeats: new Repeats(),
      gave: false,
      questions: 0,
      askedAt: 0,
      heard: 0,
      chokedUntil: 0,
      warned: new Set()
    }
    this.#accounts.set(peer.identity, account)
    if (this.#accounts.size > LIMIT) this.#accounts.delete(this.#accounts.keys().next().value!)
    return account
  }
}
