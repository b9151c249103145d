/**
 * Message stream encryption for the connections of a session: which of them are wrapped, whose torrents callers may ask for, and
 * how much arithmetic strangers may cause.
 */
import * as Clock from "effect/Clock"
import * as WebCrypto from "effect/crypto/WebCrypto"
import * as Effect from "effect/Effect"
import type * as InfoHash from "../../domain/InfoHash.ts"
import { TokenBucket } from "../../domain/swarm/TokenBucket.ts"
import type { Fill } from "../../domain/wire/mse/Handshake.ts"
import { Initiator } from "../../domain/wire/mse/Initiator.ts"
import * as Policy from "../../domain/wire/mse/Policy.ts"
import { Responder } from "../../domain/wire/mse/Responder.ts"
import * as StreamKey from "../../domain/wire/mse/StreamKey.ts"
import * as Monotonic from "../Monotonic.ts"
import type { Link } from "../Transport.ts"
import { ObfuscatedLink } from "./ObfuscatedLink.ts"
import { Scratch } from "./Scratch.ts"

/**
 * Key exchanges a second that callers may cause, and how many at once. One takes 0.5 ms, during which nobody is served, and
 * anybody can ask for one with 96 bytes: so many are 3 % of a core. Who comes in vain calls again; plain callers do not notice.
 */
const EXCHANGES = 50
const EXCHANGES_AT_ONCE = 100

export interface Obfuscation {
  readonly policy: Policy.Policy
  /** Lets callers ask for these torrents, or no longer. */
  readonly add: (hashes: ReadonlyArray<InfoHash.InfoHash>) => void
  readonly remove: (hashes: ReadonlyArray<InfoHash.InfoHash>) => void
  /** Encrypts a connection that we have opened, to ask for this torrent. */
  readonly dialled: (link: Link, infoHash: InfoHash.InfoHash) => Link
  /** Finds out how a caller speaks, and answers likewise, as far as the policy allows. */
  readonly accepted: (link: Link) => Link
}

export const make = Effect.fnUntraced(function*(policy: Policy.Policy): Effect.fn.Return<Obfuscation> {
  const clock = yield* Clock.Clock
  const crypto = yield* WebCrypto.WebCrypto
  const fill: Fill = (bytes) => void crypto.getRandomValues(bytes)
  const names = new Map<string, InfoHash.InfoHash>()
  const scratch = new Scratch()
  const exchanges = new TokenBucket(EXCHANGES, Monotonic.millis(clock), EXCHANGES_AT_ONCE)
  const permit = () =>
    exchanges.take(1, Monotonic.millis(clock)) === 0 ? "comes when too many want to encrypt" : undefined
  const plainRefusal = policy === "require" ? "does not encrypt" : undefined
  return {
    policy,
    add: (hashes) => {
      for (const hash of hashes) names.set(StreamKey.nameOf(hash), hash)
    },
    remove: (hashes) => {
      for (const hash of hashes) names.delete(StreamKey.nameOf(hash))
    },
    dialled: (link, infoHash) =>
      new ObfuscatedLink(link, {
        scratch,
        called: false,
        negotiate: (send, initial) => new Initiator({ infoHash, offered: Policy.offered(policy), fill, send, initial })
      }),
    accepted: (link) =>
      policy === "off" ? link : new ObfuscatedLink(link, {
        scratch,
        called: true,
        plainRefusal,
        negotiate: (send) =>
          new Responder({
            find: (name) => names.get(name),
            select: (provided) => Policy.selected(policy, provided),
            permit,
            fill,
            send
          })
      })
  }
})
