/** Whom the built programs talk to, and through whom: `--blocklist` and `--proxy`. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import { gzipSync } from "node:zlib"
import * as HttpTracker from "../support/httpTracker.ts"
import * as Payload from "../support/payload.ts"
import * as Programs from "../support/programs.ts"
import * as ProxyServer from "../support/proxyServer.ts"
import { placeAll, publish, wrongFiles } from "../support/published.ts"
import * as RawPeer from "../support/rawPeer.ts"
import { leech, placeIn } from "../support/stage.ts"

const torrent = publish([{ length: 300_000 }], 32_768)

const list = (dir: string, name: string, text: string): string => {
  const file = path.join(dir, name)
  fs.writeFileSync(file, name.endsWith(".gz") ? gzipSync(text) : text)
  return `--blocklist=${file}`
}

describe("--blocklist", () => {
  it.live("keeps a leech from peers of all lists together, and says so", () =>
    Effect.gen(function*() {
      const root = yield* Payload.temporary
      const place = placeIn(root, torrent)
      let calls = 0
      const source = yield* RawPeer.listen(torrent.metainfo.infoHash, () => calls++)
      const lists = [list(root, "a.gz", "x:127.0.0.0-127.255.255.255\n"), list(root, "b.txt", "10.0.0.0/8\nwhat?\n")]
      const { code, err, records } = yield* (yield* leech(place, [source.address], ...lists, "--stop-timeout=1")).ended
      assert.strictEqual(code, 2, err)
      assert.strictEqual(calls, 0)
      const summary = records.findLast(({ type }) => type === "summary")
      assert.strictEqual(summary?.type === "summary" && summary.blocked, 1)
      const warned = records.flatMap((record) => record.type === "warning" ? [record.message] : [])
      assert.deepStrictEqual(warned, [`peer ${source.address} is on the blocklist, and is not called`])
      assert.match(err, /nothing arrived for a second: the only peer known is on the blocklist$/m)
    }))

  it.live("has a seed hang up on whom it blocks, and serve the others", () =>
    Effect.gen(function*() {
      const root = yield* Payload.temporary
      const { dir, file, state } = placeIn(root, torrent)
      placeAll(torrent, dir)
      const tracker = yield* HttpTracker.make()
      const seed = yield* Programs.start("seed", [
        file,
        `--dir=${dir}`,
        `--state-dir=${state}`,
        "--bind=127.0.0.1",
        "--listen-port=0",
        "--json",
        `--tracker=${tracker.url}`,
        list(root, "list", "127.0.0.9")
      ])
      const port = (yield* tracker.heard("started")).query.get("port")
      const leechAt = (ip: string) =>
        Programs.run("leech", [
          file,
          `--dir=${path.join(root, ip)}`,
          `--state-dir=${path.join(root, `${ip} state`)}`,
          `--bind=${ip}`,
          "--listen-port=0",
          "--stop-timeout=2",
          `--peer=127.0.0.1:${port}`
        ])
      assert.strictEqual((yield* leechAt("127.0.0.9")).code, 2)
      assert.strictEqual((yield* leechAt("127.0.0.8")).code, 0)
      assert.deepStrictEqual(wrongFiles(torrent, path.join(root, "127.0.0.8")), [])
      yield* seed.kill("SIGTERM")
      assert.strictEqual(Programs.summaryOf(yield* seed.ended).blocked, 1)
    }))

  it.live("that cannot be used ends the program in one line", () =>
    Effect.gen(function*() {
      const root = yield* Payload.temporary
      const { file } = placeIn(root, torrent)
      const ends: ReadonlyArray<readonly [flag: string, code: number]> = [
        [list(root, "page", "<html>\n"), 28],
        [`--blocklist=${root}/none`, 15],
        [`--blocklist=${root}`, 15],
        ["--blocklist=http://127.0.0.1:1/list.gz", 6]
      ]
      for (const [flag, code] of ends) {
        const ended = yield* Programs.run("leech", [file, "--bind=127.0.0.1", flag])
        assert.strictEqual(ended.code, code, flag)
        assert.match(ended.err, Programs.ONE_LINE)
        assert.include(ended.err, "blocklist ")
      }
    }))
})

describe("--proxy", () => {
  const ways = ["leech", "seed", "show", "verify", "edit"] as const

  for (const program of ways) {
    it.live(`${program} gets a torrent from the web through it or not at all`, () =>
      Effect.gen(function*() {
        const root = yield* Payload.temporary
        const dir = path.join(root, "files")
        placeAll(torrent, dir)
        let asked = 0
        const web = yield* HttpTracker.serveWeb((_, response) => {
          asked++
          response.end(torrent.document)
        })
        const url = new URL("/x.torrent", web)
        const args = {
          leech: ["--show-files"],
          seed: [`--dir=${root}/none`],
          show: [],
          verify: [`--dir=${dir}`],
          edit: ["--comment=x", "-o", "-"]
        }[program]
        const down = yield* Programs.run(program, [url.href, ...args], {
          env: { FRESHET_PROXY: "socks5://me:secret@127.0.0.1:1" }
        })
        assert.strictEqual(down.code, 6, down.err)
        assert.match(down.err, /the proxy socks5:\/\/127\.0\.0\.1:1 refuses connections\n$/)
        assert.strictEqual(asked, 0)
        const proxy = yield* ProxyServer.start({ names: { "web.example": "127.0.0.1" } })
        url.hostname = "web.example"
        yield* Programs.run(program, [url.href, ...args, `--proxy=http://127.0.0.1:${proxy.port}`])
        assert.strictEqual(asked, 1)
        assert.deepStrictEqual(proxy.asked, [`tcp web.example:${url.port}`])
      }))
  }

  it.live("finds a torrent by its name through it or not at all", () =>
    Effect.gen(function*() {
      const proxy = yield* ProxyServer.start()
      const { code, err } = yield* Programs.run("leech", [
        "photos",
        "--from=http://tracker.example:6969",
        `--proxy=socks5://127.0.0.1:${proxy.port}`
      ])
      assert.strictEqual(code, 6)
      assert.match(err, Programs.ONE_LINE)
      assert.include(err, `the proxy socks5://127.0.0.1:${proxy.port} cannot reach the host`)
      assert.deepStrictEqual(proxy.asked, ["tcp tracker.example:6969"])
    }))

  it.live("takes no port to listen on", () =>
    Effect.gen(function*() {
      const { file } = placeIn(yield* Payload.temporary, torrent)
      const { code, err } = yield* Programs.run("leech", [file, "--proxy=socks5://127.0.0.1", "--listen-port=6881"])
      assert.strictEqual(code, 28)
      assert.match(err, /^freshet: --proxy and --listen-port exclude each other[^\n]*\n$/)
    }))
})
