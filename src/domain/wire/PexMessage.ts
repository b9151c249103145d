/** Peer exchange (BEP 11): whom the sender has met since its last message, and who has left it. */
import * as Result from "effect/Result"
import * as Bencode from "../Bencode.ts"
import * as Bytes from "../Bytes.ts"
import * as PeerAddress from "../PeerAddress.ts"

/** The name of the message in the handshake of BEP 10. */
export const NAME = "ut_pex"

/** What a sender says of a peer, as bits. */
export const PREFERS_ENCRYPTION = 0x01
/** It gives and takes nothing more: a seed, or a partial one (BEP 21). */
export const UPLOAD_ONLY = 0x02
/** The sender has dialled it: it can be reached. */
export const REACHABLE = 0x10

export interface Contact {
  readonly address: PeerAddress.PeerAddress
  /** See {@link UPLOAD_ONLY} and its neighbours; 0 when the sender says nothing. */
  readonly flags: number
}

export interface PexMessage {
  readonly added: ReadonlyArray<Contact>
  readonly dropped: ReadonlyArray<PeerAddress.PeerAddress>
}

/** Contacts, and likewise those dropped, that a message may have: the first one, and any later one (BEP 11). */
export const MOST_AT_FIRST = 200
export const MOST_LATER = 50

const LIMITS: Bencode.Limits = { maxBytes: 16_384, maxDepth: 4, maxTokens: 256 }

const listOf = (addresses: ReadonlyArray<PeerAddress.PeerAddress>): Uint8Array | undefined =>
  addresses.length === 0 ? undefined : Bytes.concat(addresses.map(PeerAddress.toCompact))

const flagsOf = (contacts: ReadonlyArray<Contact>): Uint8Array | undefined =>
  contacts.length === 0 ? undefined : Uint8Array.from(contacts, ({ flags }) => flags)

/** Lists that are empty are left out; one at least must not be. */
export const encode = ({ added, dropped }: PexMessage): Uint8Array => {
  const added4 = added.filter(({ address }) => address.family === 4)
  const added6 = added.filter(({ address }) => address.family === 6)
  return Bencode.encode({
    added: listOf(added4.map(({ address }) => address)),
    "added.f": flagsOf(added4),
    dropped: listOf(dropped.filter(({ family }) => family === 4)),
    added6: listOf(added6.map(({ address }) => address)),
    "added6.f": flagsOf(added6),
    dropped6: listOf(dropped.filter(({ family }) => family === 6))
  })
}

const SIZE = { 4: 6, 6: 18 } as const

/** The first entries of a list, each address once. */
const read = (
  list: Uint8Array | undefined,
  flags: Uint8Array | undefined,
  family: 4 | 6,
  into: Map<string, Contact>,
  most: number
): void => {
  const size = SIZE[family]
  const end = Math.min(most, Math.floor((list?.length ?? 0) / size))
  for (let i = 0; i < end; i++) {
    // None for port 0.
    const [address] = PeerAddress.fromCompact(list!.subarray(i * size, (i + 1) * size), family)
    if (address === undefined) continue
    const key = PeerAddress.format(address)
    if (!into.has(key)) into.set(key, { address, flags: flags?.[i] ?? 0 })
  }
}

/**
 * Reads a message of a stranger; `undefined` when it is none. Entries with port 0, repeated ones, and those past `most` in
 * each of the four lists are left out.
 */
export const decode = (bytes: Uint8Array, most = MOST_AT_FIRST): PexMessage | undefined => {
  const message = Bencode.read(bytes, LIMITS)
  if (Result.isFailure(message) || message.success.kind !== "Dictionary") return undefined
  const fields = Bencode.pick(message.success, ["added", "added.f", "dropped", "added6", "added6.f", "dropped6"])
  const added = new Map<string, Contact>()
  const dropped = new Map<string, Contact>()
  read(Bencode.bytes(fields.added), Bencode.bytes(fields["added.f"]), 4, added, most)
  read(Bencode.bytes(fields.added6), Bencode.bytes(fields["added6.f"]), 6, added, most)
  read(Bencode.bytes(fields.dropped), undefined, 4, dropped, most)
  read(Bencode.bytes(fields.dropped6), undefined, 6, dropped, most)
  return { added: Array.from(added.values()), dropped: Array.from(dropped.values(), ({ address }) => address) }
}
