/** A leech that was stopped goes on from the peers it had met, though the tracker that named them is gone. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as Mounts from "../support/mounts.ts"
import * as Programs from "../support/programs.ts"
import { placeAll, publish, wrongFiles } from "../support/published.ts"
import { leech, local, placeIn } from "../support/stage.ts"

const MIB = 1024 * 1024

const isListening = ({ type }: { readonly type: string }): boolean => type === "listening"

describe("a leech whose tracker is gone", () => {
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    it.live(`goes on from the peers it knew after a ${signal}`, () =>
      Effect.gen(function*() {
        const root = yield* Mounts.quickFolder
        const tracker = yield* Programs.start("tracker", ["--bind", "127.0.0.1", "--port", "0", "--json"])
        const listening = yield* tracker.until(isListening)
        const url = listening.type === "listening" ? listening.announce[0]! : ""
        const torrent = publish([{ length: 48 * MIB + 5 }], MIB / 4, { trackers: [[url]] })
        const place = placeIn(root, torrent)
        const source = { dir: `${root}/source`, state: `${root}/source-state` }
        fs.mkdirSync(source.dir)
        placeAll(torrent, source.dir)
        const seed = yield* Programs.start("seed", [place.file, ...local(source), "--json", "--quiet"])
        yield* seed.until(({ type }) => type === "tracker")

        const first = yield* leech(place, [], "--max-download-limit=1M")
        yield* first.until(Programs.isLanded, signal === "SIGKILL" ? 72 : 4)
        yield* tracker.kill("SIGKILL")
        yield* tracker.ended
        yield* first.kill(signal)
        yield* first.ended

        const second = yield* (yield* leech(place, [])).ended
        assert.strictEqual(second.code, 0, second.err)
        assert.isEmpty(wrongFiles(torrent, place.dir))
      }), 60_000)
  }
})
