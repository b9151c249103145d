import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { spawnSync } from "node:child_process"
import * as net from "node:net"
import * as Bytes from "../../../src/domain/Bytes.ts"
import type { InfoHash } from "../../../src/domain/InfoHash.ts"
import * as Offer from "../../../src/domain/tracker/Offer.ts"
import { Catalogue, CatalogueError } from "../../../src/services/Catalogue.ts"
import type * as CatalogueHttp from "../../../src/services/tracker/CatalogueHttp.ts"
import * as CataloguePage from "../../../src/services/tracker/CataloguePage.ts"
import * as Uploads from "../../../src/services/tracker/Uploads.ts"
import * as Server from "../../support/catalogueServer.ts"
import { document } from "../../support/torrents.ts"
import { versioned } from "../../support/versions.ts"

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly bytes: Uint8Array
}

const ask = (url: string, init: RequestInit = {}) =>
  Effect.promise(async (): Promise<Answer> => {
    const response = await fetch(url, { redirect: "manual", ...init })
    const bytes = new Uint8Array(await response.arrayBuffer())
    return { status: response.status, headers: response.headers, bytes, text: Bytes.toUtf8(bytes) }
  })

const post = ({ origin }: Server.Server, bytes: Uint8Array, headers: Record<string, string> = {}) =>
  ask(`${origin}/torrents`, { method: "POST", body: bytes as Uint8Array<ArrayBuffer>, headers })

const namesOf = ({ text }: Answer): Array<string> => JSON.parse(text).map(({ name }: { name: string }) => name)

/** One line, in JSON. */
const problemOf = (answer: Answer): string => {
  assert.strictEqual(answer.headers.get("content-type"), "application/json")
  const { error } = JSON.parse(answer.text) as { error: string }
  assert.match(error, /^[^\n]{5,200}$/)
  return error
}

/** Writes bytes to the server and gives what it says until it closes the connection. */
const raw = ({ origin }: Server.Server, ...parts: ReadonlyArray<string>) =>
  Effect.callback<string>((resume) => {
    const { hostname, port } = new URL(origin)
    const socket = net.connect(Number(port), hostname)
    let heard = ""
    for (const part of parts) socket.write(part, "latin1")
    socket.setEncoding("latin1").on("data", (text: string) => {
      heard += text
    })
    socket.on("error", () => {}).on("close", () => resume(Effect.succeed(heard)))
    return Effect.sync(() => void socket.destroy())
  })

const counts = (seeders: number, more: Partial<Offer.Counts> = {}): Offer.Counts => ({
  ...Server.NOBODY,
  seeders,
  ...more
})

const Live = Catalogue.layerMemory({ maxBytes: 4096, maxTorrents: 300 })

const hostile = ["<script>alert(1)</script>", "\"onmouseover=\"alert(1)", "a\u202ecba\u200bx", "x&y='z'"]

describe("publishing", () => {
  it.live("lists a torrent, and knows it the second time", () =>
    Effect.gen(function*() {
      const server = yield* Server.serve()
      const { bytes, infoHash } = document("a.txt")
      for (const status of [201, 200]) {
        const answer = yield* post(server, bytes)
        assert.strictEqual(answer.status, status, answer.text)
        assert.strictEqual(answer.headers.get("location"), `/torrents/${infoHash}.torrent`)
        assert.deepStrictEqual(JSON.parse(answer.text), { name: "a.txt", infoHash })
      }
      assert.deepStrictEqual((yield* ask(`${server.origin}/torrents/${infoHash}.torrent`)).bytes, bytes)
    }).pipe(Effect.scoped, Effect.provide(Live)))

  it.live("takes the token, when there is one", () =>
    Effect.gen(function*() {
      const server = yield* Server.serve({ publishToken: "s3cret" })
      const { bytes } = document("a")
      for (const authorization of ["", "Bearer", "Bearer s3cre", "Bearer s3cret2", "Basic s3cret", "s3cret"]) {
        const answer = yield* post(server, bytes, authorization === "" ? {} : { authorization })
        assert.strictEqual(answer.status, 401, authorization)
        assert.strictEqual(answer.headers.get("www-authenticate"), "Bearer")
        assert.include(problemOf(answer), "token")
      }
      assert.deepStrictEqual(namesOf(yield* ask(`${server.origin}/torrents`)), [])
      assert.strictEqual((yield* post(server, bytes, { authorization: "bearer s3cret" })).status, 201)
    }).pipe(Effect.scoped, Effect.provide(Live)))

  it.live("is taken back with the token alone", () =>
    Effect.gen(function*() {
      const server = yield* Server.serve({ publishToken: "s3cret" })
      const authorization = "Bearer s3cret"
      const remove = (path: string, headers: Record<string, string>) =>
        ask(`${server.origin}/torrents/${path}`, { method: "DELETE", headers })
      const [a, b] = [document("a"), document("b")]
      for (const { bytes } of [a, b]) yield* post(server, bytes, { authorization })
      assert.strictEqual((yield* remove(a.infoHash, {})).status, 401)
      assert.strictEqual((yield* remove(a.infoHash, { authorization: "Bearer s3cre" })).status, 401)
      assert.strictEqual((yield* remove(a.infoHash, { authorization, origin: "http://evil.example" })).status, 403)
      assert.strictEqual((yield* remove("0".repeat(40), { authorization })).status, 404)
      assert.strictEqual((yield* remove("x", { authorization })).status, 404)
      assert.deepStrictEqual(namesOf(yield* ask(`${server.origin}/torrents`)).toSorted(), ["a", "b"])
      assert.strictEqual((yield* remove(a.infoHash, { authorization })).status, 204)
      assert.strictEqual((yield* remove(a.infoHash, { authorization })).status, 404)
      assert.deepStrictEqual(namesOf(yield* ask(`${server.origin}/torrents`)), ["b"])
      assert.strictEqual((yield* ask(`${server.origin}/torrents/${a.infoHash}.torrent`)).status, 404)
      assert.strictEqual((yield* remove(`${b.infoHash}.torrent`, { authorization })).status, 204)
      const hybrid = versioned("hybrid", [{ path: ["f"], length: 20_000 }], 16_384)
      yield* post(server, hybrid.document, { authorization })
      assert.strictEqual((yield* remove(hybrid.metainfo.swarms[1]!, { authorization })).status, 204)
      assert.deepStrictEqual(namesOf(yield* ask(`${server.origin}/torrents`)), [])
    }).pipe(Effect.scoped, Effect.provide(Live)))

  it.live("and taking back know a torrent by its whole hash of version 2 too", () =>
    Effect.gen(function*() {
      const server = yield* Server.serve({ publishToken: "s3cret" })
      const authorization = "Bearer s3cret"
      for (const version of ["hybrid", "2"] as const) {
        const { document, metainfo } = versioned(version, [{ path: ["f"], length: 20_000 }], 16_384)
        yield* post(server, document, { authorization })
        const hash = metainfo.infoHashV2!
        const another = hash.slice(0, 40) + hash.slice(40).split("").toReversed().join("")
        const at = (path: string) => `${server.origin}/torrents/${path}`
        for (const path of [`${hash}.torrent`, `${hash.toUpperCase()}.torrent`]) {
          assert.deepStrictEqual((yield* ask(at(path))).bytes, document)
        }
        for (const path of [`${another}.torrent`, `${hash.slice(0, 63)}.torrent`, `${hash}0.torrent`, hash]) {
          assert.strictEqual((yield* ask(at(path))).status, 404, path)
        }
        const remove = (path: string) => ask(at(path), { method: "DELETE", headers: { authorization } })
        assert.strictEqual((yield* remove(another)).status, 404)
        assert.strictEqual((yield* remove(hash)).status, 204)
        assert.deepStrictEqual(namesOf(yield* ask(`${server.origin}/torrents`)), [])
      }
    }).pipe(Effect.scoped, Effect.provide(Live)))

  it.live("and taking back are told, with who did it; what changes nothing is not", () =>
    Effect.gen(function*() {
      const authorization = "Bearer s3cret"
      const { bytes, infoHash } = document("a")
      for (const trustProxy of [false, true]) {
        const changes: Array<CatalogueHttp.Change> = []
        const onChange = (change: CatalogueHttp.Change) => Effect.sync(() => void changes.push(change))
        const server = yield* Server.serve({ publishToken: "s3cret", trustProxy, onChange })
        const remove = (headers: Record<string, string>) =>
          ask(`${server.origin}/torrents/${infoHash}`, { method: "DELETE", headers })
        const told = () => changes.splice(0).map(({ from, listing, state }) => [state, listing.name, from])
        yield* post(server, bytes)
        yield* post(server, Bytes.fromUtf8("<html>"), { authorization })
        yield* remove({ authorization })
        assert.deepStrictEqual(told(), [])
        yield* post(server, bytes, { authorization, "x-forwarded-for": "192.0.2.1, 2001:db8::1" })
        yield* post(server, bytes, { authorization })
        assert.deepStrictEqual(told(), [["published", "a", trustProxy ? "2001:db8::1" : "127.0.0.1"]])
        yield* remove({})
        assert.deepStrictEqual(told(), [])
        yield* remove({ authorization, "x-forwarded-for": "evil" })
        assert.deepStrictEqual(told(), [["removed", "a", trustProxy ? undefined : "127.0.0.1"]])
      }
    }).pipe(Effect.scoped, Effect.provide(Live)))

  it.live("is for ever where everyone may publish", () =>
    Effect.gen(function*() {
      const server = yield* Server.serve()
      const { bytes, infoHash } = document("a")
      yield* post(server, bytes)
      const answer = yield* ask(`${server.origin}/torrents/${infoHash}`, { method: "DELETE" })
      assert.strictEqual(answer.status, 403)
      assert.include(problemOf(answer), "token")
      assert.deepStrictEqual(namesOf(yield* ask(`${server.origin}/torrents`)), ["a"])
    }).pipe(Effect.scoped, Effect.provide(Live)))

  it.live("is not for pages of other sites", () =>
    Effect.gen(function*() {
      const server = yield* Server.serve()
      const { bytes } = document("a")
      for (const origin of ["http://evil.example", "null", `${server.origin}0`]) {
        assert.strictEqual((yield* post(server, bytes, { origin })).status, 403, origin)
      }
      assert.strictEqual((yield* post(server, bytes, { origin: server.origin })).status, 201)
    }).pipe(Effect.scoped, Effect.provide(Live)))

  it.live("refuses what is no torrent, with the decoder's reason", () =>
    Effect.gen(function*() {
      const server = yield* Server.serve()
      for (const text of ["", "<html>", "d4:infodee", "le"]) {
        const answer = yield* post(server, Bytes.fromUtf8(text))
        assert.strictEqual(answer.status, 422, text)
        problemOf(answer)
      }
      assert.include(problemOf(yield* post(server, Bytes.fromUtf8("<html>"))), "not a torrent file")
    }).pipe(Effect.scoped, Effect.provide(Live)))

  it.live("refuses one too many", () =>
    Effect.gen(function*() {
      const server = yield* Server.serve()
      yield* post(server, document("a").bytes)
      const answer = yield* post(server, document("b").bytes)
      assert.strictEqual(answer.status, 507)
      assert.include(problemOf(answer), "full")
    }).pipe(Effect.scoped, Effect.provide(Catalogue.layerMemory({ maxTorrents: 1 }))))

  it.live("reads no more than a torrent may have", () =>
    Effect.gen(function*() {
      const server = yield* Server.serve()
      const head = "POST /torrents HTTP/1.1\r\nHost: x\r\n"
      // Nothing of the body is sent, so the answer cannot have waited for it.
      const announced = yield* raw(server, `${head}Content-Length: 4097\r\n\r\n`)
      assert.match(announced, /^HTTP\/1\.1 413 [^]*connection: close\r\n/i)
      const chunk = `800\r\n${"d".repeat(2048)}\r\n`
      const endless = yield* raw(server, `${head}Transfer-Encoding: chunked\r\n\r\n`, chunk, chunk, chunk)
      assert.match(endless, /^HTTP\/1\.1 413 [^]*4096 bytes/)
    }).pipe(Effect.scoped, Effect.provide(Live)))

  it.live("waits when too much is being read already", () =>
    Effect.gen(function*() {
      const server = yield* Server.serve({ uploads: { ...Uploads.LIMITS, maxTotalBytes: 100 } })
      const busy = yield* raw(server, "POST /torrents HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n")
      assert.match(busy, /^HTTP\/1\.1 503 [^]*retry-after: 10\r\n/i)
    }).pipe(Effect.scoped, Effect.provide(Live)))

  it.live("does not wait for a torrent that does not come", () =>
    Effect.gen(function*() {
      const server = yield* Server.serve({ uploads: { ...Uploads.LIMITS, windowMs: 1 } })
      const slow = yield* raw(server, "POST /torrents HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n")
      assert.match(slow, /^HTTP\/1\.1 408 [^]*connection: close\r\n/i)
    }).pipe(Effect.scoped, Effect.provide(Live)))
})

describe("the list", () => {
  it.live("says who has what, in one question to the store", () =>
    Effect.gen(function*() {
      const [a, b] = [document("a", 7), document("b", 8)]
      const swarms = new Map([[a.infoHash, { seeders: 2, leechers: 3, completed: 4, lastSeedAt: 1_700_000_000_000 }]])
      const server = yield* Server.serve({ swarms })
      yield* post(server, a.bytes)
      yield* post(server, b.bytes)
      const answer = yield* ask(`${server.origin}/torrents`)
      assert.strictEqual(answer.headers.get("x-total-count"), "2")
      assert.strictEqual(answer.headers.get("x-content-type-options"), "nosniff")
      const [first, second] = Offer.decodeAll(answer.text)!.toSorted((a, b) => a.name < b.name ? -1 : 1)
      assert.deepStrictEqual({ ...first, publishedAt: "" }, {
        infoHashV2: null,
        name: "a",
        size: 7,
        files: 1,
        infoHash: a.infoHash,
        seeds: 2,
        leeches: 3,
        completed: 4,
        lastSeen: "2023-11-14T22:13:20.000Z",
        publishedAt: ""
      })
      assert.deepInclude(second, { name: "b", seeds: 0, leeches: 0, completed: 0, lastSeen: null })
      assert.deepStrictEqual(server.scrapes, [2])
    }).pipe(Effect.scoped, Effect.provide(Live)))

  it.live("is of a name, of words, or of a page", () =>
    Effect.gen(function*() {
      const server = yield* Server.serve()
      for (const [at, name] of ["photos", "Photos 2026", "photos", "film"].entries()) {
        yield* post(server, document(name, at + 1).bytes)
      }
      const names = (query: string) => Effect.map(ask(`${server.origin}/torrents?${query}`), namesOf)
      assert.deepStrictEqual(yield* names("name=photos"), ["photos", "photos"])
      assert.deepStrictEqual(yield* names("name=PHOTOS%202"), ["Photos 2026"])
      assert.deepStrictEqual(yield* names("name=f"), ["film"])
      assert.deepStrictEqual(yield* names("name=nothing"), [])
      assert.deepStrictEqual(yield* names("name="), [])
      assert.deepStrictEqual(yield* names("search=2026+ph"), ["Photos 2026"])
      assert.strictEqual((yield* names("search=")).length, 4)
      const pages = yield* Effect.forEach(["limit=3", "limit=3&offset=3", "limit=3&offset=4"], names)
      assert.deepStrictEqual(pages.map((page) => page.length), [3, 1, 0])
      for (const query of ["limit=0", "limit=x", "offset=-1", "limit=1e3", "limit=99999999999"]) {
        const answer = yield* ask(`${server.origin}/torrents?${query}`)
        assert.strictEqual(answer.status, 400, query)
        assert.include(problemOf(answer), query.startsWith("limit") ? "limit" : "offset")
      }
    }).pipe(Effect.scoped, Effect.provide(Live)))
})

describe("a torrent", () => {
  it.live("comes as a file, once", () =>
    Effect.gen(function*() {
      const server = yield* Server.serve()
      const { bytes, infoHash } = document("naïve \"file\";\\ (1)'s.txt")
      yield* post(server, bytes)
      const url = `${server.origin}/torrents/${infoHash}.torrent`
      const answer = yield* ask(url)
      assert.strictEqual(answer.headers.get("content-type"), "application/x-bittorrent")
      assert.strictEqual(
        answer.headers.get("content-disposition"),
        "attachment; filename=\"na_ve _file_;_ (1)'s.txt.torrent\"; " +
          "filename*=UTF-8''na%C3%AFve%20%22file%22%3B_%20%281%29%27s.txt.torrent"
      )
      assert.deepStrictEqual(answer.bytes, bytes)
      const again = yield* ask(url, { headers: { "if-none-match": answer.headers.get("etag")! } })
      assert.deepStrictEqual([again.status, again.bytes.length], [304, 0])
      assert.deepStrictEqual((yield* ask(url.replace(infoHash, infoHash.toUpperCase()))).bytes, bytes)
      for (const path of ["0".repeat(40), "x".repeat(40), "..%2f..%2fetc%2fpasswd"]) {
        assert.strictEqual((yield* ask(`${server.origin}/torrents/${path}.torrent`)).status, 404, path)
      }
    }).pipe(Effect.scoped, Effect.provide(Live)))
})

describe("paths and methods", () => {
  it.live("are answered each with its own status", () =>
    Effect.gen(function*() {
      const server = yield* Server.serve()
      const { infoHash, bytes } = document("a")
      yield* post(server, bytes)
      const paths = ["/", "/torrents", `/torrents/${infoHash}.torrent`]
      for (const path of paths) {
        const [got, head] = [yield* ask(server.origin + path), yield* ask(server.origin + path, { method: "HEAD" })]
        assert.deepStrictEqual([got.status, head.status, head.bytes.length], [200, 200, 0], path)
        assert.strictEqual(head.headers.get("content-type"), got.headers.get("content-type"), path)
        for (const name of ["x-content-type-options", "referrer-policy"]) assert.isNotNull(got.headers.get(name), name)
        const patched = yield* ask(server.origin + path, { method: "PATCH" })
        assert.strictEqual(patched.status, 405)
        const more = path === "/torrents" ? ", POST" : path === "/" ? "" : ", DELETE"
        assert.strictEqual(patched.headers.get("allow"), `GET, HEAD${more}`)
        problemOf(patched)
      }
      for (const path of ["/torrents/", "/index.html", "/torrents/x", "//", "/favicon.ico"]) {
        const answer = yield* ask(server.origin + path)
        assert.strictEqual(answer.status, 404, path)
        problemOf(answer)
      }
    }).pipe(Effect.scoped, Effect.provide(Live)))

  it.live("say so while the store or the catalogue is away", () =>
    Effect.gen(function*() {
      const server = yield* Server.serve()
      yield* post(server, document("a").bytes)
      server.isLost = true
      for (const path of ["/", "/torrents"]) {
        const answer = yield* ask(server.origin + path)
        assert.strictEqual(answer.status, 503)
        assert.strictEqual(answer.headers.get("retry-after"), "30")
        problemOf(answer)
      }
    }).pipe(Effect.scoped, Effect.provide(Live)))

  const gone = Effect.fail(new CatalogueError({ reason: "Unavailable", detail: "gone" }))
  const Gone = Layer.mock(Catalogue, {
    maxBytes: 4096,
    has: () => false,
    listings: gone,
    get: () => gone,
    publish: () => gone
  })

  it.live("say so while the catalogue is away", () =>
    Effect.gen(function*() {
      const server = yield* Server.serve()
      assert.strictEqual((yield* ask(`${server.origin}/`)).status, 503)
      assert.strictEqual((yield* ask(`${server.origin}/torrents/${"0".repeat(40)}.torrent`)).status, 503)
      assert.strictEqual((yield* post(server, document("a").bytes)).status, 503)
    }).pipe(Effect.scoped, Effect.provide(Gone)))
})

describe("the page", () => {
  const page = (url: string, headers: Record<string, string> = {}) =>
    Effect.map(ask(url, { headers }), ({ text }) => text)

  it.live("shows names as text, and can run nothing", () =>
    Effect.gen(function*() {
      const server = yield* Server.serve()
      for (const [at, name] of hostile.entries()) yield* post(server, document(name, at + 1).bytes)
      const answer = yield* ask(`${server.origin}/?search=${encodeURIComponent("<img src=x onerror=alert(1)>\"")}`)
      const text = answer.text + (yield* page(`${server.origin}/`))
      assert.strictEqual(answer.headers.get("content-security-policy"), CataloguePage.POLICY)
      assert.notMatch(CataloguePage.POLICY, /unsafe|\*/)
      assert.strictEqual(text.match(/<script>/g)?.length, 2)
      assert.notMatch(text, /<img|\u202e|\u200b/)
      const tags = text.replaceAll(/"[^"]*"/g, "\"\"").match(/<[^>]*>/g)!.join("")
      assert.notMatch(tags, /\son\w+=/)
      assert.include(text, "&lt;script&gt;alert(1)&lt;_script&gt;")
      assert.include(text, "a_cba\\u{200b}x")
    }).pipe(Effect.scoped, Effect.provide(Live)))

  it.live("links to the magnet and the file, with this tracker", () =>
    Effect.gen(function*() {
      const a = document("a & b's")
      const server = yield* Server.serve({ swarms: new Map([[a.infoHash, counts(3, { completed: 1234 })]]) })
      yield* post(server, a.bytes)
      const text = yield* page(`${server.origin}/`)
      const tracker = encodeURIComponent(`${server.origin}/announce`)
      assert.include(
        text,
        `href="magnet:?xt=urn:btih:${a.infoHash}&amp;dn=a%20%26%20b%27s&amp;tr=${tracker}"`
      )
      assert.include(text, `href="/torrents/${a.infoHash}.torrent"`)
      assert.include(text, "1,234")
    }).pipe(Effect.scoped, Effect.provide(Live)))

  it.live("links to hybrids and version 2 by all their hashes, and counts who is in either swarm", () =>
    Effect.gen(function*() {
      const files = [{ path: ["f"], length: 20_000 }]
      const [hybrid, second] = [versioned("hybrid", files, 16_384), versioned("2", files, 16_384)]
      const [v1, v2] = hybrid.metainfo.swarms as [InfoHash, InfoHash]
      const [full1, full2] = [hybrid.metainfo.infoHashV2!, second.metainfo.infoHashV2!]
      const server = yield* Server.serve({
        swarms: new Map([
          [v1, counts(3, { leechers: 1, lastSeedAt: 5 })],
          [v2, counts(2, { leechers: 4, completed: 7 })],
          [second.metainfo.infoHash, counts(9)]
        ])
      })
      for (const { document } of [hybrid, second]) yield* post(server, document)
      const text = yield* page(`${server.origin}/`)
      assert.include(text, `magnet:?xt=urn:btih:${v1}&amp;xt=urn:btmh:1220${full1}&amp;`)
      assert.include(text, `magnet:?xt=urn:btmh:1220${full2}&amp;`)
      const { text: json } = yield* ask(`${server.origin}/torrents`)
      const [of2, of1] = Offer.decodeAll(json)!
      assert.deepInclude(of1, {
        infoHash: v1,
        infoHashV2: full1,
        seeds: 3,
        leeches: 4,
        completed: 7
      })
      assert.deepInclude(of2, { infoHash: second.metainfo.infoHash, infoHashV2: full2, seeds: 9 })
      for (const infoHash of [v1, v2]) {
        const answer = yield* ask(`${server.origin}/torrents/${infoHash}.torrent`)
        assert.deepStrictEqual(answer.bytes, new Uint8Array(hybrid.document))
      }
    }).pipe(Effect.scoped, Effect.provide(Live)))

  it.live("gives a command for each that a shell takes as it is meant", () =>
    Effect.gen(function*() {
      const server = yield* Server.serve()
      const names = ["plain-1.iso", "it's", "$(echo no) `echo no`; \"x\" \\ & <b>", "-rf", "a\u00adb", "~", "*", "e!1"]
      const documents = [...names.map((name) => document(name)), document("twin", 1), document("twin", 2)]
      for (const { bytes } of documents) yield* post(server, bytes)
      const text = yield* page(`${server.origin}/`)
      const commands = Array.from(text.matchAll(/<tr id="(\w+)"[^]*?<summary>command<\/summary><code>(.*?)<\/code>/g))
      assert.strictEqual(commands.length, documents.length)
      for (const [, infoHash, escaped] of commands) {
        const command = escaped!.replace(/&(lt|gt|amp|quot|#39);/g, (_, name: string) =>
          ({ lt: "<", gt: ">", amp: "&", quot: "\"", "#39": "'" })[name]!)
        const { stdout } = spawnSync("sh", ["-c", `freshet() { printf '%s\\n' "$@"; }\n${command}`], {
          encoding: "utf8"
        })
        const name = stdout.split("\n")[3]!
        assert.deepStrictEqual(stdout.split("\n"), ["leech", "--from", server.origin, name, ""])
        const found = JSON.parse((yield* ask(`${server.origin}/torrents?name=${encodeURIComponent(name)}`)).text)
        assert.deepStrictEqual(
          found.map((offer: { infoHash: string }) =>
            offer.infoHash
          ),
          [infoHash],
          command
        )
        assert.notMatch(name, /^-/)
      }
    }).pipe(Effect.scoped, Effect.provide(Live)))

  it.live("takes no address from a header that is none", () =>
    Effect.gen(function*() {
      const server = yield* Server.serve()
      yield* post(server, document("a").bytes)
      const text = yield* raw(server, "GET / HTTP/1.1\r\nHost: x\"><script>/@evil\r\nConnection: close\r\n\r\n")
      assert.match(text, /^HTTP\/1\.1 (200|400)/)
      assert.notInclude(text, "evil")
    }).pipe(Effect.scoped, Effect.provide(Live)))

  it.live("names UDP too, and the scheme that a proxy of ours has seen", () =>
    Effect.gen(function*() {
      yield* Catalogue.use((catalogue) => catalogue.publish(document("a").bytes))
      const trackers = (trustProxy: boolean, host: string, proto: string) =>
        Effect.gen(function*() {
          const server = yield* Server.serve({ udpPort: () => 7, trustProxy })
          const head = `GET / HTTP/1.1\r\nHost: ${host}\r\nX-Forwarded-Proto: ${proto}\r\nConnection: close\r\n\r\n`
          const text = yield* raw(server, head)
          return Array.from(text.matchAll(/;tr=([^&"]+)/g), ([, url]) => decodeURIComponent(url!))
        })
      const udp = "udp://t.example:7/announce"
      assert.deepStrictEqual(yield* trackers(true, "t.example", "http, https"), ["https://t.example/announce", udp])
      assert.deepStrictEqual(yield* trackers(true, "t.example", "https, http"), ["http://t.example/announce", udp])
      assert.deepStrictEqual(yield* trackers(false, "t.example:80", "https"), ["http://t.example:80/announce", udp])
      assert.deepStrictEqual(
        yield* trackers(true, "[::1]:6969", "javascript"),
        ["http://[::1]:6969/announce", "udp://[::1]:7/announce"]
      )
    }).pipe(Effect.scoped, Effect.provide(Live)))

  it.live("uses the announce URLs that it is given", () =>
    Effect.gen(function*() {
      const trackers = ["https://t.example/announce", "udp://t.example:1"]
      const server = yield* Server.serve({ trackers })
      yield* post(server, document("a").bytes)
      const text = yield* page(`${server.origin}/`)
      for (const tracker of trackers) assert.include(text, `tr=${encodeURIComponent(tracker)}`)
      assert.include(text, "--from https://t.example")
    }).pipe(Effect.scoped, Effect.provide(Live)))

  it.live("says how to publish while nothing is, and when nothing is found", () =>
    Effect.gen(function*() {
      const server = yield* Server.serve()
      const nothing = yield* page(`${server.origin}/`)
      assert.include(nothing, `freshet seed FILE --tracker ${server.origin}/announce --publish`)
      yield* post(server, document("a").bytes)
      assert.include(yield* page(`${server.origin}/?search=b`), "No torrent of that name")
    }).pipe(Effect.scoped, Effect.provide(Live)))

  it.live("tells when a seed was last seen", () =>
    Effect.gen(function*() {
      const ages = [[1, "a moment ago"], [61_000, "1 minute ago"], [7.3e6, "2 hours ago"], [4e8, "4 days ago"]] as const
      const torrents = ages.map(([age], at) => ({ age, ...document("a", at + 1) }))
      const now = Date.now()
      const swarms = new Map(torrents.map(({ age, infoHash }) => [infoHash, counts(0, { lastSeedAt: now - age })]))
      const server = yield* Server.serve({ swarms })
      for (const { bytes } of torrents) yield* post(server, bytes)
      yield* post(server, document("never", 9).bytes)
      const text = yield* page(`${server.origin}/`)
      for (const [, words] of ages) assert.include(text, `>${words}</time>`)
      assert.include(text, ">never<")
    }).pipe(Effect.scoped, Effect.provide(Live)))

  it.live("goes on on other pages, and asks the store for one page at a time", () =>
    Effect.gen(function*() {
      const server = yield* Server.serve()
      const catalogue = yield* Catalogue
      for (let n = 1; n <= 250; n++) yield* catalogue.publish(document(`torrent ${n % 5}`, n).bytes)
      const rows = (text: string) => text.match(/<tr id=/g)?.length ?? 0
      const first = yield* page(`${server.origin}/`)
      const last = yield* page(`${server.origin}/?page=2`)
      assert.deepStrictEqual([rows(first), rows(last)], [200, 50])
      assert.include(first, "href=\"/?page=2\"")
      assert.include(last, "page 2 of 2")
      assert.deepStrictEqual(server.scrapes, [200, 50])
      for (const beyond of ["9", "0", "x", "-1"]) {
        assert.isAbove(rows(yield* page(`${server.origin}/?page=${beyond}`)), 0)
      }
      const found = yield* page(`${server.origin}/?search=torrent+3`)
      assert.strictEqual(rows(found), 50)
      assert.include(found, "50 of 250 torrents")
    }).pipe(Effect.scoped, Effect.provide(Live)))
})
