/** What goes on between us and one peer, with the cause if it is nothing: what it gives us first, then what we give it. */
import * as ByteCount from "../ByteCount.ts"
import type { Peer } from "./Peer.ts"

export type PeerState =
  /** Proven to have lied, and about to be closed. */
  | { readonly _tag: "Liar" }
  /** Choked by us for its misconduct, for so long yet (ms). */
  | { readonly _tag: "Barred"; readonly leftMs: number }
  /** So many bytes that we sent lie unread. */
  | { readonly _tag: "DoesNotRead"; readonly bytes: number }
  | { readonly _tag: "ChokesUs" }
  /** Let a time-out pass, and is asked for one block at a time until it answers. */
  | { readonly _tag: "Snubs"; readonly asked: number }
  /** Under suspicion: it fills pieces alone. */
  | { readonly _tag: "OnParole"; readonly asked: number }
  /** Asked for as many blocks as it may be at its rate. */
  | { readonly _tag: "AtWindow"; readonly asked: number }
  | { readonly _tag: "Asked"; readonly asked: number; readonly window: number }
  /** Held back by the download limit. */
  | { readonly _tag: "Limited" }
  /** Could give more: what it has is asked of others, or no memory is free. */
  | { readonly _tag: "NothingFree" }
  /** Takes from us; so many blocks wait. */
  | { readonly _tag: "Takes"; readonly asked: number }
  | { readonly _tag: "WeChoke" }
  /** May ask of us, and does not. */
  | { readonly _tag: "AsksNothing" }
  /** Has everything, and we too or all that we want. */
  | { readonly _tag: "Seed" }
  /** Has told us of no piece. */
  | { readonly _tag: "HasNothing" }
  /** Neither has what the other wants. */
  | { readonly _tag: "Idle" }
  /** Of a magnet link: it says that it has the metadata, or does not. */
  | { readonly _tag: "HasMetadata" }
  | { readonly _tag: "NoMetadata" }

export type Tag = PeerState["_tag"]

export const TAGS = [
  "Liar",
  "Barred",
  "DoesNotRead",
  "ChokesUs",
  "Snubs",
  "OnParole",
  "AtWindow",
  "Asked",
  "Limited",
  "NothingFree",
  "Takes",
  "WeChoke",
  "AsksNothing",
  "Seed",
  "HasNothing",
  "Idle",
  "HasMetadata",
  "NoMetadata"
] as const satisfies ReadonlyArray<Tag>

/** What the peer itself does not know. */
export interface Facts {
  /** Bytes that were sent and not taken by the system. */
  readonly unread: number
  /** The download limit holds blocks back. */
  readonly isLimited: boolean
}

/** There is a state for every peer. */
export const of = (peer: Peer, { isLimited, unread }: Facts, now: number): PeerState => {
  if (peer.isLiar) return { _tag: "Liar" }
  if (peer.barredUntil > now) return { _tag: "Barred", leftMs: peer.barredUntil - now }
  if (unread > 0 && peer.up.total > 0 && peer.up.perSecond(now) === 0) return { _tag: "DoesNotRead", bytes: unread }
  return peer.amInterested ? giving(peer, isLimited) : taking(peer, now)
}

const giving = (peer: Peer, isLimited: boolean): PeerState => {
  const { outstanding: asked, window } = peer
  if (peer.peerChoking) return { _tag: "ChokesUs" }
  if (window.snubbed) return { _tag: "Snubs", asked }
  if (asked === 0) return { _tag: isLimited ? "Limited" : "NothingFree" }
  if (peer.onParole) return { _tag: "OnParole", asked }
  return window.needsRefill(asked) ? { _tag: "Asked", asked, window: window.depth() } : { _tag: "AtWindow", asked }
}

const taking = (peer: Peer, now: number): PeerState => {
  if (peer.peerInterested) {
    if (peer.amChoking) return { _tag: "WeChoke" }
    const isTaking = peer.asked.length > 0 || peer.up.perSecond(now) > 0
    return isTaking ? { _tag: "Takes", asked: peer.asked.length } : { _tag: "AsksNothing" }
  }
  return { _tag: peer.isSeed ? "Seed" : peer.has === 0 ? "HasNothing" : "Idle" }
}

/** In a few words; the longer ones come at the end. */
export const text = (state: PeerState): string => {
  switch (state._tag) {
    case "Liar":
      return "lied, being closed"
    case "Barred":
      return `choked ${Math.ceil(state.leftMs / 1000)} s for misconduct`
    case "DoesNotRead":
      return `does not read ${ByteCount.bytes(state.bytes)}`
    case "ChokesUs":
      return "chokes us"
    case "Snubs":
      return state.asked === 0 ? "silent" : `silent, asked for ${state.asked}`
    case "OnParole":
      return `on parole, asked for ${state.asked}`
    case "AtWindow":
      return "asked in full"
    case "Asked":
      return `asked ${state.asked} of ${state.window}`
    case "Limited":
      return "download limit"
    case "NothingFree":
      return "nothing free to ask for"
    case "Takes":
      return state.asked === 0 ? "takes" : `takes, ${state.asked} waiting`
    case "WeChoke":
      return "choked by us"
    case "AsksNothing":
      return "asks for nothing"
    case "Seed":
      return "seed"
    case "HasNothing":
      return "has nothing"
    case "Idle":
      return "nothing to exchange"
    case "HasMetadata":
      return "has the metadata"
    case "NoMetadata":
      return "has no metadata"
  }
}

/**
 * Its flags, by the letters of other clients: `D` gives and `d` chokes us, `U` takes and `u` is choked by us, `I` has called
 * us, `S` snubs us, `P` is on parole.
 */
export const flags = (peer: Peer): string =>
  (peer.amInterested ? peer.peerChoking ? "d" : "D" : "") +
  (peer.peerInterested ? peer.amChoking ? "u" : "U" : "") +
  (peer.inbound ? "I" : "") + (peer.window.snubbed ? "S" : "") + (peer.onParole ? "P" : "")
