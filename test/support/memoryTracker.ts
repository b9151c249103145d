/** A tracker without a network: it knows who announced, and names peers by chance. */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as PeerAddress from "../../src/domain/PeerAddress.ts"
import type { AnnounceRequest } from "../../src/domain/tracker/Announce.ts"
import { Tracker } from "../../src/services/Tracker.ts"
import { Refused, TrackerError } from "../../src/services/tracker/TrackerError.ts"

export const URL = "http://tracker.test/announce"

export interface MemoryTracker {
  /** The tracker as the node with this address sees it. */
  readonly layerFor: (host: string) => Layer.Layer<Tracker>
  /** Announces so far, by host: the event, or `""` for a regular one. */
  readonly heard: Map<string, Array<string>>
  /** Every announce, in order. */
  readonly announces: Array<AnnounceRequest & { readonly host: string; readonly url: string }>
  /** Whom it refuses. */
  refuses: (url: string, request: AnnounceRequest) => boolean
  /** Peers in an answer, however many are asked for. */
  most: number
  /** Said with every answer. */
  warning: string | undefined
  /** How many peers it says that there are; nothing by default. */
  counts: (infoHash: string) => { readonly seeders: number; readonly leechers: number } | undefined
}

export const make = (random: () => number): MemoryTracker => {
  const swarms = new Map<string, Map<string, PeerAddress.PeerAddress>>()
  const heard = new Map<string, Array<string>>()
  const announces: MemoryTracker["announces"] = []
  const self: MemoryTracker = {
    heard,
    announces,
    refuses: () => false,
    most: Infinity,
    warning: undefined,
    counts: () => undefined,
    layerFor: (host) =>
      Tracker.layerMock((url, request) =>
        Effect.suspend(() => {
          const { event, infoHash, numWant, peerId, port } = request
          const peers = swarms.get(infoHash) ?? new Map<string, PeerAddress.PeerAddress>()
          swarms.set(infoHash, peers)
          announces.push({ ...request, host, url })
          if (self.refuses(url, request)) {
            const reason = new Refused({ detail: "not tracked" })
            return Effect.fail(new TrackerError({ tracker: url, reason }))
          }
          heard.set(host, [...heard.get(host) ?? [], event ?? ""])
          if (event === "stopped") peers.delete(peerId)
          else peers.set(peerId, PeerAddress.make(host, port)!)
          const others = Array.from(peers).filter(([id]) => id !== peerId).map(([, address]) => address)
          const drawn = others.map((address) => ({ address, key: random() })).sort((a, b) => a.key - b.key)
          return Effect.succeed({
            peers: drawn.slice(0, Math.min(self.most, numWant)).map(({ address }) => address),
            intervalMs: 1_800_000,
            minIntervalMs: undefined,
            seeders: self.counts(infoHash)?.seeders,
            leechers: self.counts(infoHash)?.leechers,
            trackerId: undefined,
            warning: self.warning,
            externalIp: undefined
          })
        })
      )
  }
  return self
}
