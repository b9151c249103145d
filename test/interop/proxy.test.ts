/**
 * The built leech behind a proxy: it goes through it or nowhere, as the kernel sees it, and it gets along with the proxies
 * that people have.
 */
import { assert, describe, layer, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Magnet from "../../src/domain/Magnet.ts"
import * as Metainfo from "../../src/domain/Metainfo.ts"
import * as Clients from "./support/Clients.ts"
import * as Fixtures from "./support/Fixtures.ts"
import * as Lacking from "./support/Lacking.ts"
import * as Namespace from "./support/Namespace.ts"
import * as Observer from "./support/Observer.ts"
import * as Stage from "./support/Stage.ts"
import { assertEqualFiles, assertExit, dialled, payload, seedAt } from "./support/Transfer.ts"

vi.setConfig({ testTimeout: 120_000 })

const lacking = [
  Namespace.unavailable(),
  Lacking.debian(Clients.libtorrent),
  Lacking.command("strace"),
  Lacking.command("microsocks"),
  Lacking.command("tinyproxy")
].filter((need) => need !== undefined)

const proxyAt = { ip: Namespace.address(3), port: 1080 }
const trackerIp = Namespace.address(1)
const names = { "seed.example": seedAt.ip, "tracker.example": trackerIp, "web.example": trackerIp }

const byName = [
  `--peer=seed.example:${seedAt.port}`,
  "--tracker=http://tracker.example:6969/announce",
  "--tracker=udp://tracker.example:6969",
  "--web-seed=http://web.example:6969/nothing/"
]

/** A seed of libtorrent, and our tracker over HTTP and UDP. */
const others = Effect.fnUntraced(function*(stage: Stage.Stage, fixture: Fixtures.Fixture) {
  const tracker = yield* stage.spawn("tracker.js", [
    Stage.machineNode,
    Clients.program("tracker"),
    "--port=6969",
    `--bind=${trackerIp}`,
    `--data-dir=${stage.folder("tracker")}`
  ])
  yield* tracker.prints(/udp:\/\//)
  const seed = yield* Clients.libtorrent.seed(stage, {
    torrent: fixture.torrent,
    dir: payload(stage, fixture),
    ...seedAt
  })
  yield* seed.prints(Clients.libtorrent.ready)
})

/** The leech under the eye of the observer; slow enough for every tracker to have its say. */
const leech = Effect.fnUntraced(function*(stage: Stage.Stage, torrent: string, flags: ReadonlyArray<string>) {
  const calls = path.join(stage.dir, "calls")
  const dir = stage.folder("leech")
  const argv = [
    Stage.machineNode,
    Clients.program("leech"),
    torrent,
    `--dir=${dir}`,
    `--state-dir=${path.join(stage.dir, "state")}`,
    "--max-download-limit=10M",
    "--json",
    ...flags
  ]
  const child = yield* stage.spawn("leech.js", Observer.watching(calls, argv))
  return { child, dir, seen: () => Observer.read(calls) }
})

const assertOnlyTheProxy = ({ bound, listens, reached }: Observer.Seen) => {
  const elsewhere = Array.from(reached).filter((place) => !place.startsWith(`${proxyAt.ip}:`))
  assert.deepStrictEqual(elsewhere, [], "reached around the proxy")
  assert.strictEqual(listens, 0)
  assert.deepStrictEqual(Array.from(bound).filter((port) => port !== 0), [])
}

/** All that a link can say of whom to ask, by name. */
const linkTo = (torrent: string): string => {
  const metainfo = Result.getOrThrow(Metainfo.parse(fs.readFileSync(torrent)))
  return Magnet.format({
    ...Magnet.fromMetainfo(metainfo, { peers: [{ host: "seed.example", port: seedAt.port }] }),
    trackers: ["http://tracker.example:6969/announce", "udp://tracker.example:6969"],
    webSeeds: ["http://web.example:6969/nothing/"]
  })
}

const behindOurOwn = (scheme: "socks5" | "http", source: "torrent" | "magnet") =>
  Effect.gen(function*() {
    const fixture = (yield* Fixtures.Fixtures)["single file"]
    const isMagnet = source === "magnet"
    yield* Stage.play(Effect.fnUntraced(function*(stage) {
      yield* others(stage, fixture)
      const options = { host: proxyAt.ip, port: proxyAt.port, login: "me:secret", names }
      const proxy = yield* stage.spawn("proxy", [Stage.pinnedNode, Stage.script("proxy.ts"), JSON.stringify(options)])
      yield* proxy.prints(/listening/)
      const { child, dir, seen } = yield* leech(stage, isMagnet ? linkTo(fixture.torrent) : fixture.torrent, [
        `--proxy=${scheme}://me:secret@${proxyAt.ip}:${proxyAt.port}`,
        ...isMagnet ? ["--encryption=require"] : byName
      ])
      yield* assertExit(child, 0)
      yield* assertEqualFiles(fixture, dir, Clients.ours)
      assertOnlyTheProxy(seen())
      const asked = new Set(proxy.log().match(/^(?:tcp|udp) \S+$/gm))
      const more = ["tcp web.example:6969", ...scheme === "socks5" ? ["udp tracker.example:6969"] : []]
      for (
        const what of [
          `tcp seed.example:${seedAt.port}`,
          "tcp tracker.example:6969",
          ...isMagnet ? [] : [`tcp ${trackerIp}:6969`],
          ...more
        ]
      ) {
        assert.isTrue(asked.has(what), `${what} was not asked for: ${Array.from(asked).join()}`)
      }
      if (scheme === "http") assert.match(child.log(), /udp:\/\/tracker.example:6969: cannot be asked: the proxy http/)
      assert.notInclude(child.log(), "secret")
    }))
  })

/** Without a proxy the observer sees what it must never see with one. */
const control = Effect.gen(function*() {
  const fixture = (yield* Fixtures.Fixtures)["one piece"]
  yield* Stage.play(Effect.fnUntraced(function*(stage) {
    yield* others(stage, fixture)
    const { child, seen } = yield* leech(stage, fixture.torrent, [`--peer=${dialled(seedAt)}`])
    yield* assertExit(child, 0)
    const { bound, listens, reached } = seen()
    assert.isAbove(listens, 0)
    assert.isTrue(bound.has(6881))
    for (const place of [dialled(seedAt), `${trackerIp}:6969`]) assert.isTrue(reached.has(place), place)
  }))
})

const down = Effect.gen(function*() {
  const fixture = (yield* Fixtures.Fixtures)["one piece"]
  yield* Stage.play(Effect.fnUntraced(function*(stage) {
    yield* others(stage, fixture)
    const url = `socks5://me:secret@${proxyAt.ip}:${proxyAt.port}`
    const { child, seen } = yield* leech(stage, fixture.torrent, [`--proxy=${url}`, ...byName, "--stop-timeout=5"])
    yield* assertExit(child, 2)
    assertOnlyTheProxy(seen())
    const why = `the proxy socks5://${proxyAt.ip}:${proxyAt.port} refuses connections`
    assert.include(child.log(), `nothing arrived for 5 seconds: ${why}`)
    assert.include(child.log(), `udp://tracker.example:6969: unreachable: ${why}`)
    assert.notInclude(child.log(), "secret")
    const web = yield* stage.spawn("leech.js of the web", [
      Stage.machineNode,
      Clients.program("leech"),
      `http://${trackerIp}:6969/x.torrent`,
      `--proxy=${url}`
    ])
    yield* assertExit(web, 6)
    assert.include(web.log(), why)
  }))
})

/** Debian's proxies: microsocks does no UDP, tinyproxy resolves names by the hosts file of the machine. */
const behindTheirs = (kind: "microsocks" | "tinyproxy") =>
  Effect.gen(function*() {
    const fixture = (yield* Fixtures.Fixtures)["many files"]
    yield* Stage.play(Effect.fnUntraced(function*(stage) {
      const config = path.join(stage.dir, "tinyproxy.conf")
      fs.writeFileSync(
        config,
        `Port ${proxyAt.port}\nListen ${proxyAt.ip}\nBasicAuth me secret\nTimeout 60\nMaxClients 50\nLogLevel Connect\n`
      )
      const argv = kind === "microsocks"
        ? ["microsocks", "-i", proxyAt.ip, "-p", String(proxyAt.port), "-u", "me", "-P", "secret"]
        : ["tinyproxy", "-d", "-c", config]
      // They do not say when they are ready, but are long before libtorrent is.
      yield* stage.spawn(kind, argv)
      yield* others(stage, fixture)
      const scheme = kind === "microsocks" ? "socks5" : "http"
      const { child, dir, seen } = yield* leech(stage, fixture.torrent, [
        `--proxy=${scheme}://me:secret@${proxyAt.ip}:${proxyAt.port}`,
        `--peer=${dialled(seedAt)}`,
        `--tracker=udp://${trackerIp}:6969`
      ])
      yield* assertExit(child, 0)
      yield* assertEqualFiles(fixture, dir, Clients.ours)
      assertOnlyTheProxy(seen())
      assert.match(child.log(), /the proxy \S+ passes no UDP on/)
    }))
  })

const proxies = layer(Fixtures.Fixtures.layer, { excludeTestServices: true })

if (lacking.length > 0) describe("proxies", () => void Lacking.report(lacking))
else {
  proxies("proxies", (it) => {
    it.effect("the observer sees what goes directly", () => control)
    for (const scheme of ["socks5", "http"] as const) {
      it.effect(`${scheme}: peers, trackers and names go through it or nowhere`, () => behindOurOwn(scheme, "torrent"))
      it.effect(`${scheme}: a magnet link, encrypted, goes through it or nowhere`, () => behindOurOwn(scheme, "magnet"))
    }
    it.effect("one that is down is named, and nothing goes around it", () => down)
    for (const kind of ["microsocks", "tinyproxy"] as const) {
      it.effect(`${kind}: libtorrent's data comes through it`, () => behindTheirs(kind))
    }
  })
}
