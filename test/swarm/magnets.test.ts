import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { Metainfo } from "../../src/domain/Metainfo.ts"
import * as MetadataMessage from "../../src/domain/wire/MetadataMessage.ts"
import * as MetadataLiar from "../support/metadataLiar.ts"
import type { Torrent } from "../support/payload.ts"
import { publish } from "../support/published.ts"
import * as Swarm from "../support/swarm.ts"
import { type Versioned, versioned } from "../support/versions.ts"

const PIECE = 32_768

/** Names so long that the metadata has several parts. */
const FILES = Array.from(
  { length: 150 },
  (_, i) => ({ path: [`${"long ".repeat(45)}${i}`], length: i % 15 === 0 ? 70_000 : 60 })
)

const whole = (torrent: Torrent, node: Swarm.Node): boolean =>
  torrent.metainfo.files.every((file, i) => file.padding || file.length === 0 || Swarm.isWhole(torrent, node, i))

const magnetOf = ({ infoHashV1, infoHashV2 }: Metainfo) => ({ infoHashV1, infoHashV2 })

/** Starts them all, and lets time pass until they are torrents. */
const together = Effect.fnUntraced(function*(
  most: number,
  starting: ReadonlyArray<Effect.Effect<Swarm.Node, unknown, Scope.Scope>>
) {
  const fiber = yield* Effect.forkChild(Effect.all(starting, { concurrency: "unbounded" }))
  const { took, value } = yield* Swarm.within(most, Fiber.join(fiber))
  return { took, nodes: value }
})

const infoOf = ({ metainfo }: Versioned) => metainfo.info

/** The links of the swarm last so long that answers cross, and liars are as near as others. */
const path = () => ({ latency: 40, rate: 1_000_000 })

describe("magnets in virtual time", () => {
  for (const version of ["1", "2", "hybrid"] as const) {
    it.effect(`twenty, among liars of every kind, end with twenty copies: version ${version}`, () =>
      Effect.gen(function*() {
        const torrent = versioned(version, FILES, PIECE, { seed: 3 })
        const info = infoOf(torrent)
        assert.isAbove(info.length, 2 * MetadataMessage.PART)
        const swarm = yield* Swarm.make({ torrent, seed: 1, path, resolution: 5 })
        yield* swarm.start({ number: 1, has: "All", peers: [] })
        const ways = MetadataLiar.WAYS
        yield* Effect.forEach(ways, (way, i) => MetadataLiar.start(swarm, { number: 100 + i, way, size: info.length }))
        const liars = ways.map((_, i) => 100 + i)
        const { nodes, took } = yield* together(
          300_000,
          Swarm.range(2, 20).map((number) =>
            swarm.start({
              number,
              magnet: magnetOf(torrent.metainfo),
              peers: [...liars, 1, ...Swarm.range(2, number - 2)]
            })
          )
        )
        assert.isBelow(took, 60_000)
        yield* Swarm.within(300_000, Swarm.allDone(nodes), nodes)
        for (const node of nodes) {
          assert.deepStrictEqual(node.torrent.metainfo.info, info)
          assert.strictEqual(node.torrent.metainfo.version, version)
          assert.isTrue(whole(torrent, node))
        }
        // Nobody honest is blamed, and whoever was wrong alone is.
        const banned = new Set(
          nodes.flatMap(({ events }) =>
            events.flatMap((event) => event._tag === "PeerBanned" ? [event.address.host] : [])
          )
        )
        for (const number of Swarm.range(1, 21)) assert.isFalse(banned.has(Swarm.host(number)))
        assert.isTrue(banned.has(Swarm.host(100 + ways.indexOf("wrong size"))))
      }))
  }

  const hybrid = versioned("hybrid", FILES.slice(0, 60), PIECE, { seed: 4 })

  /** What becomes of a link with the hash of version 1 alone. */
  const byV1 = Effect.fnUntraced(function*(seed: Partial<Swarm.NodeOptions>) {
    const swarm = yield* Swarm.make({ torrent: hybrid, seed: 2, path, resolution: 5 })
    yield* swarm.start({ number: 1, has: "All", peers: [], ...seed })
    const magnet = { ...magnetOf(hybrid.metainfo), infoHashV2: undefined }
    const { nodes, took } = yield* together(60_000, [swarm.start({ number: 2, magnet, peers: [1] })])
    yield* Swarm.within(60_000, Swarm.allDone(nodes), nodes)
    const [node] = nodes
    assert.isTrue(whole(hybrid, node!))
    return { node: node!, took }
  })

  it.effect("a hybrid by its first hash alone is called again on version 2, and has both", () =>
    Effect.gen(function*() {
      const { node, took } = yield* byV1({})
      assert.strictEqual(node.torrent.metainfo.version, "hybrid")
      assert.isBelow(took, 5000)
    }))

  it.effect("a hybrid whose peers know version 1 alone goes on as that", () =>
    Effect.gen(function*() {
      const { infoHash } = hybrid.metainfo
      const old = { ...hybrid.metainfo, version: "1", infoHashV2: undefined, pieceRoots: undefined, swarms: [infoHash] }
      const { node } = yield* byV1({ options: { metainfo: old as Metainfo } })
      assert.strictEqual(node.torrent.metainfo.version, "1")
    }))

  it.effect("keeps its connections when it becomes a torrent, and what peers said on them", () =>
    Effect.gen(function*() {
      const torrent = versioned("1", FILES.slice(0, 60), PIECE, { seed: 5 })
      const swarm = yield* Swarm.make({ torrent, seed: 3, path, resolution: 5 })
      const seed = yield* swarm.start({ number: 1, has: "All", peers: [] })
      const { nodes } = yield* together(60_000, [
        swarm.start({ number: 2, magnet: magnetOf(torrent.metainfo), peers: [1], down: 200_000 })
      ])
      const [leech] = nodes
      const [peer] = leech!.torrent.swarm.peers
      assert.strictEqual(peer?.has, torrent.metainfo.layout.pieces)
      assert.strictEqual(peer?.theirs?.metadataSize, torrent.metainfo.info.length)
      yield* Swarm.within(60_000, leech!.torrent.completed, nodes)
      assert.strictEqual(seed.events.filter(({ _tag }) => _tag === "PeerConnected").length, 1)
      assert.isTrue(whole(torrent, leech!))
    }))

  it.effect("leaves the peers of the link when the torrent proves to be private", () =>
    Effect.gen(function*() {
      const torrent = versioned("1", FILES.slice(0, 30), PIECE, { seed: 8, more: { private: true } })
      assert.isTrue(torrent.metainfo.private)
      const swarm = yield* Swarm.make({ torrent, seed: 5, path, resolution: 5 })
      // It gives the metadata away, as no honest client would.
      const careless = { ...torrent.metainfo, private: false }
      yield* swarm.start({ number: 1, has: "All", peers: [], options: { metainfo: careless } })
      yield* swarm.start({ number: 3, has: "All" })
      const magnet = magnetOf(torrent.metainfo)
      const options = { linkPeers: [Swarm.address(1)] }
      const { nodes } = yield* together(60_000, [swarm.start({ number: 2, magnet, options, down: 200_000 })])
      yield* Swarm.within(60_000, Swarm.allDone(nodes), nodes)
      const { events } = nodes[0]!
      const met = events.flatMap((event) => event._tag === "PeerConnected" ? [event.address.host] : [])
      assert.lengthOf(met.filter((host) => host === Swarm.host(1)), 1)
      assert.include(met, Swarm.host(3))
      assert.isTrue(nodes.every((node) => whole(torrent, node)))
      const left = events.flatMap((event) => event._tag === "PeerDisconnected" ? [event.reason] : [])
      assert.include(left, "came before the torrent was known to be private")
    }))

  it.effect("of a private torrent goes on with the peers that gave it the metadata, though it gives none", () =>
    Effect.gen(function*() {
      const torrent = publish(Array.from({ length: 9 }, (_, i) => ({ length: 30_000 + i })), PIECE, { private: true })
      const { info } = torrent.metainfo
      const swarm = yield* Swarm.make({ torrent, seed: 5, path, resolution: 5 })
      yield* swarm.start({ number: 1, has: "All", peers: [] })
      yield* MetadataLiar.start(swarm, { number: 100, way: "gives it twice", size: info.length, info })
      const { nodes } = yield* together(60_000, [
        swarm.start({ number: 2, magnet: magnetOf(torrent.metainfo), peers: [1, 100] })
      ])
      yield* Swarm.within(60_000, Swarm.allDone(nodes), nodes)
      const [leech] = nodes
      assert.isTrue(whole(torrent, leech!))
      const giver = Swarm.host(100)
      const left = leech!.events.filter((event) => event._tag === "PeerDisconnected" && event.address.host === giver)
      assert.deepStrictEqual(left, [])
    }))

  it.effect("says nothing of its end to trackers when it becomes a torrent", () =>
    Effect.gen(function*() {
      const torrent = versioned("1", FILES.slice(0, 60), PIECE, { seed: 6 })
      const swarm = yield* Swarm.make({ torrent, seed: 4, path, resolution: 5 })
      yield* swarm.start({ number: 1, has: "All" })
      const { nodes } = yield* together(60_000, [swarm.start({ number: 2, magnet: magnetOf(torrent.metainfo) })])
      yield* Swarm.within(60_000, Swarm.allDone(nodes), nodes)
      yield* nodes[0]!.stop
      assert.deepStrictEqual(swarm.tracker.heard.get(Swarm.host(2)), ["started", "started", "completed", "stopped"])
    }))
})
