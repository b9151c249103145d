/** Peers that keep to no rule, against every kind of node at once: nothing breaks, nothing grows, honest peers get their files. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import type { Peer } from "../../src/domain/swarm/Peer.ts"
import { below, randomOf } from "../domain/swarm/seeded.ts"
import * as HostileFrames from "../support/hostileFrames.ts"
import * as ScriptedPeer from "../support/scriptedPeer.ts"
import * as Swarm from "../support/swarm.ts"
import { versioned } from "../support/versions.ts"

const PIECE = 2 * 16_384

const torrent = versioned("hybrid", [
  { path: ["long"], length: 40 * PIECE - 7 },
  { path: ["short"], length: 9 * PIECE }
], PIECE)
const { metainfo } = torrent

/** Hostile connections, the ms over which they come, and how often each of them speaks at the most. */
const HOSTILE = 40
const FOR_MS = 15_000
const SPEECHES = 40

const files = metainfo.files.flatMap(({ padding }, file) => padding ? [] : [file])

const startHostile = (swarm: Swarm.Swarm, random: () => number, number: number) => {
  const spoken = { v2: random() < 0.5, fast: random() < 0.8, extended: random() < 0.9 }
  const manners = { ...spoken, pieces: metainfo.layout.pieces, isCareful: random() < 0.6 }
  let speeches = 0
  return ScriptedPeer.start(swarm, {
    number,
    target: 1 + below(random, 3),
    after: below(random, FOR_MS),
    infoHash: spoken.v2 ? metainfo.swarms[1] : metainfo.swarms[0],
    ...spoken,
    greeting: (outbox) => spoken.fast ? outbox.haveNone() : outbox.keepAlive(),
    onFrame: (_, { send }) => {
      if (speeches++ < SPEECHES) send(HostileFrames.make(random, manners))
    }
  })
}

/** What a node keeps of one peer. */
const assertBounded = (peer: Peer) => {
  assert.isAtMost(peer.asked.length, 2048)
  assert.isAtMost(peer.askedHashes.length, 64)
  assert.isAtMost(peer.allowed?.size ?? 0, 64)
  assert.isAtMost(peer.refused?.size ?? 0, 256)
  assert.isAtMost(peer.suggested.length, 16)
  assert.isAtMost(peer.hinted.length, 32)
  assert.isAtMost(peer.theirs?.messages.size ?? 0, 64)
  assert.isAtMost(peer.outbox.length, 4 << 20)
  assert.isAtLeast(peer.outstanding, 0)
  assert.isAtLeast(peer.forgiven, 0)
  assert.isAtLeast(peer.wants, 0)
  assert.isAtLeast(peer.has, 0)
  assert.isAtMost(peer.has, metainfo.layout.pieces)
}

const assertSound = ({ session, torrent }: Swarm.Node) => {
  torrent.swarm.peers.forEach(assertBounded)
  assert.isAtMost(session.buffers.used, session.buffers.limit + PIECE)
  const { known, peers } = torrent.diagnosis()
  assert.isAtMost(known, 2000)
  assert.isAtMost(peers.length, 200)
}

describe("peers that keep to no rule", () => {
  for (const seed of Swarm.range(1, 12)) {
    it.effect(`break nothing and keep nobody from the files (${seed})`, () =>
      Effect.gen(function*() {
        const defects: Array<string> = []
        const logger = Logger.make(({ cause, logLevel, message }) => {
          if (logLevel === "Error" || logLevel === "Fatal") defects.push(`${String(message)} ${String(cause)}`)
        })
        yield* Effect.gen(function*() {
          const random = randomOf(seed)
          const path = () => ({ latency: 10, rate: 400_000 })
          const swarm = yield* Swarm.make({ torrent, seed, path, resolution: 5 })
          const superSeed = random() < 0.3
          const first = yield* swarm.start({ number: 1, has: "All", peers: [], up: 300_000, options: { superSeed } })
          const hostile = Swarm.range(100, HOSTILE)
          yield* Effect.forEach(hostile, (number) => startHostile(swarm, random, number))
          const leech = yield* swarm.start({ number: 2, peers: [1] })
          const beside = yield* swarm.start({ number: 4, peers: [1, 2] })
          const { infoHashV1, infoHashV2 } = metainfo
          const late = yield* Swarm.within(
            120_000,
            swarm.start({ number: 3, peers: [1, 2], magnet: { infoHashV1, infoHashV2 } })
          )
          const nodes = [first, leech, beside, late.value]
          yield* Swarm.until(300_000, () => {
            nodes.forEach(assertSound)
            return nodes.every(({ torrent }) => torrent.swarm.isDone)
          }, nodes)
          for (const node of nodes) {
            for (const file of files) {
              assert.isTrue(Swarm.isWhole(torrent, node, file), `file ${file} of ${node.number}`)
            }
          }
        }).pipe(Effect.provide(Logger.layer([logger])))
        assert.deepStrictEqual(defects, [])
      }))
  }
})
