/** Calls the peers of a torrent: as many as there is room for, each as a fiber of the torrent's scope. */
import * as Effect from "effect/Effect"
import * as PeerAddress from "../../domain/PeerAddress.ts"
import type { Facts } from "../../domain/swarm/Diagnosis.ts"
import { DialLog } from "../../domain/swarm/DialLog.ts"
import type { DialQueue } from "../../domain/swarm/DialQueue.ts"
import type { Peer } from "../../domain/swarm/Peer.ts"
import type { Handshake } from "../../domain/wire/Handshake.ts"
import * as Policy from "../../domain/wire/mse/Policy.ts"
import type { Admission, Move, PeerConnection } from "../PeerConnection.ts"
import type { Session } from "../Session.ts"
import { BLOCKED } from "../session/AddressFilter.ts"
import * as SystemCode from "../SystemCode.ts"
import type { Link } from "../Transport.ts"
import type { Listeners } from "./Listeners.ts"
import type { Roster } from "./Roster.ts"
import type { Subject } from "./Subject.ts"

/** Dials under way at once; the session has its own limit over all torrents. */
const DIALLING = 32

/** What a hang-up before the handshake may be due to, where nothing else than this is tried. */
const STRICT: Partial<Record<Policy.Policy, string>> = {
  require: ", perhaps since encryption is required here",
  off: ", perhaps since encryption is off here"
}

/** Something was given or taken. */
export const isUseful = (peer: Peer): boolean => peer.received > 0 || peer.up.total > 0

export interface DiallerOptions {
  readonly session: Session["Service"]
  readonly connection: PeerConnection["Service"]
  readonly subject: Subject
  readonly roster: Roster
  readonly queue: DialQueue
  readonly listeners: Listeners
  /** Starts a fiber of the torrent's scope. */
  readonly run: (effect: Effect.Effect<unknown>) => void
  /** Decides about a peer that has answered; a text is the reason to refuse. */
  readonly letIn: (handshake: Handshake, link: Link) => Admission | string
  /** Somebody who answers is connected already, because it has called us: where it listens. */
  readonly onTwin: (caller: Peer, address: PeerAddress.PeerAddress) => void
  /** Monotonic ms. */
  readonly now: () => number
}

/** One call of an address, which may take two connections. */
interface Call {
  readonly address: PeerAddress.PeerAddress
  readonly era: number
  opened: Peer | undefined
  /** It answered, and we would not have it. */
  isUnwanted: boolean
  refusal: string
}

/** Owned by a PeerPool. */
export class Dialler {
  readonly #options: DiallerOptions
  readonly #log = new DialLog()
  /** Whom the filter keeps away, though they are to be called. */
  readonly #blocked = new DialLog()
  /** Whom to call again without a wait, by address. */
  readonly #recalled = new Set<string>()
  #dialling = 0
  /** Grows when everybody is forgotten: a dial from before comes to nothing. */
  #era = 0

  constructor(options: DiallerOptions) {
    this.#options = options
  }

  /** What came of the calls. */
  get facts(): Pick<Facts, "known" | "blocked" | "dialling" | "failed" | "refusal"> {
    const blocked = this.#blocked.failed
    return {
      known: Math.max(0, this.#options.queue.size - blocked),
      blocked,
      dialling: this.#dialling,
      failed: this.#log.failed,
      refusal: this.#log.commonest()
    }
  }

  /** Forgets every address that the user has not named. */
  forget(): void {
    this.#era++
    this.#options.queue.forget()
    this.#log.clear()
    this.#blocked.clear()
  }

  /** Ends the connection with a peer that we have called, and calls it anew. */
  again(peer: Peer, reason: string): void {
    this.#recalled.add(PeerAddress.format(peer.address))
    peer.wire.close(reason)
  }

  /** Dials as many as there is room for. */
  dialMore(): void {
    const { queue, roster, run, session, subject } = this.#options
    if (subject.shutReason !== undefined) return
    const now = this.#options.now()
    while (this.#dialling < DIALLING && roster.size + this.#dialling < subject.options.maxPeers) {
      const address = queue.next(now)
      if (address === undefined) return
      const end = session.bans.endOf(undefined, address, now)
      if (end > now) {
        this.#log.remove(PeerAddress.format(address))
        if (end === Infinity) queue.exclude(address)
        else queue.failed(address, now)
        continue
      }
      if (session.addressFilter.refuses(address)) {
        // Not for good: the filter may change.
        queue.failed(address, now)
        this.#blocked.add(PeerAddress.format(address), BLOCKED)
        run(Effect.logDebug(`${PeerAddress.format(address)}: ${BLOCKED}`))
        continue
      }
      this.#blocked.remove(PeerAddress.format(address))
      this.#dialling++
      run(this.#dial(address))
    }
  }

  #dial(address: PeerAddress.PeerAddress): Effect.Effect<void> {
    const { queue, session } = this.#options
    const call: Call = { address, era: this.#era, opened: undefined, isUnwanted: false, refusal: "was let go" }
    return this.#connect(call, Policy.manners(session.encryption, queue.mannerOf(address))).pipe(
      Effect.tapDefect((defect) =>
        Effect.logError(`defect in the connection to ${PeerAddress.format(address)}`, defect)
      ),
      Effect.ensuring(Effect.sync(() => this.#ended(call)))
    )
  }

  /** Calls in the first manner, and after a refusal in the next. */
  #connect(call: Call, [manner, next]: ReadonlyArray<Policy.Manner>): Effect.Effect<void> {
    const { connection, queue, session, subject } = this.#options
    const { address } = call
    const infoHash = subject.metainfo.swarms[queue.swarmOf(address)]!
    let refused = false
    const hello = {
      ourId: session.peerId,
      infoHash,
      v2: subject.v2,
      admit: this.#admit(call, manner!),
      onRefused: () => {
        refused = true
      }
    }
    return Effect.scoped(
      Effect.flatMap(
        session.dial(address, manner === "encrypted" ? infoHash : undefined),
        (link) => connection.run(link, hello)
      )
    ).pipe(
      Effect.catch((error) => Effect.succeed(SystemCode.describe(error))),
      Effect.tap((reason) => {
        call.refusal = refused && next === undefined ? `${reason}${STRICT[session.encryption] ?? ""}` : reason
        return Effect.logDebug(`${PeerAddress.format(address)}, called ${manner}: ${reason}`)
      }),
      Effect.andThen(Effect.suspend(() => {
        const again = refused && next !== undefined && call.era === this.#era && subject.shutReason === undefined
        return again ? this.#connect(call, [next]) : Effect.void
      }))
    )
  }

  #admit(call: Call, manner: Policy.Manner) {
    const { letIn, onTwin, queue, roster, session } = this.#options
    const { address } = call
    return (handshake: Handshake, link: Link): Admission | string => {
      queue.answered(address, manner)
      call.isUnwanted = true
      if (handshake.peerId === session.peerId) {
        queue.exclude(address)
        return "is ourselves"
      }
      if (call.era !== this.#era) return "was forgotten meanwhile"
      const admission = letIn(handshake, link)
      if (typeof admission === "string") {
        const twin = roster.withId(handshake.peerId)
        if (twin?.inbound === true) onTwin(twin, address)
        return admission
      }
      return {
        ...admission,
        onOpen: (peer: Peer, link: Link, move: Move) => {
          call.opened = peer
          this.#dialling--
          this.#log.remove(PeerAddress.format(address))
          queue.connected(address, this.#options.now())
          admission.onOpen(peer, link, (next) => call.opened = move(next))
        }
      }
    }
  }

  #ended({ address, era, isUnwanted, opened, refusal }: Call): void {
    const { listeners, queue, roster } = this.#options
    const now = this.#options.now()
    const alone = roster.size === 0
    if (this.#recalled.delete(PeerAddress.format(address))) {
      queue.again(address, now)
      return this.dialMore()
    }
    if (opened !== undefined) return queue.disconnected(address, now, isUseful(opened), alone)
    this.#dialling--
    if (!isUnwanted && era === this.#era) this.#log.add(PeerAddress.format(address), refusal)
    // A caller that turned out to listen here holds the address.
    if (!listeners.holds(address)) queue.failed(address, now, alone)
  }
}
