/** Announces for tests of the swarm store, and a readable form of its answers. */
import * as Effect from "effect/Effect"
import * as Bytes from "../../../src/domain/Bytes.ts"
import * as InfoHash from "../../../src/domain/InfoHash.ts"
import * as PeerAddress from "../../../src/domain/PeerAddress.ts"
import * as PeerId from "../../../src/domain/PeerId.ts"
import type { Announcing, Answer, Sample } from "../../../src/domain/tracker/Announcing.ts"
import { SwarmStore } from "../../../src/services/SwarmStore.ts"

export const hash = (n: number): InfoHash.InfoHash => InfoHash.parse(n.toString(16).padStart(40, "0"))!

export const id = (n: number): PeerId.PeerId => `-FR0100-${String(n).padStart(12, "0")}` as PeerId.PeerId

export const compact = (text: string): Uint8Array => PeerAddress.toCompact(PeerAddress.parse(text)!)

/** Peer `n` at an address of its own, 203.0.113.0 to 203.0.113.255 and on. */
export const peer = (
  torrent: number,
  n: number,
  { peerId = id(n), ...fields }: Partial<Omit<Announcing, "peerId">> & { readonly peerId?: PeerId.PeerId } = {}
): Announcing => ({
  infoHash: InfoHash.toBytes(hash(torrent)),
  peerId: PeerId.toBytes(peerId),
  compact: Uint8Array.of(203, 0, 113 + (n >>> 8), n, 0x1a, 0xe1),
  key: 0,
  role: "leech",
  event: undefined,
  numWant: 50,
  wants: "both",
  withIds: false,
  ...fields
})

/** The addresses of an answer, sorted. */
export const hosts = (answer: Answer): Array<string> =>
  answer === "TooManyTorrents"
    ? [answer]
    : [...PeerAddress.fromCompact(answer.peers4, 4), ...PeerAddress.fromCompact(answer.peers6, 6)]
      .map(PeerAddress.format)
      .sort()

/** The address of each peer of an answer that holds ids, with its id. */
export const named = (answer: Sample): Array<string> =>
  ([4, 6] as const).flatMap((family) => {
    const ids = (family === 4 ? answer.ids4 : answer.ids6) ?? Bytes.empty
    return PeerAddress.fromCompact(family === 4 ? answer.peers4 : answer.peers6, family).map((address, index) =>
      `${PeerAddress.format(address)} ${PeerId.fromBytes(ids.subarray(20 * index, 20 * index + 20))}`
    )
  })

export class NoRoom extends Error {}

export const announce = (announcing: Announcing, now: number) =>
  SwarmStore.use((store) => Effect.map(store.announce([announcing], now), ([answer]) => answer!))

/** Announces one after another, each in a batch of its own, and gives the last answer, which must be a sample. */
export const announceAll = (announcings: ReadonlyArray<Announcing>, now: number) =>
  SwarmStore.use((store) => store.announce(announcings, now)).pipe(
    Effect.map((answers) => answers.at(-1)!),
    Effect.filterOrElse((answer) => answer !== "TooManyTorrents", () => Effect.die(new NoRoom()))
  )

export const scrape = (torrent: number, now: number) =>
  SwarmStore.use((store) => Effect.map(store.scrape([hash(torrent)], now), ([counts]) => counts!))

export const summary = (now: number) => SwarmStore.use((store) => store.summary(now))
