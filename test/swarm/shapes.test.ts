/** Whole clients in virtual time with torrents of any shape: files that end anywhere, padding anywhere, in every version. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as PieceLayout from "../../src/domain/PieceLayout.ts"
import { below, randomOf } from "../domain/swarm/seeded.ts"
import * as Payload from "../support/payload.ts"
import * as PayloadV2 from "../support/payloadV2.ts"
import * as Swarm from "../support/swarm.ts"

const { BLOCK } = PieceLayout

type Draw = (end: number) => number

const drawLengths = (draw: Draw, piece: number): Array<number> => {
  const edges = [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, piece - 1, piece, piece + 1, 2 * piece]
  const length = () => draw(3) === 0 ? draw(5 * piece) : edges[draw(edges.length)]!
  return [1 + draw(piece), ...Array.from({ length: draw(9) }, length)]
}

const drawTorrent = (draw: Draw, seed: number): Payload.Torrent => {
  const piece = BLOCK * 2 ** draw(4)
  const lengths = drawLengths(draw, piece)
  const kind = draw(3)
  if (kind < 2) return PayloadV2.torrent(lengths, piece, kind === 0 ? "2" : "hybrid", seed)
  const specs = lengths.map((length, i) => ({ length, padding: i > 0 && draw(5) < 2, path: ["top", `file${i}`] }))
  return Payload.torrent(specs, piece, seed)
}

describe("a swarm of a torrent of any shape", () => {
  for (let seed = 1; seed <= 24; seed++) {
    it.effect(`is fetched, chosen from, ended and gone on with (${seed})`, () =>
      Effect.gen(function*() {
        const random = randomOf(seed)
        const draw: Draw = (end) => below(random, end)
        const torrent = drawTorrent(draw, seed)
        const { files, layout } = torrent.metainfo
        const stored = files.flatMap(({ padding }, file) => padding ? [] : [file])
        const selected = draw(2) === 0 ? undefined : new Set(stored.filter(() => draw(2) === 0))
        const chosen = stored.filter((file) => selected?.has(file) ?? true)
        const memory = () => layout.pieceLength * (1 + draw(4))
        const swarm = yield* Swarm.make({ torrent, seed })
        const seeder = yield* swarm.start({ number: 1, has: "All", up: 30_000 + draw(300_000) })
        const whole = yield* swarm.start({ number: 2, up: 100_000, session: { memory: memory() } })
        const first = yield* swarm.start({ number: 3, options: { selected }, session: { memory: memory() } })
        yield* TestClock.adjust(500 + draw(9000))
        const killed = Swarm.leftovers(first)
        yield* first.stop
        const left = draw(2) === 0 ? killed : { disk: first.disk, records: first.records }
        const second = yield* swarm.start({ number: 4, options: { selected }, ...left })
        yield* Swarm.within(600_000, Swarm.allDone([whole, second]), [seeder, whole, second])
        for (const file of stored) assert.isTrue(Swarm.isWhole(torrent, whole, file), `file ${file}`)
        for (const file of chosen) assert.isTrue(Swarm.isWhole(torrent, second, file), `chosen file ${file}`)
        const bytes = chosen.reduce((sum, file) => sum + files[file]!.length, 0)
        const { done, total } = second.torrent.snapshot()
        assert.deepStrictEqual([done, total], [bytes, bytes])
        const troubles = [seeder, whole, first, second].flatMap(({ events }) =>
          events.filter(({ _tag }) => ["Warning", "PieceCorrupt", "PeerBanned"].includes(_tag))
        )
        assert.deepStrictEqual(troubles, [])
        yield* second.stop
        const options = { selected, checkIntegrity: true }
        const hashed = yield* swarm.start({ number: 5, options, disk: second.disk, records: second.records })
        assert.isTrue(hashed.torrent.swarm.isDone)
      }))
  }
})
