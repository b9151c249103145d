/** One connected peer as its torrent sees it: the four flags of BEP 3, what it has, and what is under way each way. */
import type * as Bitfield from "../Bitfield.ts"
import type * as PeerAddress from "../PeerAddress.ts"
import type * as PeerId from "../PeerId.ts"
import type { ExtensionHandshake } from "../wire/ExtensionHandshake.ts"
import type { HashRange } from "../wire/HashMessage.ts"
import type * as Message from "../wire/Message.ts"
import { AskedBlocks } from "./AskedBlocks.ts"
import type { OpenPiece } from "./OpenPiece.ts"
import { Rate } from "./Rate.ts"
import { RequestWindow } from "./RequestWindow.ts"
import { Tenure } from "./Tenure.ts"

/** The connection under a peer. `flush` writes what waits in the outbox; `close` ends the connection, once. */
export interface Wire {
  readonly flush: () => void
  readonly close: (reason: string) => void
}

/** See {@link Peer.refused}. */
export interface Refused {
  times: number
  until: number
}

const NONE: ReadonlyArray<number> = []

export interface PeerOptions {
  /** Unique among the connections of a session. */
  readonly key: number
  /** The same for every connection of one peer id: by it a liar is known again. */
  readonly identity: number
  readonly id: PeerId.PeerId
  readonly address: PeerAddress.PeerAddress
  readonly inbound: boolean
  /** The connection speaks version 2 (BEP 52): both ends shook hands on its hash. */
  readonly v2: boolean
  /** Both ends speak the fast extension (BEP 6). */
  readonly fast?: boolean | undefined
  /** Both ends speak extension messages (BEP 10). */
  readonly extended?: boolean | undefined
  /** Its handshake at least was encrypted. */
  readonly encrypted?: boolean | undefined
  /** For a web seed (BEP 19), which is no peer to anybody but the Board: how it is shown. Its id means nothing. */
  readonly webSeed?: string | undefined
  readonly bits: Bitfield.Bitfield
  readonly outbox: Message.Outbox
  readonly wire: Wire
  /** Monotonic milliseconds. */
  readonly now: number
}

export class Peer {
  readonly key: number
  readonly identity: number
  readonly id: PeerId.PeerId
  readonly address: PeerAddress.PeerAddress
  readonly inbound: boolean
  readonly v2: boolean
  readonly fast: boolean
  readonly extended: boolean
  readonly encrypted: boolean
  readonly webSeed: string | undefined
  readonly outbox: Message.Outbox
  readonly wire: Wire
  readonly connectedAt: number
  /** How it uses its place. */
  readonly tenure: Tenure

  amChoking = true
  amInterested = false
  peerChoking = true
  peerInterested = false

  /** What the peer has; the swarm keeps it and the two counts in step. */
  readonly bits: Bitfield.Bitfield
  has = 0
  isSeed = false
  /** It is one of the seeds of the availability, in place of a count for each piece. */
  countsAsSeed = false
  /** It had a piece that it has no more, or does not give. */
  hasLost = false
  /** Pieces of this peer that we want and lack. */
  wants = 0

  /** We have said which pieces we have: with the fast extension that is first, and once. */
  isIntroduced = false
  /** Our extension handshake is in the outbox or was sent. */
  isGreeted = false
  /** What the peer has said in its extension handshakes, the later over the earlier. */
  theirs: ExtensionHandshake | undefined = undefined
  /** Wants nothing more, whether it has all or not (BEP 21). */
  isUploadOnly = false

  /** Blocks we have asked for and not received. */
  outstanding = 0
  /** Requests taken back, whose blocks may still arrive. */
  forgiven = 0
  /** Blocks that arrived without a request. */
  unasked = 0
  /** The piece that this peer fills on its own when it can. */
  current: OpenPiece | undefined = undefined
  /** The piece that was its own last, which may be gone. */
  latest: number | undefined = undefined
  readonly window = new RequestWindow()
  /** What the peer gives (bytes/s), as of its last batch or the last tick. */
  downRate = 0
  /** Pieces that the peer gives us though it chokes us (BEP 6). */
  allowed: Set<number> | undefined = undefined
  /** Pieces that the peer would have us fetch, the newest first (BEP 6). */
  suggested: ReadonlyArray<number> = NONE
  /** Pieces of which the peer has refused blocks, with how often and until when that counts as once. */
  refused: Map<number, Refused> | undefined = undefined
  /** Nothing is asked of the peer before this (ms), since it has refused something. */
  restsUntil = 0
  /** Sent a block of a piece that failed its hash; gets whole pieces to itself until it is cleared or found out. */
  onParole = false
  /** Proven to have sent what is wrong, and about to be closed: nothing more is asked of it. */
  isLiar = false
  /** The connection is no more. */
  isGone = false

  /** Blocks the peer asks of us. */
  readonly asked = new AskedBlocks()
  /** Hashes the peer asks of us, first come first served. */
  readonly askedHashes: Array<HashRange> = []
  /** Hashes that were asked of it before the torrent took the connection over, and may still come. */
  owedHashes = 0
  /** Pieces that we give the peer though it is choked (BEP 6), once it was told; and bytes that it may still have so. */
  given: ReadonlySet<number> | undefined = undefined
  givenBytes = 0
  /** Pieces that we have suggested to it, the last first. */
  hinted: ReadonlyArray<number> = NONE
  /** Requests refused since it was choked. */
  askedInVain = 0
  readonly up = new Rate()
  unchokedAt = 0
  uploadedSinceUnchoke = 0
  /** Since when the peer has been interested and choked. */
  waitingSince = 0
  /** Choked until then for its misconduct, whatever the choker says. */
  barredUntil = 0

  /** Payload since the last batch ended, not yet in the rates. */
  batchBlocks = 0
  batchBytes = 0
  /** Payload that was of use. */
  received = 0

  constructor(options: PeerOptions) {
    this.key = options.key
    this.identity = options.identity
    this.id = options.id
    this.address = options.address
    this.inbound = options.inbound
    this.v2 = options.v2
    this.fast = options.fast === true
    this.extended = options.extended === true
    this.encrypted = options.encrypted === true
    this.webSeed = options.webSeed
    this.bits = options.bits
    this.outbox = options.outbox
    this.wire = options.wire
    this.connectedAt = options.now
    this.tenure = new Tenure(options.now)
  }

  /**
   * Where other peers can call it: where we did, or a caller at the port that it names (BEP 10). Nowhere a web server, which is
   * no peer, and who is known by name alone.
   */
  get listensAt(): PeerAddress.PeerAddress | undefined {
    if (this.webSeed !== undefined || this.address.name !== undefined) return undefined
    if (!this.inbound) return this.address
    const port = this.theirs?.port
    return port === undefined ? undefined : { ...this.address, port }
  }
}
