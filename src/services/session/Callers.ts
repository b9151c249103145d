/** Those who call us, until they have said which torrent they want. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import type { InfoHash } from "../../domain/InfoHash.ts"
import type { PeerId } from "../../domain/PeerId.ts"
import type { Bans } from "../../domain/swarm/Bans.ts"
import * as Monotonic from "../Monotonic.ts"
import { PeerConnection } from "../PeerConnection.ts"
import type { Member } from "../Session.ts"
import type { Link, Listener } from "../Transport.ts"
import { type AddressFilter, BLOCKED } from "./AddressFilter.ts"

/** Callers that may be silent at once; further ones are hung up on until somebody has spoken or was given up. */
const STRANGERS = 256

export interface CallersOptions {
  readonly peerId: PeerId
  readonly addressFilter: AddressFilter
  readonly bans: Bans
  /** What a connection is wrapped in. */
  readonly accepted: (link: Link) => Link
  readonly memberOf: (infoHash: InfoHash) => Member | undefined
}

export interface Callers {
  /** Takes calls in the background until the scope closes. */
  readonly receive: (listener: Listener) => Effect.Effect<void, never, Scope.Scope>
  /** The filter has changed: whom it blocks is hung up on. */
  readonly filtered: () => void
}

export const make = Effect.fnUntraced(function*(
  { accepted, addressFilter, bans, memberOf, peerId }: CallersOptions
): Effect.fn.Return<Callers, never, PeerConnection | Scope.Scope> {
  const connection = yield* PeerConnection
  const clock = yield* Clock.Clock
  const fibers = yield* FiberSet.make<void>()
  /** Callers that have not said yet what they want. */
  const strangers = new Set<Link>()

  const run = (link: Link) =>
    connection.run(link, {
      ourId: peerId,
      admit: (handshake, link) => {
        strangers.delete(link)
        if (handshake.peerId === peerId) return "is ourselves"
        if (bans.isBanned(handshake.peerId, link.remote, Monotonic.millis(clock))) return "is banned"
        return memberOf(handshake.infoHash)?.admit(handshake, link) ?? "asks for a torrent that is not here"
      }
    }).pipe(
      Effect.tapDefect((defect) => Effect.logError(`defect in the connection from ${link.remote.host}`, defect)),
      Effect.flatMap((reason) => Effect.logDebug(`caller ${link.remote.host}: ${reason}`)),
      Effect.ensuring(Effect.sync(() => strangers.delete(link)))
    )

  const meet = (raw: Link) => {
    if (addressFilter.refuses(raw.remote)) {
      return Effect.andThen(Effect.sync(raw.close), Effect.logDebug(`caller ${raw.remote.host}: ${BLOCKED}`))
    }
    if (strangers.size >= STRANGERS) return Effect.sync(raw.close)
    const link = accepted(raw)
    strangers.add(link)
    return FiberSet.run(fibers, run(link))
  }

  return {
    receive: ({ accept }) =>
      accept.pipe(Effect.flatMap(meet), Effect.forever({ disableYield: true }), Effect.forkScoped, Effect.asVoid),
    filtered: () => {
      for (const link of strangers) if (addressFilter.isBlocked(link.remote)) link.close()
    }
  }
})
