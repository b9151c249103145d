import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { Metainfo } from "../../src/domain/Metainfo.ts"
import * as MetadataMessage from "../../src/domain/wire/MetadataMessage.ts"
import * as MetadataLiar from "../support/metadataLiar.ts"
import type { Torrent } from "../support/payload.ts"
import * as Swarm from "../support/swarm.ts"
import { type Versioned, versioned } from "../support/versions.ts"

const PIECE = 32_768

/** Names so long that the metadata has several parts. */
const FILES = Array.from(
  { length: 400 },
  (_, i) => ({ path: [`${"long ".repeat(20)}${i}`], length: i % 40 === 0 ? 70_000 : 60 })
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

describe("magnets in virtual time", () => {
  for (const version of ["1", "2", "hybrid"] as const) {
    it.effect(`twenty, among liars of every kind, end with twenty copies: version ${version}`, () =>
      Effect.gen(function*() {
        const torrent = versioned(version, FILES, PIECE, { seed: 3 })
        const info = infoOf(torrent)
        assert.isAbove(info.length, 2 * MetadataMessage.PART)
        const swarm = yield* Swarm.make({ torrent, seed: 1 })
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
      }))
  }
})
