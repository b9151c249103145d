import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { SwarmStore } from "../../../src/services/SwarmStore.ts"
import * as FastLane from "../../../src/services/tracker/FastLane.ts"
import * as TrackerServer from "../../../src/services/TrackerServer.ts"
import { tcp } from "../../support/trackerClients.ts"

const MAX_TARGET = 8192

const read = (text: string, at = 0) => FastLane.read(text, at, MAX_TARGET)

const HOST = "Host: tracker\r\n"

const get = (target: string, headers = HOST) => `GET ${target} HTTP/1.1\r\n${headers}\r\n`

const announce = (port: number) =>
  `/announce?info_hash=${"%ff".repeat(20)}&peer_id=-FR0100-123456789012&port=${port}&left=0`

describe("FastLane.read", () => {
  it("finds one request after another", () => {
    const first = get("/announce?a=1&b=%20", `${HOST}Connection: keep-alive\r\nAccept: */*\r\n`)
    const text = first + get("/scrape?x") + "GET /ann"
    const one = read(text)
    assert.deepStrictEqual(one, { isAnnounce: true, query: "a=1&b=%20", next: first.length })
    const two = read(text, one!.next)
    assert.deepStrictEqual(two, { isAnnounce: false, query: "x", next: text.length - 8 })
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
      ["a body", get("/announce?x", `${HOST}Content-Length: 5\r\n`)],
      ["a body in chunks", get("/announce?x", `${HOST}transfer-encoding : chunked\r\n`)],
      ["a wish to close", get("/announce?x", `${HOST}Connection: close\r\n`)],
      ["a wish for another protocol", get("/announce?x", `${HOST}Upgrade: websocket\r\n`)],
      ["a line that ends early", get("/announce?x", `${HOST}A: b\nContent-Length: 5\r\n`)],
      ["a carriage return alone", get("/announce?x", `${HOST}A: b\rContent-Length: 5\r\n`)],
      ["a folded line", get("/announce?x", `${HOST}A: b\r\n c\r\n`)],
      ["a zero byte", get("/announce?x\0")]
    ] as const
  ) it(`leaves to others what has ${what}`, () => assert.isUndefined(read(text)))

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
      const ask = (n: number) => get(announce(n))
      yield* client.write(ask(1) + ask(2) + get("/scrape") + ask(3) + get("/nowhere", `${HOST}Connection: close\r\n`))
      const text = yield* client.closed
      assert.deepStrictEqual(
        [...text.matchAll(/8:completei(\d+)e|14:failure reason|404 Not/g)].map(([all, n]) => n ?? all),
        [
          "1",
          "2",
          "14:failure reason",
          "3",
          "404 Not"
        ]
      )
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
