/**
 * Peer exchange (BEP 11) as an extension: each peer hears, at most once a minute, whom we have met since the last time and
 * who has left; what peers tell of others is checked and handed on. Not for private torrents (BEP 27).
 */
import * as HostBytes from "../HostBytes.ts"
import * as PeerAddress from "../PeerAddress.ts"
import * as Reach from "../tracker/Reach.ts"
import * as PexMessage from "../wire/PexMessage.ts"
import type { Extension } from "./Extension.ts"
import type { Peer } from "./Peer.ts"

export interface PexOptions {
  /** Who is connected. */
  readonly peers: () => Iterable<Peer>
  /** Puts a message into the peer's outbox; `false` when it does not speak the extension. */
  readonly send: (peer: Peer, payload: Uint8Array) => boolean
  /** A peer tells of others: only of such as can be reached from here, each once. */
  readonly onTold: (peer: Peer, message: PexMessage.PexMessage, now: number) => void
  /** Numbers in [0, 1). */
  readonly random: () => number
}

/** ms between two messages to a peer, and by how much chance stretches it, so that not all are written at once. */
const INTERVAL = 60_000
const STRETCH = 10_000

/** A peer that has just come hears of the others after so many ms at the least, and as many more as chance says. */
const FIRST = 2000

/**
 * Peers that come, and that leave, in one message; the rest waits for the next. A first one might have more by BEP 11, but
 * libtorrent keeps no more of a peer and would never hear of the rest again.
 */
const MOST_TOLD = 50

/** ms until there is another look at whether there is something to tell. */
const LOOK_AGAIN = 10_000

/** A message counts if it comes so many ms after the one before: a minute, but clocks and networks are not exact. */
const LEAST_INTERVAL = 55_000

/** Messages too early or not to be read, beyond those that count, for which a peer is dropped. */
const MOST_ABUSES = 10

/** What was said between us and a peer. */
interface Talk {
  /** What the peer believes of whom we are connected to. */
  readonly told: Map<string, PeerAddress.PeerAddress>
  dueAt: number
  heardAt: number
  abuses: number
}

/** What can be said of a peer. */
export const flagsOf = (peer: Peer): number =>
  (peer.encrypted ? PexMessage.PREFERS_ENCRYPTION : 0) |
  (peer.isSeed || peer.isUploadOnly ? PexMessage.UPLOAD_ONLY : 0) |
  (peer.inbound ? 0 : PexMessage.REACHABLE)

const reachOf = (address: PeerAddress.PeerAddress): Reach.Reach => Reach.of(PeerAddress.toCompact(address))

/** Somebody who can be named, and how far the address carries. */
interface Named extends PexMessage.Contact {
  readonly reach: Reach.Reach
}

/**
 * Whether a peer of this reach may speak of an address: it is one host's, and no nearer than the peer itself. A stranger's word
 * must not make us call into our own network.
 */
const isCredible = (address: PeerAddress.PeerAddress, reach: Reach.Reach): boolean => {
  const compact = PeerAddress.toCompact(address)
  return HostBytes.isUnicast(compact, 0, compact.length - 2) && Reach.of(compact) <= reach
}

class Exchange {
  readonly #options: PexOptions
  readonly #talks = new Map<Peer, Talk>()

  constructor(options: PexOptions) {
    this.#options = options
  }

  readonly extension: Extension = {
    name: PexMessage.NAME,
    met: (peer, theirs, now) => {
      if (theirs.messages.has(PexMessage.NAME)) this.#talk(peer, now)
      return undefined
    },
    left: (peer) => void this.#talks.delete(peer),
    message: (peer, payload, now) => this.#heard(peer, payload, now),
    tick: (now) => this.#tell(now)
  }

  #talk(peer: Peer, now: number): Talk {
    const known = this.#talks.get(peer)
    if (known !== undefined) return known
    const dueAt = now + FIRST + this.#options.random() * STRETCH
    const talk: Talk = { told: new Map(), dueAt, heardAt: -Infinity, abuses: 0 }
    this.#talks.set(peer, talk)
    return talk
  }

  #heard(peer: Peer, payload: Uint8Array, now: number): string | undefined {
    const talk = this.#talk(peer, now)
    const isFirst = talk.heardAt === -Infinity
    if (now - talk.heardAt < LEAST_INTERVAL) {
      return ++talk.abuses > MOST_ABUSES ? "sends lists of peers far too often" : undefined
    }
    const message = PexMessage.decode(payload, isFirst ? PexMessage.MOST_AT_FIRST : PexMessage.MOST_LATER)
    talk.heardAt = now
    if (message === undefined) {
      return ++talk.abuses > MOST_ABUSES ? "sends lists of peers that cannot be read" : undefined
    }
    talk.abuses = Math.max(0, talk.abuses - 1)
    const reach = reachOf(peer.address)
    const added = message.added.filter(({ address }) => isCredible(address, reach))
    this.#options.onTold(peer, { added, dropped: message.dropped }, now)
    return undefined
  }

  #tell(now: number): void {
    let connected: ReadonlyMap<string, Named> | undefined
    for (const [peer, talk] of this.#talks) {
      if (talk.dueAt > now) continue
      connected ??= this.#connected()
      const news = newsFor(peer, talk, connected)
      if (news === undefined) {
        talk.dueAt = now + LOOK_AGAIN
        continue
      }
      talk.dueAt = now + INTERVAL + this.#options.random() * STRETCH
      if (!this.#options.send(peer, PexMessage.encode(news))) continue
      for (const { address } of news.added) talk.told.set(PeerAddress.format(address), address)
      for (const address of news.dropped) talk.told.delete(PeerAddress.format(address))
      peer.wire.flush()
    }
  }

  /** Where our peers listen, in an order that begins with anybody: a message may not have room for all. */
  #connected(): ReadonlyMap<string, Named> {
    const peers = Array.from(this.#options.peers())
    const first = Math.floor(this.#options.random() * peers.length)
    const contacts = new Map<string, Named>()
    for (let i = 0; i < peers.length; i++) {
      const peer = peers[(first + i) % peers.length]!
      const address = peer.listensAt
      if (address === undefined) continue
      contacts.set(PeerAddress.format(address), { address, flags: flagsOf(peer), reach: reachOf(address) })
    }
    return contacts
  }
}

const newsFor = (
  peer: Peer,
  { told }: Talk,
  connected: ReadonlyMap<string, Named>
): PexMessage.PexMessage | undefined => {
  const reach = reachOf(peer.address)
  const added: Array<PexMessage.Contact> = []
  const itself = peer.listensAt === undefined ? undefined : PeerAddress.format(peer.listensAt)
  for (const [key, contact] of connected) {
    if (added.length === MOST_TOLD) break
    if (key !== itself && !told.has(key) && contact.reach <= reach) added.push(contact)
  }
  const dropped: Array<PeerAddress.PeerAddress> = []
  for (const [key, address] of told) {
    if (dropped.length === MOST_TOLD) break
    if (!connected.has(key)) dropped.push(address)
  }
  return added.length === 0 && dropped.length === 0 ? undefined : { added, dropped }
}

/** The exchange of one torrent. */
export const make = (options: PexOptions): Extension => new Exchange(options).extension
