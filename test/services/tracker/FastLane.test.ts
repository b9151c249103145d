import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { SwarmStore } from "../../../src/services/SwarmStore.ts"
import * as FastLane from "../../../src/services/tracker/FastLane.ts"
import * as TrackerServer from "../../../src/services/TrackerServer.ts"
import { tcp } from "../../support/trackerClients.ts"

const MAX_TARGET = 8192

const MAX_HEAD = 2 * MAX_TARGET

const read = (text: string, at = 0, before = "") =>
  FastLane.read(text, at, { maxTarget: MAX_TARGET, maxHead: MAX_HEAD }, before)

const HOST = "Host: tracker\r\n"

const get = (target: string, headers = HOST) => `GET ${target} HTTP/1.1\r\n${headers}\r\n`

const announce = (port: number) =>
  `/announce?info_hash=${"%ff".repeat(20)}&peer_id=-FR0100-123456789012&port=${port}&left=0`

describe("FastLane.read", () => {
  it("finds one request after another", () => {
    const headers = `${HOST}Connection: keep-alive\r\nAccept: */*\r\n`
    const first = get("/announce?a=1&b=%20", headers)
    const text = first + get("/scrape?x") + "GET /ann"
    const one = read(text)
    assert.deepStrictEqual(one, { isAnnounce: true, query: "a=1&b=%20", headers: `\r\n${headers}`, next: first.length })
    for (const before of ["", one!.headers, `\r\n${HOST}`]) {
      const two = read(text, one!.next, before)
      assert.deepStrictEqual(two, { isAnnounce: false, query: "x", headers: `\r\n${HOST}`, next: text.length - 8 })
    }
    const two = read(text, one!.next)
    assert.isUndefined(read(text, two!.next))
  })

  for (
    const [what, text] of [
      ["another path", get("/announcement?x")],
      ["no query", get("/announce")],
      ["another method", get("/announce?x").replace("GET", "PUT")],
      ["an older version", get("/announce?x").replace("1.1", "1.0")],
      ["a space in the target", get("/announce?x y")],
      ["a target too long", get(`/announce?${"x".repeat(MAX_TARGET)}`)],
      ["a head too long", get("/announce?x", `${HOST}A: ${"b".repeat(MAX_HEAD)}\r\n`)],
      ["no host", get("/announce?x", "A: b\r\n")],
      ["a body", get("/announce?x", `${HOST}Content-Length: 5\r\n`)],
      ["a body in chunks", get("/announce?x", `${HOST}transfer-encoding : chunked\r\n`)],
      ["a wish to close", get("/announce?x", `${HOST}Connection: close\r\n`)],
      ["a wish for another protocol", get("/announce?x", `${HOST}Upgrade: websocket\r\n`)],
      ["a line that ends early", get("/announce?x", `${HOST}A: b\nContent-Length: 5\r\n`)],
      ["a carriage return alone", get("/announce?x", `${HOST}A: b\rContent-Length: 5\r\n`)],
      ["a folded line", get("/announce?x", `${HOST}A: b\r\n c\r\n`)],
      ["a zero byte", get("/announce?x\0")]
    ] as const
  ) {
    it(`leaves to others what has ${what}`, () => {
      // Whatever came before it.
      for (const before of ["", `\r\n${HOST}`]) assert.isUndefined(read(text, 0, before))
    })
  }

  it("reads nothing before it is whole", () => {
    const whole = get(announce(1))
    for (let length = 0; length < whole.length; length++) assert.isUndefined(read(whole.slice(0, length)))
    assert.strictEqual(read(whole)?.next, whole.length)
  })
})

describe("a connection", () => {
  it.live("keeps its order when something else comes between", () =>
    Effect.gen(function*() {
      const { port } = yield* TrackerServer.make({ port: 0, hosts: ["127.0.0.1"], udp: false })
      const client = yield* tcp(port)
      const asked = [
        get(announce(1)),
        get("/scrape?x"),
        get(announce(0)),
        get(announce(2)),
        get(`/scrape?info_hash=${"%ff".repeat(20)}`),
        get("/scrape?x"),
        get("/health"),
        get(announce(3)),
        get("/nowhere", `${HOST}Connection: close\r\n`)
      ]
      yield* client.write(asked.join(""))
      const answers = (yield* client.closed).matchAll(
        /8:completei(\d+)e10:downloadedi\d+e11:external|14:failure reason|well|404 Not|5:files/g
      )
      assert.deepStrictEqual([...answers].map(([all, seeds]) => seeds ?? all), [
        "1",
        "14:failure reason",
        "14:failure reason",
        "2",
        "5:files",
        "14:failure reason",
        "well",
        "3",
        "404 Not"
      ])
    }).pipe(Effect.provide(SwarmStore.layerMemory())))

  it.live("is answered as often as it asks, however much comes at once, and cut anywhere", () =>
    Effect.gen(function*() {
      const { port } = yield* TrackerServer.make({ port: 0, hosts: ["127.0.0.1"], udp: false })
      const client = yield* tcp(port)
      const many = 10_000
      const text = get("/scrape?x").repeat(many) + get("/health")
      yield* client.write(text.slice(0, -10))
      yield* client.until(/14:failure reason/)
      yield* client.write(text.slice(-10) + get("/nowhere", `${HOST}Connection: close\r\n`))
      const heard = yield* client.closed
      assert.strictEqual(heard.match(/14:failure reason/g)?.length, many)
      assert.strictEqual(heard.match(/well/g)?.length, 1)
    }).pipe(Effect.provide(SwarmStore.layerMemory())))

  it.live("that says nothing more has its answer, and ends", () =>
    Effect.gen(function*() {
      const { port } = yield* TrackerServer.make({ port: 0, hosts: ["127.0.0.1"], udp: false })
      const client = yield* tcp(port)
      yield* client.write(get(announce(1)))
      yield* client.end
      assert.include(yield* client.closed, "8:completei1e")
    }).pipe(Effect.provide(SwarmStore.layerMemory())))
})
