import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { gzipSync } from "node:zlib"
import * as Proxy from "../../src/domain/Proxy.ts"
import * as Blocklist from "../../src/services/Blocklist.ts"
import { Resolver } from "../../src/services/Resolver.ts"
import { serveWeb } from "../support/httpTracker.ts"
import * as ProxyServer from "../support/proxyServer.ts"
import { onlyTheProxy } from "./proxy/support.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "freshet-blocklist-"))),
  (dir) => Effect.sync(() => fs.rmSync(dir, { recursive: true }))
)

const P2P = "# list\nSomebody:1.2.3.0-1.2.3.255\nOthers:4.5.6.7-4.5.6.7\n"

const written = Effect.fnUntraced(function*(files: Readonly<Record<string, string | Uint8Array>>) {
  const dir = yield* folder
  return Object.entries(files).map(([name, content]) => {
    const file = path.join(dir, name)
    fs.writeFileSync(file, content)
    return file
  })
})

const load = (sources: ReadonlyArray<string>, options?: Blocklist.BlocklistOptions) =>
  Effect.provide(Blocklist.load(sources, options), Resolver.layer)

const complaint = (source: string) =>
  Effect.map(Effect.flip(load([source])), ({ message, reason }) => `${reason} ${message}`)

describe("Blocklist", () => {
  it.live("makes one filter of files of all kinds, plain or gzip", () =>
    Effect.gen(function*() {
      const dat = gzipSync("5.0.0.0 - 5.0.0.255 , 000 , x\n6.0.0.0 - 6.0.0.255 , 200 , y\n")
      const files = yield* written({ "a.p2p": P2P, "b.dat": dat, "c.txt": "2001:db8::/32\n5.0.1.0/24" })
      const { filter, notes } = yield* load(files)
      assert.deepStrictEqual(notes, [])
      const hosts = ["1.2.3.4", "4.5.6.7", "5.0.0.9", "5.0.1.9", "2001:db8:1::1", "4.5.6.8", "6.0.0.1", "5.0.2.0"]
      assert.deepStrictEqual(hosts.map((host) => filter.isBlocked(host)), [
        true,
        true,
        true,
        true,
        true,
        false,
        false,
        false
      ])
      assert.strictEqual(filter.size, 4)
    }))

  it.live("tells once of lines that make no sense, and of a list without addresses", () =>
    Effect.gen(function*() {
      const [odd, odder, half, empty] = yield* written({
        odd: `${P2P}what?\n`,
        odder: `what?\n${P2P}1.2.3\n`,
        half: "192.0.2.1\nwhat?\n",
        empty: "# none\n"
      })
      const { notes } = yield* load([odd!, odder!, half!, empty!])
      assert.deepStrictEqual(notes, [
        `blocklist ${odd}: line 4 makes no sense; the other 2 are in force`,
        `blocklist ${odder}: 2 lines make no sense, the first is line 1; the other 2 are in force`,
        `blocklist ${half}: line 2 makes no sense; the other is in force`,
        `blocklist ${empty} names no addresses`
      ])
    }))

  it.live("fails as a whole with one line about the list that cannot be used", () =>
    Effect.gen(function*() {
      const bomb = gzipSync(new Uint8Array(Blocklist.MAX_TEXT + 1).fill(0x78), { level: 1 })
      const [page, zip, broken, tooLong] = yield* written({
        page: "<html>\n<body>Not found</body>\n</html>\n",
        zip: Uint8Array.of(0x50, 0x4b, 3, 4, 0, 0),
        broken: gzipSync(P2P).subarray(0, 30),
        tooLong: bomb
      })
      assert.strictEqual(
        yield* complaint(page!),
        `Malformed blocklist ${page}: no line of it names addresses; is it a blocklist?`
      )
      assert.include(yield* complaint(zip!), "it is a zip archive; unpack it first")
      assert.include(yield* complaint(broken!), "it is broken gzip")
      assert.include(yield* complaint(tooLong!), "TooLarge")
      assert.match(yield* complaint(`${page}/none`), /^Unreadable .*ENOTDIR/)
      assert.match(yield* complaint(`${page}-none`), /^NotFound .*there is no such file/)
      assert.match(yield* complaint(path.dirname(page!)), /^Unreadable .*it is a folder/)
    }))

  it.live("comes from the web, through the proxy if there is one, and keeps the key in a URL to itself", () =>
    Effect.gen(function*() {
      const root = yield* serveWeb((request, response) => {
        if (request.url !== "/list.gz?pin=s3cret") response.statusCode = 404
        response.end(gzipSync(P2P))
      })
      const { filter } = yield* load([`${root}/list.gz?pin=s3cret`])
      assert.isTrue(filter.isBlocked("1.2.3.4"))
      assert.strictEqual(
        yield* complaint(`${root}/gone?pin=s3cret`),
        `NotFound blocklist ${root}/gone: the server answered with status 404`
      )
      const proxy = yield* ProxyServer.start({ names: { "lists.example": "127.0.0.1" } })
      const named = new URL("/list.gz?pin=s3cret", root)
      named.hostname = "lists.example"
      const far = yield* Effect.provide(
        Blocklist.load([named.href], { proxy: Proxy.parse(`socks5://127.0.0.1:${proxy.port}`)! }),
        onlyTheProxy
      )
      assert.isTrue(far.filter.isBlocked("4.5.6.7"))
      assert.deepStrictEqual(proxy.asked, [`tcp lists.example:${named.port}`])
    }))
})
