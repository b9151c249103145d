/** What the programs say when nothing comes, and when they are asked with USR2. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Payload from "../support/payload.ts"
import * as Programs from "../support/programs.ts"
import { placeAll, publish } from "../support/published.ts"
import * as RawPeer from "../support/rawPeer.ts"
import { leech, local, placeIn } from "../support/stage.ts"
import * as Terminal from "../support/terminal.ts"

const PIECE = 32_768

const torrent = publish([{ length: 20 * PIECE }], PIECE)

/** Gives one piece, and nothing more. */
const lazy = () => RawPeer.seed(torrent, { answer: (piece, _begin, right) => piece === 0 ? right : undefined })

/** Says that it has all but the last piece. */
const partial = (wire: RawPeer.Wire) => {
  wire.send(RawPeer.bitfieldOf(20, (piece) => piece < 19))
}

describe("a leech to which nothing comes", () => {
  it.live("says why in records, after ten seconds and at its end", () =>
    Effect.gen(function*() {
      const place = placeIn(yield* Payload.temporary, torrent)
      const source = yield* RawPeer.listen(torrent.metainfo.infoHash, partial)
      const running = yield* leech(place, [source.address], "--stop-timeout=13")
      yield* running.until((record) => record.type === "peer" && record.state === "connected")
      yield* running.kill("SIGUSR2")
      const status = yield* running.until((record) => record.type === "status")
      assert.strictEqual(status.type, "status")
      if (status.type !== "status") return
      assert.deepStrictEqual([status.state, status.cause], ["Stalled", "AllChoke"])
      assert.deepStrictEqual(
        status.peers.map(({ address, pieces, state }) => [address, pieces, state]),
        [[source.address, 19, "ChokesUs"]]
      )
      const { code, err, records } = yield* running.ended
      assert.strictEqual(code, 2)
      assert.match(err, /nothing arrived for 13 seconds: the only peer with what is missing chokes us$/m)
      const stalls = records.flatMap((record) =>
        record.type === "stalled" ? [[record.state, record.cause, record.peers]] : []
      )
      assert.deepStrictEqual(stalls, [["stalled", "AllChoke", 1]])
    }), 60_000)

  it.live("says why in a line", () =>
    Effect.gen(function*() {
      const place = placeIn(yield* Payload.temporary, torrent)
      const { code, err } = yield* Programs.run("leech", [
        place.file,
        ...local(place),
        "--peer=127.0.0.1:1",
        "--no-tracker",
        "--stop-timeout=12"
      ])
      assert.strictEqual(code, 2)
      assert.match(err, /^nothing comes: the only peer tried does not answer: connection refused \(ECONNREFUSED\)$/m)
    }), 60_000)
})

describe("a super-seed", () => {
  it.live("says so when it starts", () =>
    Effect.gen(function*() {
      const place = placeIn(yield* Payload.temporary, torrent)
      placeAll(torrent, place.dir)
      const seed = yield* Programs.start("seed", [place.file, ...local(place), "--json", "--super"])
      yield* seed.until((record) => record.type === "progress")
      yield* seed.kill("SIGTERM")
      assert.match((yield* seed.ended).err, /^super-seeding: /m)
    }), 60_000)
})

describe("USR2", () => {
  it.live("is answered by a seed, whatever else is silenced", () =>
    Effect.gen(function*() {
      const place = placeIn(yield* Payload.temporary, torrent)
      placeAll(torrent, place.dir)
      const seed = yield* Programs.start("seed", [place.file, ...local(place), "--json", "--quiet"])
      yield* seed.until((record) => record.type === "progress")
      yield* seed.kill("SIGUSR2")
      const status = yield* seed.until((record) => record.type === "status")
      assert.deepInclude(status, { state: "Done", cause: null, peers: [], trackers: [] })
      yield* seed.kill("SIGTERM")
      assert.strictEqual((yield* seed.ended).code, 0)
    }), 60_000)

  for (const [columns, head] of [[80, "down state"], [120, "asked state"]] as const) {
    it.live.skipIf(!Terminal.isAvailable())(
      `prints the peers above the progress line, on ${columns} columns`,
      () =>
        Effect.gen(function*() {
          const place = placeIn(yield* Payload.temporary, torrent)
          const source = yield* RawPeer.listen(torrent.metainfo.infoHash, lazy())
          const args = [place.file, ...local(place), `--peer=${source.address}`]
          const terminal = yield* Terminal.start("leech", args, columns)
          yield* terminal.shows(/peers 1/)
          yield* terminal.kill("SIGUSR2")
          const [table] = yield* terminal.shows(/address +client[^\r]*/)
          assert.include(table, head)
          const [row] = yield* terminal.shows(new RegExp(`${source.address} [^\\r]*\\r\\n`))
          assert.isBelow(row.trimEnd().length, columns)
          assert.match(row, /XX/)
          // On the line below the progress.
          yield* terminal.shows(/\n {2}nothing comes: 1 peer /)
          yield* terminal.kill("SIGTERM")
          yield* terminal.shows(/incomplete/)
        }),
      60_000
    )
  }
})
