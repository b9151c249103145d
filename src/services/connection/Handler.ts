/** What is done with one kind of message. */
import type { Peer } from "../../domain/swarm/Peer.ts"
import type { Verdict } from "../../domain/swarm/Swarm.ts"
import type { Port } from "./Port.ts"

export interface Handler {
  /** Whether a frame may have so many bytes, its id included. */
  readonly fits: (length: number) => boolean
  /** `bytes[at]` is the first byte of the payload of `length` bytes. */
  readonly run: (
    port: Port,
    peer: Peer,
    bytes: Uint8Array,
    at: number,
    length: number,
    now: number
  ) => Verdict
}

/** The messages of one BEP, by their ids. */
export type Handlers = { readonly [id: number]: Handler }

export const exactly = (size: number) => (length: number): boolean => length === size

/** A message without a payload. */
export const flag = (run: (port: Port, peer: Peer, now: number) => Verdict | void): Handler => ({
  fits: exactly(1),
  run: (port, peer, _bytes, _at, _length, now) => run(port, peer, now) ?? undefined
})
