import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as TestClock from "effect/testing/TestClock"
import * as fs from "node:fs"
import * as net from "node:net"
import * as os from "node:os"
import * as path from "node:path"
import type * as Records from "../../src/programs/cli/Records.ts"
import { ONE_LINE, type Program, run, start } from "../support/programs.ts"
import { describeWithRedis, RedisServer } from "../support/redisServer.ts"
import { document } from "../support/torrents.ts"
import { versioned } from "../support/versions.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "freshet-tracker-"))),
  (dir) => Effect.sync(() => fs.rmSync(dir, { recursive: true, force: true }))
)

type Listening = Extract<Records.Record, { type: "listening" }>

const listening = (program: Program, count = 1) =>
  Effect.map(program.until(({ type }) => type === "listening", count), (record) => record as Listening)

const text = (url: string) => Effect.promise(async () => (await fetch(url)).text())

const announce = (url: string, digit: string, port = 7000) =>
  text(`${url}?info_hash=${`%${digit}${digit}`.repeat(20)}&peer_id=-FR0100-123456789012&port=${port}&left=0`)

const local = ["--bind", "127.0.0.1", "--port", "0", "--json"]

describe("tracker", () => {
  it.live("has exit codes of its own", () =>
    Effect.gen(function*() {
      const { out } = yield* run("tracker", ["--help"])
      assert.match(out, /EXIT CODES\n {4}0 {2}stopped\n[^]*\n {3}12 {2}the data folder is in use/)
      assert.notInclude(out, "all is there")
    }))

  it.live("serves, keeps its swarms over a restart, and ends with 0", () =>
    Effect.gen(function*() {
      const args = [...local, "--data-dir", path.join(yield* folder, "data")]
      const first = yield* start("tracker", args)
      const { announce: urls, page, worker } = yield* listening(first)
      assert.deepStrictEqual(urls.map((url) => new URL(url).protocol), ["http:", "udp:"])
      assert.strictEqual(new URL(urls[0]!).port, new URL(urls[1]!).port)
      assert.strictEqual(page, urls[0]!.replace("announce", ""))
      assert.strictEqual(worker, null)
      assert.include(yield* announce(urls[0]!, "a"), "8:completei1e")
      const another = yield* run("tracker", args)
      assert.match(another.err, ONE_LINE)
      assert.include(another.err, `another tracker (process ${first.pid}) uses `)
      assert.strictEqual(another.code, 12)
      yield* first.kill("SIGTERM")
      const { code, err, records } = yield* first.ended
      assert.deepStrictEqual([code, err], [0, ""])
      const file = path.join(args.at(-1)!, "swarms")
      assert.deepInclude(records.at(-1), { type: "snapshot", file, peers: 1, torrents: 1 })
      const second = yield* start("tracker", args)
      assert.include(yield* announce((yield* listening(second)).announce[0]!, "a", 7001), "8:completei2e")
    }))

  it.live("warns in words of a snapshot that is damaged", () =>
    Effect.gen(function*() {
      const dir = yield* folder
      const place = path.join(dir, "swarms")
      fs.writeFileSync(place, "rubbish")
      const tracker = yield* start("tracker", [...local, "--data-dir", dir])
      yield* listening(tracker)
      yield* tracker.kill("SIGTERM")
      const { err } = yield* tracker.ended
      assert.strictEqual(
        err,
        `freshet: ${place} is damaged or cut short; it is kept as ${place}.damaged, and 0 peers of it are known\n`
      )
    }))

  it.live("has what was published, and serves, when it comes back from a kill", () =>
    Effect.gen(function*() {
      const args = [...local, "--data-dir", path.join(yield* folder, "data")]
      const torrentsOf = ({ page }: Listening) => `${page}torrents`
      const first = yield* start("tracker", args)
      const body = document("kept").bytes as Uint8Array<ArrayBuffer>
      const url = torrentsOf(yield* listening(first))
      const { headers, status } = yield* Effect.promise(() => fetch(url, { method: "POST", body }))
      assert.strictEqual(status, 201)
      yield* first.kill("SIGKILL")
      yield* first.ended
      const second = yield* start("tracker", args)
      const again = yield* listening(second)
      const names = JSON.parse(yield* text(torrentsOf(again))).map(({ name }: { name: string }) => name)
      assert.deepStrictEqual(names, ["kept"])
      const got = yield* Effect.promise(() => fetch(new URL(headers.get("location")!, again.page!)))
      assert.strictEqual(got.status, 200)
      assert.include(yield* announce(again.announce[0]!, "a"), "8:completei1e")
      yield* second.kill("SIGTERM")
      assert.strictEqual((yield* second.ended).err, "")
    }))

  it.live("tells what is published and taken back, in words and in records", () =>
    Effect.gen(function*() {
      const { document, metainfo } = versioned("hybrid", [{ path: ["f"], length: 20_000 }], 16_384)
      const { infoHash, infoHashV2, name } = metainfo
      const args = ["--bind=127.0.0.1", "--port=0", "--data-dir=none", "--publish-token=s3cret"]
      /** Published twice, refused once, and taken back. */
      const change = (page: string) =>
        Effect.promise(async () => {
          const headers = { authorization: "Bearer s3cret" }
          const body = document as Uint8Array<ArrayBuffer>
          const statuses: Array<number> = []
          const ask = async (path: string, init: RequestInit) =>
            statuses.push((await fetch(new URL(path, page), init)).status)
          await ask("/torrents", { method: "POST", body })
          for (let i = 0; i < 2; i++) await ask("/torrents", { method: "POST", headers, body })
          await ask(`/torrents/${infoHash}`, { method: "DELETE", headers })
          assert.deepStrictEqual(statuses, [401, 201, 200, 204])
        })

      const words = yield* start("tracker", args)
      yield* change((yield* words.prints(/^page {6}(\S+)$/m))[1]!)
      yield* words.kill("SIGTERM")
      const spoken = yield* words.ended
      const what = `${name}, info hash ${infoHash} and ${infoHashV2}, from 127.0.0.1`
      assert.deepStrictEqual(spoken.out.split("\n").slice(-3), [`published ${what}`, `removed   ${what}`, ""])
      assert.strictEqual(spoken.err, "")

      const records = yield* start("tracker", [...args, "--json", "--log-level=debug"])
      yield* change((yield* listening(records)).page!)
      yield* records.kill("SIGTERM")
      const told = yield* records.ended
      const changes = told.records.filter((record) => record.type === "catalogue")
      assert.deepStrictEqual(changes.map(({ state }) => state), ["published", "removed"])
      for (const record of changes) {
        assert.deepInclude(record, { infoHash, infoHashV2: infoHashV2!, name, from: "127.0.0.1" })
      }
      assert.match(told.err, /catalogue not changed[^\n]*401/)
    }))

  it.live("goes on when it has had no descriptors left for a while", () =>
    Effect.gen(function*() {
      const tracker = yield* start("tracker", [...local, "--data-dir", "none"], { maxFiles: 64 })
      const { announce: [url] } = yield* listening(tracker)
      const { hostname, port } = new URL(url!)
      const crowd = Array.from({ length: 100 }, () => net.connect(Number(port), hostname).on("error", () => {}))
      // Those that there was no descriptor for are closed.
      yield* Effect.callback<void>((resume) => {
        for (const socket of crowd) socket.resume().once("close", () => resume(Effect.void))
      })
      // Once the tracker has ended its side too, the descriptor is free.
      yield* Effect.forEach(crowd, (socket) =>
        Effect.callback<void>((resume) => {
          if (socket.closed) return resume(Effect.void)
          socket.once("close", () => resume(Effect.void)).end()
        }), { concurrency: "unbounded", discard: true })
      assert.include(yield* announce(url!, "a"), "8:completei1e")
      yield* tracker.kill("SIGTERM")
      assert.deepInclude(yield* tracker.ended, { code: 0, err: "" })
    }))

  it.live("reads its lists again on HUP, and keeps them when one is broken", () =>
    Effect.gen(function*() {
      const allow = path.join(yield* folder, "allow")
      fs.writeFileSync(allow, "a".repeat(40))
      const tracker = yield* start("tracker", [...local, "--data-dir", "none", "--allow", allow, "--access-log"])
      const { announce: [url] } = yield* listening(tracker)
      const tracked = (digit: string) => Effect.map(announce(url!, digit), (reply) => reply.includes("8:complete"))
      assert.deepStrictEqual([yield* tracked("a"), yield* tracked("b")], [true, false])
      fs.writeFileSync(allow, "b".repeat(40))
      yield* tracker.kill("SIGHUP")
      yield* tracker.until((record) => record.type === "reloaded")
      assert.deepStrictEqual([yield* tracked("a"), yield* tracked("b")], [false, true])
      fs.writeFileSync(allow, "rubbish")
      yield* tracker.kill("SIGHUP")
      yield* tracker.until((record) => record.type === "warning" && record.message.includes("line 1 is not"))
      assert.deepStrictEqual([yield* tracked("a"), yield* tracked("b")], [false, true])
    }))

  it.live("may be given an address twice", () =>
    Effect.gen(function*() {
      const tracker = yield* start("tracker", [...local, "--data-dir", "none", "--bind", "127.0.0.1"])
      assert.strictEqual((yield* listening(tracker)).announce.length, 2)
    }))

  it.live("takes flags before the environment, and that before the file", () =>
    Effect.gen(function*() {
      const config = path.join(yield* folder, "tracker.toml")
      fs.writeFileSync(config, "port = 1\ninterval = 100\nno-udp = true\nbind = [\"127.0.0.1\"]\n")
      const env = { FRESHET_TRACKER_PORT: "2", FRESHET_TRACKER_INTERVAL: "200" }
      const { code, out } = yield* run("tracker", ["--config", config, "--port", "3", "--print-config"], { env })
      assert.strictEqual(code, 0)
      for (const line of ["port = 3", "interval = 200", "no-udp = true", "bind = [\"127.0.0.1\"]"]) {
        assert.include(out.split("\n"), line)
      }
    }))

  it.live("ends with one line that names what is wrong", () =>
    Effect.gen(function*() {
      const dir = yield* folder
      const bad = path.join(dir, "bad.toml")
      fs.writeFileSync(bad, "prot = 1\n")
      const taken = yield* Effect.acquireRelease(
        Effect.callback<net.Server>((resume) => {
          const server = net.createServer().listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => void server.close())
      )
      const { port } = taken.address() as net.AddressInfo
      const none = ["--data-dir", "none"]
      for (
        const [args, expected, words, env] of [
          [["--port", "x"], 28, /--port/, {}],
          [["--config", bad], 28, /bad\.toml: there is no setting "prot"/, {}],
          [["--config", path.join(dir, "nowhere")], 15, /nowhere: there is no such file \(ENOENT\)/, {}],
          [[], 28, /FRESHET_TRACKER_PROT/, { FRESHET_TRACKER_PROT: "1" }],
          [["--workers", "2"], 28, /--store redis/, {}],
          [["--publish-token", "s3cret words"], 28, /^(?!.*s3cret).*"\*\*\*" is not a token/, {}],
          [["--store", "redsi://me:s3cret@x"], 28, /^(?!.*s3cret).*\*\*\*@x" is not memory/, {}],
          [[], 28, /^(?!.*s3cret).*FRESHET_TRACKER_STORE.*\*\*\*@x/, { FRESHET_TRACKER_STORE: "redsi://:s3cret@x" }],
          [["--no-http", "--no-udp"], 28, /nothing to serve/, {}],
          [[...none, "--deny", path.join(dir, "nowhere")], 15, /there is no such file/, {}],
          [["--config", "/dev/zero"], 28, /larger than/, {}],
          [[...none, "--allow", "/dev/zero"], 28, /too large/, {}],
          [["--data-dir", "/proc/nowhere/at/all"], 18, /cannot make the folder/, {}],
          [["--data-dir", path.join(bad, "x")], 18, /cannot make the folder/, {}],
          [[...none, "--bind", "127.0.0.1", "--port", `${port}`], 6, /is taken/, {}],
          [
            [...none, "--bind", "192.0.2.77", "--port", "0"],
            6,
            /192\.0\.2\.77.*: this machine has no such address/,
            {}
          ],
          [[...none, "--store", "redis://127.0.0.1:1"], 6, /out of reach/, {}]
        ] as const
      ) {
        const { code, err } = yield* run("tracker", args, { env })
        assert.match(err, ONE_LINE)
        assert.match(err, words)
        assert.strictEqual(code, expected, err)
      }
    }))
})

describeWithRedis("tracker --workers", (it) => {
  it.effect("shares its swarms between processes, and replaces one that dies", () =>
    Effect.gen(function*() {
      const { url: store } = yield* RedisServer
      const tracker = yield* start("tracker", [...local, "--store", store, "--workers", "2"])
      const { announce: [url] } = yield* listening(tracker, 2)
      for (let n = 1; n <= 8; n++) {
        assert.include(yield* announce(url!, "a", 7000 + n), `8:completei${n}e`)
      }
      const stats = Effect.map(text(url!.replace("announce", "stats.json")), (json) => JSON.parse(json))
      const seen = [yield* stats, yield* stats]
      assert.deepStrictEqual(seen.map(({ worker }) => worker).sort(), [1, 2])
      // Whichever answers, it answers for all.
      assert.deepStrictEqual(seen.map(({ announces, seeders }) => [announces.http4, seeders]), [[8, 8], [8, 8]])
      assert.include(yield* text(url!.replace("announce", "metrics")), `{protocol="http",family="ipv4"} 8\n`)
      const children = fs.readFileSync(`/proc/${tracker.pid}/task/${tracker.pid}/children`, "utf8").trim().split(" ")
      process.kill(Number(children[0]), "SIGKILL")
      yield* listening(tracker, 3)
      assert.include(yield* announce(url!, "a", 7009), "8:completei9e")
      // What the dead one has done is not forgotten.
      assert.strictEqual((yield* stats).announces.http4, 9)
      yield* tracker.kill("SIGTERM")
      assert.strictEqual((yield* tracker.ended).code, 0)
    }))

  it.effect("stops workers that are still starting, all at the same time", () =>
    Effect.gen(function*() {
      const { url: store } = yield* RedisServer
      const tracker = yield* start("tracker", [...local, "--store", store, "--workers", "4"])
      yield* listening(tracker)
      yield* tracker.kill("SIGTERM")
      // One that did not hear of it would be waited for.
      const ended = yield* Effect.timeoutOption(tracker.ended, "8 seconds")
      assert.deepStrictEqual(Option.map(ended, ({ code, err }) => [code, err]), Option.some([0, ""]))
    }).pipe(TestClock.withLive))

  it.effect("leaves no worker behind when it is killed", () =>
    Effect.gen(function*() {
      const { url: store } = yield* RedisServer
      const tracker = yield* start("tracker", [...local, "--store", store, "--workers", "2"])
      yield* listening(tracker, 2)
      yield* tracker.kill("SIGKILL")
      // The workers write to the same pipe, which ends with the last of them.
      assert.strictEqual((yield* tracker.ended).signal, "SIGKILL")
    }))
})
