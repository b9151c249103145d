/**
 * Who may download from us. One choker for all torrents of a session, since they share one uplink. Leeching, the best givers
 * earn the slots (tit for tat); seeding, peers take turns; and some slots always go to peers by chance, since a peer that we
 * never gave to has had no reason to give (optimistic unchoke).
 */

/** ms between two rounds, for whoever calls them. */
export const ROUND = 10_000

const DEFAULT_SLOTS = 8

/** However fast the uplink, slots do not grow past this by themselves. */
const MOST_SLOTS = 64

/**
 * Slots are added while each carries so much of what one did when there were no more than asked for, and taken away when
 * each carries less than that. A full uplink of eight slots gives 8/9 of it to each of nine: further slots would only let
 * everybody in, and who gives nothing would get as much as who gives.
 */
const CARRIES = 0.9
const DILUTES = 0.8

const OPTIMISTIC_SHARE = 0.2

/** ms that a peer unchoked by chance has to prove itself. */
const TRIAL = 30_000

/** A turn of a peer that downloads a torrent we seed lasts for so many pieces and so many ms. */
const TURN_PIECES = 20
const TURN = 60_000

/** A peer this young (ms) is so many times as likely to be unchoked by chance: it has nothing yet to give. */
const NEWCOMER = 60_000
const NEWCOMER_WEIGHT = 3

/** One peer as the choker sees it. */
export interface Row {
  /** Unique in the session. */
  readonly id: number
  /** Whether we seed the torrent; otherwise we leech. */
  readonly seeding: boolean
  /** The peer is interested in us. */
  readonly interested: boolean
  /** We do not choke the peer. */
  readonly unchoked: boolean
  /** Bytes/s that the peer gives us. */
  readonly downRate: number
  /** Bytes/s that we give the peer. */
  readonly upRate: number
  /** When we unchoked it; means nothing while choked. */
  readonly unchokedAt: number
  /** Since when the peer has been interested and choked; means nothing otherwise. */
  readonly waitingSince: number
  readonly uploadedSinceUnchoke: number
  readonly pieceLength: number
  /** The peer owes us blocks past its time-out. */
  readonly snubbed: boolean
  readonly connectedAt: number
}

/** Ids of the peers whose state changes; all others stay as they are. No id is in both. */
export interface Decision {
  readonly unchoke: ReadonlyArray<number>
  readonly choke: ReadonlyArray<number>
}

/**
 * Owned by the session, which calls {@link Choker.round} every {@link ROUND} ms and does what it says before the next call.
 * Between rounds it tells of peers that become interested, lose interest or leave. Times are monotonic ms; `random` gives
 * numbers in [0, 1).
 */
export class Choker {
  readonly #random: () => number
  readonly #base: number
  #slots: number
  /** Upload rate per slot while there were no more slots than asked for. */
  #reference = 0
  /** Interested peers that hold a slot. */
  #held = new Set<number>()
  /** Those of them that hold it by chance. */
  #trial = new Set<number>()

  constructor(random: () => number, maxUploads = DEFAULT_SLOTS) {
    this.#random = random
    this.#base = maxUploads
    this.#slots = maxUploads
  }

  /** Peers that may download at once, at present. */
  get slots(): number {
    return this.#slots
  }

  /** A peer has become interested. True when a slot is free: unchoke it now rather than at the next round. */
  onInterested(row: Row): boolean {
    if (!row.unchoked && !this.#held.has(row.id) && this.#held.size >= this.#slots) return false
    this.#held.add(row.id)
    return !row.unchoked
  }

  /** A peer has left or is no longer interested: its slot is free until the next round gives it away. */
  onReleased(id: number): void {
    this.#held.delete(id)
  }

  /** Decides anew over all connected peers. `limit` is the upload limit in bytes/s. */
  round(rows: ReadonlyArray<Row>, now: number, limit = Infinity): Decision {
    const interested = rows.filter((row) => row.interested)
    this.#resize(interested.length, rows.reduce((sum, row) => sum + row.upRate, 0), limit)
    const chosen = interested.length > this.#slots ? this.#choose(interested, now) : this.#everyone(interested)
    this.#held = new Set(chosen)
    const unchoke: Array<number> = []
    const choke: Array<number> = []
    for (const row of rows) {
      if (chosen.has(row.id)) {
        if (!row.unchoked) unchoke.push(row.id)
      } else if (row.unchoked) {
        // Left unchoked, a peer that has all we have can ask at once when we have more.
        if (!row.interested && chosen.size < this.#slots) chosen.add(row.id)
        else choke.push(row.id)
      }
    }
    return { unchoke, choke }
  }

  #everyone(interested: ReadonlyArray<Row>): Set<number> {
    this.#trial.clear()
    return new Set(interested.map((row) => row.id))
  }

  /**
   * Grows by a slot while peers wait, the limit is not reached and the last slots carried nearly as much as the first ones:
   * then the uplink has room. Shrinks by a slot when slots are idle, or when peers wait and slots only divide what others had.
   */
  #resize(interested: number, rate: number, limit: number): void {
    const perSlot = rate / this.#slots
    if (this.#slots === this.#base) this.#reference = perSlot
    const crowded = interested > this.#slots
    const carries = rate > 0 && perSlot >= CARRIES * this.#reference
    const dilutes = perSlot < DILUTES * this.#reference || rate >= 0.98 * limit
    if (crowded && carries && rate < 0.9 * limit) {
      this.#slots = Math.min(this.#slots + 1, Math.max(this.#base, MOST_SLOTS))
    } else if (crowded ? dilutes : interested < this.#slots) {
      this.#slots = Math.max(this.#slots - 1, this.#base)
    }
  }

  /** Fills every slot from more interested peers than there are slots. */
  #choose(interested: ReadonlyArray<Row>, now: number): Set<number> {
    const optimistic = Math.min(this.#slots, Math.max(1, Math.floor(this.#slots * OPTIMISTIC_SHARE)))
    const regular = this.#slots - optimistic
    const givers = interested.filter((row) => !row.seeding && !row.snubbed && row.downRate > 0).sort(byMerit)
    const turns = this.#turns(interested, now)
    // Those who give come first, as their blocks come back to us; but what we seed never stands still.
    const seeding = Math.min(turns.length, Math.max(Math.min(1, regular), regular - givers.length))
    const chosen = new Set<number>()
    for (const row of givers.slice(0, regular - seeding)) chosen.add(row.id)
    for (const row of turns.slice(0, seeding)) chosen.add(row.id)
    this.#fillByChance(chosen, interested.filter((row) => !chosen.has(row.id)), now)
    return chosen
  }

  /** Peers of torrents we seed in the order of their right to a slot: unfinished turns, then the longest waiting. */
  #turns(interested: ReadonlyArray<Row>, now: number): Array<Row> {
    const seeding = interested.filter((row) => row.seeding)
    const holders = seeding.filter((row) => row.unchoked && !this.#trial.has(row.id) && !isTurnOver(row, now))
    const waiting = seeding.filter((row) => !row.unchoked)
    return [
      ...holders.sort((a, b) => a.unchokedAt - b.unchokedAt),
      ...waiting.sort((a, b) => a.waitingSince - b.waitingSince)
    ]
  }

  /** Slots that nobody earned: trials that still run, then a draw among the choked, then whoever had one so far. */
  #fillByChance(chosen: Set<number>, rest: ReadonlyArray<Row>, now: number): void {
    const unchoked = rest.filter((row) => row.unchoked).sort((a, b) => a.unchokedAt - b.unchokedAt)
    const onTrial = unchoked.filter((row) => now - row.unchokedAt < TRIAL)
    const trials = [...onTrial, ...this.#draw(rest.filter((row) => !row.unchoked), now)]
    const trial = trials.slice(0, this.#slots - chosen.size).map((row) => row.id)
    this.#trial = new Set(trial)
    for (const id of trial) chosen.add(id)
    for (const row of unchoked) if (chosen.size < this.#slots) chosen.add(row.id)
  }

  /** A weighted draw without replacement, in the order drawn (Efraimidis and Spirakis, 2006). */
  #draw(rows: ReadonlyArray<Row>, now: number): Array<Row> {
    return rows
      .map((row) => ({
        row,
        key: this.#random() ** (now - row.connectedAt < NEWCOMER ? 1 / NEWCOMER_WEIGHT : 1)
      }))
      .sort((a, b) => b.key - a.key)
      .map(({ row }) => row)
  }
}

/** Best giver first; among equals the one that has a slot keeps it. */
const byMerit = (a: Row, b: Row): number =>
  b.downRate - a.downRate || Number(b.unchoked) - Number(a.unchoked) || a.id - b.id

/** A peer that took nothing for a whole turn's time has had its turn, too. */
const isTurnOver = (row: Row, now: number): boolean =>
  now - row.unchokedAt >= TURN &&
  (row.upRate === 0 || row.uploadedSinceUnchoke >= TURN_PIECES * row.pieceLength)
