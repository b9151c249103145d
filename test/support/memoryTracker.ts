/** A tracker without a network: it knows who announced, and names peers by chance. */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as PeerAddress from "../../src/domain/PeerAddress.ts"
import { Tracker } from "../../src/services/Tracker.ts"

export const URL = "http://tracker.test/announce"

export interface MemoryTracker {
  /** The tracker as the node with this address sees it. */
  readonly layerFor: (host: string) => Layer.Layer<Tracker>
  /** Announces so far, by host: the event, or `""` for a regular one. */
  readonly heard: Map<string, Array<string>>
  /** Said with every answer. */
  warning: string | undefined
}

export const make = (random: () => number): MemoryTracker => {
  const peers = new Map<string, PeerAddress.PeerAddress>()
  const heard = new Map<string, Array<string>>()
  const self: MemoryTracker = {
    heard,
    warning: undefined,
    layerFor: (host) =>
      Tracker.layerMock((_url, { event, numWant, peerId, port }) =>
        Effect.sync(() => {
          heard.set(host, [...heard.get(host) ?? [], event ?? ""])
          if (event === "stopped") peers.delete(peerId)
          else peers.set(peerId, PeerAddress.make(host, port)!)
          const others = Array.from(peers).filter(([id]) => id !== peerId).map(([, address]) => address)
          const drawn = others.map((address) => ({ address, key: random() })).sort((a, b) => a.key - b.key)
          return {
            peers: drawn.slice(0, numWant).map(({ address }) => address),
            intervalMs: 1_800_000,
            minIntervalMs: undefined,
            seeders: undefined,
            leechers: undefined,
            trackerId: undefined,
            warning: self.warning,
            externalIp: undefined
          }
        })
      )
  }
  return self
}
