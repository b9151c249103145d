/**
 * The extensions of one torrent (BEP 10), combined: what we say of them, and whose a message is. Our number for an extension
 * is its place in the list, from 1; a peer's numbers are its own.
 */
import * as ExtensionHandshake from "../wire/ExtensionHandshake.ts"
import type { Extension } from "./Extension.ts"
import type { Peer } from "./Peer.ts"
import type { Verdict } from "./Verdict.ts"

/** What we say of ourselves besides the extensions. */
export type Introduction = Omit<ExtensionHandshake.ExtensionHandshake, "messages">

export interface ExtensionsOptions {
  /** Asked for each handshake, since it may have changed. */
  readonly own: (peer: Peer) => Introduction
  /** The peer has shaken hands, perhaps again: `theirs` is all that it has said so far. */
  readonly onMet?: ((peer: Peer, theirs: ExtensionHandshake.ExtensionHandshake) => void) | undefined
}

export class Extensions {
  readonly #list: ReadonlyArray<Extension>
  readonly #own: (peer: Peer) => Introduction
  readonly #onMet: NonNullable<ExtensionsOptions["onMet"]>
  readonly #messages: ReadonlyMap<string, number>

  constructor(list: ReadonlyArray<Extension>, { onMet, own }: ExtensionsOptions) {
    this.#list = list
    this.#onMet = onMet ?? (() => {})
    this.#own = own
    this.#messages = new Map(list.map(({ isWithdrawn, name }, i) => [name, isWithdrawn === true ? 0 : i + 1]))
  }

  /** Puts our handshake into the outbox, once, if the peer understands it. */
  greet(peer: Peer): void {
    if (!peer.isGreeted) this.greetAgain(peer)
  }

  /** What we say of ourselves has changed. */
  greetAgain(peer: Peer): void {
    if (!peer.extended) return
    peer.isGreeted = true
    peer.outbox.extended(0, ExtensionHandshake.encode({ messages: this.#messages, ...this.#own(peer) }))
  }

  /** @param bytes the payload of an `extended` message: a number of ours, and the extension's message */
  received(peer: Peer, bytes: Uint8Array, now: number): Verdict {
    const id = bytes[0]!
    if (id === 0) return this.#handshake(peer, bytes.subarray(1), now)
    // What we have not offered, an older or a careless client may still send.
    return this.#list[id - 1]?.message(peer, bytes.subarray(1), now)
  }

  /** Puts a message into the outbox; `false` when the peer does not speak the extension. */
  send(peer: Peer, name: string, payload: Uint8Array): boolean {
    const id = peer.theirs?.messages.get(name)
    if (id === undefined) return false
    peer.outbox.extended(id, payload)
    return true
  }

  left(peer: Peer, now: number): void {
    for (const extension of this.#list) extension.left?.(peer, now)
  }

  tick(now: number): void {
    for (const extension of this.#list) extension.tick?.(now)
  }

  #handshake(peer: Peer, bytes: Uint8Array, now: number): Verdict {
    const said = ExtensionHandshake.decode(bytes)
    if (said === undefined) return "sent an extension handshake that cannot be read"
    const theirs = ExtensionHandshake.merge(peer.theirs, said)
    peer.theirs = theirs
    if (said.requestQueue !== undefined) peer.window.setReqq(said.requestQueue)
    if (said.uploadOnly !== undefined) peer.isUploadOnly = said.uploadOnly
    this.#onMet(peer, theirs)
    for (const extension of this.#list) {
      const verdict = extension.met?.(peer, theirs, now)
      if (verdict !== undefined) return verdict
    }
    return undefined
  }
}

/** Of a torrent without any: peers hear nothing, and what they say is kept. */
export const none = (): Extensions => new Extensions([], { own: () => ({}) })
