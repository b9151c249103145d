/** Web seeds (BEP 19) beside peers and alone, in virtual time; what the servers do is scripted. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as PieceLayout from "../../src/domain/PieceLayout.ts"
import type { TorrentEvent } from "../../src/services/TorrentEvent.ts"
import * as Payload from "../support/payload.ts"
import * as Swarm from "../support/swarm.ts"
import * as WebServer from "../support/webServer.ts"

const PIECE = 2 * PieceLayout.BLOCK

const KB = 1000

/** Three files that end inside of pieces, one that holds nothing, and padding. */
const torrent = Payload.torrent(
  [
    { length: 30 * PIECE + 77 },
    { length: 0 },
    { length: 5 },
    { length: 40 * PIECE - 82, padding: false },
    { length: PIECE - 1000, padding: true },
    { length: 9 * PIECE + 1000 }
  ],
  PIECE
)

const URL_ = "http://user:secret@mirror.example/pub/"

const path = () => ({ latency: 30, rate: 400 * KB })

const contents = new Map(
  torrent.metainfo.files.map(({ path }, file) => [`/pub/${path.join("/")}`, Payload.content(torrent, file)])
)

/** A server that has everything, and notes what it was asked for. */
const good = (asked: Array<WebServer.Request> = []) => (request: WebServer.Request): WebServer.Response => {
  asked.push(request)
  const content = contents.get(request.url.pathname)
  return content === undefined ? { status: 404 } : WebServer.partOf(content, request)
}

const serve = (answer: (request: WebServer.Request) => WebServer.Response, more: Partial<WebServer.Server> = {}) => ({
  answer: (request: WebServer.Request) => Effect.delay(Effect.sync(() => answer(request)), 20),
  ...more
})

const options = { webSeeds: [URL_] }

const told = ({ events }: Swarm.Node, tag: TorrentEvent["_tag"]): Array<string> =>
  events.flatMap((event) => event._tag === tag && "message" in event ? [event.message] : [])

const isComplete = (node: Swarm.Node): boolean =>
  torrent.metainfo.files.every(({ length, padding }, file) =>
    padding || length === 0 || Swarm.isWhole(torrent, node, file)
  )

const start = Effect.fnUntraced(function*(
  web: WebServer.Server,
  more: Partial<Swarm.NodeOptions["options"]> & object = {},
  session: Swarm.NodeOptions["session"] = {}
) {
  const swarm = yield* Swarm.make({ torrent, seed: 1, path, web })
  const leech = yield* swarm.start({ number: 1, peers: [], session, options: { ...options, ...more } })
  return { swarm, leech }
})

const finish = (leech: Swarm.Node, most = 120_000) =>
  Effect.map(Swarm.within(most, Swarm.allDone([leech]), [leech]), ({ took }) => {
    assert.isTrue(isComplete(leech))
    return took
  })

/** Every byte that was asked for, by file: how often. */
const countOf = (asked: ReadonlyArray<WebServer.Request>): Map<string, Uint8Array> => {
  const counts = new Map<string, Uint8Array>()
  for (const { from, to, url } of asked) {
    const count = counts.get(url.pathname) ?? new Uint8Array(contents.get(url.pathname)!.length)
    counts.set(url.pathname, count)
    for (let at = from; at <= to; at++) count[at]!++
  }
  return counts
}

describe("a web seed alone", () => {
  for (const order of ["Rarest", "Sequential"] as const) {
    it.effect(`gives everything, each byte once: ${order}`, () =>
      Effect.gen(function*() {
        const asked: Array<WebServer.Request> = []
        const { leech } = yield* start(serve(good(asked), { rate: 500 * KB }), { order })
        yield* finish(leech)
        const counts = countOf(asked)
        assert.strictEqual(counts.size, 4)
        for (const count of counts.values()) assert.isTrue(count.every((times) => times === 1))
        // Long runs: not a request for each piece.
        assert.isBelow(asked.length, torrent.metainfo.layout.pieces)
        assert.isTrue(asked.every(({ headers }) => headers["accept-encoding"] === "identity"))
        assert.isTrue(asked.every(({ headers }) => headers["authorization"] === `Basic ${btoa("user:secret")}`))
        assert.notInclude(JSON.stringify(leech.events), "secret")
      }))
  }

  it.effect("counts as a web seed, not as a peer or seed, and is asked for nothing else", () =>
    Effect.gen(function*() {
      const { leech } = yield* start(serve(good(), { rate: 200 * KB }))
      yield* TestClock.adjust("4 seconds")
      const { peers, seeds, webSeeds } = leech.torrent.snapshot()
      assert.deepStrictEqual([peers, seeds, webSeeds], [0, 0, 1])
      yield* TestClock.adjust("8 seconds")
      for (const peer of leech.torrent.swarm.peers) assert.isTrue(peer.amChoking)
      yield* finish(leech)
      assert.deepStrictEqual(leech.events.filter(({ _tag }) => _tag.startsWith("Peer")), [])
      assert.strictEqual(leech.torrent.snapshot().webSeeds, 0)
    }))

  it.effect("serves a private torrent as well, and the chosen files alone", () =>
    Effect.gen(function*() {
      const asked: Array<WebServer.Request> = []
      const metainfo = { ...torrent.metainfo, private: true }
      const { leech } = yield* start(serve(good(asked)), { metainfo, selected: new Set([5]) })
      yield* Swarm.within(60_000, Swarm.allDone([leech]), [leech])
      assert.isTrue(Swarm.isWhole(torrent, leech, 5))
      assert.deepStrictEqual([...countOf(asked).keys()], [`/pub/${torrent.metainfo.files[5]!.path.join("/")}`])
    }))

  it.effect("keeps to the download limit", () =>
    Effect.gen(function*() {
      const { leech } = yield* start(serve(good()), {}, { maxDownloadRate: 100 * KB })
      yield* TestClock.adjust("2 seconds")
      const before = leech.torrent.snapshot().downloaded
      yield* TestClock.adjust("10 seconds")
      assert.approximately((leech.torrent.snapshot().downloaded - before) / 10, 100 * KB, 10 * KB)
      yield* finish(leech)
    }))
})

describe("a web seed among peers", () => {
  it.effect("shares the work with them by what each gives", () =>
    Effect.gen(function*() {
      const asked: Array<WebServer.Request> = []
      const web = serve(good(asked), { rate: 50 * KB })
      const swarm = yield* Swarm.make({ torrent, seed: 1, path, web })
      yield* swarm.start({ number: 2, has: "All", up: 200 * KB })
      const leech = yield* swarm.start({ number: 1, peers: [2], options })
      yield* finish(leech)
      const fromWeb = asked.reduce((sum, { from, to }) => sum + to + 1 - from, 0)
      const total = torrent.payload.length
      // Four connections of 50 KB/s and a peer of 200: about one half each.
      assert.isTrue(fromWeb > total / 4 && fromWeb < total * 3 / 4, `${fromWeb} of ${total}`)
    }))

  it.effect("that hangs holds nothing up", () =>
    Effect.gen(function*() {
      const web = { answer: () => Effect.never }
      const swarm = yield* Swarm.make({ torrent, seed: 1, path, web })
      yield* swarm.start({ number: 2, has: "All" })
      const leech = yield* swarm.start({ number: 1, peers: [2], options })
      const took = yield* finish(leech)
      assert.isBelow(took, 40_000)
    }))
})

describe("a web seed that is not well", () => {
  it.effect("is busy, rests as long as it says, and is asked again", () =>
    Effect.gen(function*() {
      let busy = 3
      const answer = good()
      const web = serve((request) => busy-- > 0 ? { status: 503, headers: { "retry-after": "20" } } : answer(request))
      const { leech } = yield* start(web)
      const took = yield* finish(leech)
      assert.isAtLeast(took, 60_000)
      assert.deepStrictEqual(told(leech, "WebSeedFailed"), Array(3).fill("is busy (HTTP 503)"))
      const rests = leech.events.flatMap((event) => event._tag === "WebSeedFailed" ? [event.retryInMs] : [])
      assert.deepStrictEqual(rests, [20_000, 20_000, 20_000])
    }))

  it.effect("bears few connections: it gives all by those", () =>
    Effect.gen(function*() {
      let open = 0
      const answer = good()
      const web: WebServer.Server = {
        rate: 200 * KB,
        answer: (request) =>
          Effect.suspend(() => {
            if (open >= 2) return Effect.succeed({ status: 503 })
            open++
            return Effect.ensuring(
              Effect.delay(Effect.sync(() => answer(request)), 200),
              Effect.sync(() => open--)
            )
          })
      }
      const { leech } = yield* start(web)
      yield* finish(leech)
      assert.isAtMost(told(leech, "WebSeedFailed").length, 1)
    }))

  it.effect("lacks one file: the others are fetched, and the rest comes from elsewhere", () =>
    Effect.gen(function*() {
      const answer = good()
      const lost = torrent.metainfo.files[0]!.path.join("/")
      const web = serve((request) => request.url.pathname.endsWith(lost) ? { status: 404 } : answer(request))
      const { leech } = yield* start(web)
      yield* Swarm.until(60_000, () => leech.torrent.swarm.missing === 31, [leech])
      assert.deepStrictEqual(told(leech, "WebSeedLacks"), ["has no such file (HTTP 404)"])
      assert.deepStrictEqual(told(leech, "WebSeedDropped"), [])
      assert.isTrue(Swarm.isWhole(torrent, leech, 5))
    }))

  const drops: ReadonlyArray<readonly [string, (request: WebServer.Request) => WebServer.Response, string]> = [
    ["has nothing of the torrent", () => ({ status: 404 }), "has no such file (HTTP 404)"],
    ["wants another password", () => ({ status: 401 }), "wants another user or password (HTTP 401)"],
    [
      "sends the wrong bytes",
      (request) => WebServer.partOf(contents.get(request.url.pathname)!.map((byte) => byte ^ 1), request),
      "sent wrong blocks"
    ],
    [
      "has other files by these names",
      (request) => WebServer.partOf(new Uint8Array(1e6), request),
      "has a file of 1000000 bytes there, not"
    ],
    [
      "redirects in a circle",
      ({ url }) => ({ status: 302, headers: { location: url.href } }),
      "redirects more than 5 times"
    ],
    [
      "redirects to a file",
      () => ({ status: 302, headers: { location: "file:///etc/passwd" } }),
      "redirects to no web address"
    ],
    [
      "redirects into the local network",
      () => ({ status: 302, headers: { location: "http://printer.lan/" } }),
      "redirects into the local network"
    ]
  ]
  for (const [what, answer, message] of drops) {
    it.effect(`${what}: it is given up, with its cause`, () =>
      Effect.gen(function*() {
        const asked: Array<URL> = []
        const web = serve((request) => {
          asked.push(request.url)
          return answer(request)
        }, { addressOf: (host) => host === "printer.lan" ? "192.168.1.9" : "192.0.2.80" })
        const { leech } = yield* start(web)
        yield* Swarm.until(60_000, () => told(leech, "WebSeedDropped").length > 0, [leech])
        assert.include(told(leech, "WebSeedDropped")[0]!, message)
        assert.strictEqual(leech.torrent.snapshot().webSeeds, 0)
        assert.isFalse(asked.some(({ hostname }) => hostname === "printer.lan"))
        const before = asked.length
        yield* TestClock.adjust("20 minutes")
        assert.strictEqual(asked.length, before)
      }))
  }

  it.effect("answers too little, again and again: what came is used, and the rest asked for again", () =>
    Effect.gen(function*() {
      const answer = good()
      const web = serve((request) => {
        const to = Math.min(request.to, request.from + 50_000)
        return answer({ ...request, to })
      })
      const { leech } = yield* start(web)
      yield* finish(leech)
      assert.deepStrictEqual(told(leech, "WebSeedFailed"), [])
    }))

  it.effect("sends less than it says: it rests, and what came is kept", () =>
    Effect.gen(function*() {
      let short = 2
      const answer = good()
      const web = serve((request) => {
        const { body, ...head } = answer(request)
        return short-- > 0 ? { ...head, body: body!.subarray(0, body!.length - 1) } : { ...head, body: body! }
      })
      const { leech } = yield* start(web)
      yield* finish(leech)
      assert.isTrue(told(leech, "WebSeedFailed").every((message) => message === "sent less than it said"))
    }))

  it.effect("is followed where it redirects, without its password, and the place is remembered", () =>
    Effect.gen(function*() {
      const asked: Array<WebServer.Request> = []
      const answer = good(asked)
      let redirects = 0
      const web = serve((request) => {
        if (request.url.hostname === "cdn.example") return answer(request)
        redirects++
        return { status: 302, headers: { location: `//me:too@cdn.example${request.url.pathname}` } }
      }, { rate: 500 * KB })
      const { leech } = yield* start(web)
      yield* finish(leech)
      assert.isTrue(asked.every(({ headers }) => headers["authorization"] === undefined))
      assert.isBelow(redirects, asked.length)
    }))

  it.effect("of a torrent may not be in the local network with a query, unless the user names it", () =>
    Effect.gen(function*() {
      const single = "http://192.168.1.1/pub/?reboot=1&x="
      const web = serve((request) => good()({ ...request, url: new URL(`http://h${request.url.search.slice(12)}`) }), {
        addressOf: () => "192.168.1.1"
      })
      const { leech } = yield* start(web, { webSeeds: [single] })
      yield* Swarm.until(10_000, () => told(leech, "WebSeedDropped").length > 0, [leech])
      assert.include(told(leech, "WebSeedDropped")[0]!, "--web-seed")
      const named = yield* start(web, { webSeeds: [single], namedWebSeeds: [single] })
      yield* TestClock.adjust("5 seconds")
      assert.notInclude(told(named.leech, "WebSeedDropped").join(), "--web-seed")
    }))
})
