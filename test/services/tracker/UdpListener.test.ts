import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { spawnSync } from "node:child_process"
import * as Bytes from "../../../src/domain/Bytes.ts"
import * as InfoHash from "../../../src/domain/InfoHash.ts"
import type { Announcing } from "../../../src/domain/tracker/Announcing.ts"
import { SwarmStore } from "../../../src/services/SwarmStore.ts"
import * as TrackerServer from "../../../src/services/TrackerServer.ts"
import {
  announcePacket,
  connectionOf,
  connectPacket,
  errorOf,
  MAGIC,
  scrapePacket,
  udp,
  type UdpClient
} from "../../support/trackerClients.ts"

const HASH = InfoHash.parse("25ff002b".repeat(5))!

const onLoopback: TrackerServer.TrackerServerOptions = { port: 0, hosts: ["127.0.0.1"], http: false }

const answer = {
  seeders: 300,
  leechers: 0,
  completed: 7,
  peers4: new Uint8Array(6 * 300).fill(9),
  peers6: new Uint8Array(18 * 300).fill(9),
  ids4: undefined,
  ids6: undefined
}

/** A store that remembers its batches, and has more peers for everyone than go into a datagram. */
const make = () => {
  const batches: Array<ReadonlyArray<Announcing>> = []
  const layer = Layer.mock(SwarmStore, {
    announce: (batch) =>
      Effect.sync(() => {
        batches.push(batch.map((announcing) => ({ ...announcing })))
        return batch.map(() => answer)
      }),
    scrape: (hashes) =>
      Effect.succeed(
        hashes.map(() => ({ seeders: 1, leechers: 2, downloaders: 2, completed: 3, lastSeedAt: undefined }))
      ),
    connectionKey: Effect.succeed(new Uint8Array(32).fill(5))
  })
  return { batches, layer }
}

/** Nothing has come before the answer to this question, which a tracker that reads in order gives last. */
const hearsNothingElse = Effect.fnUntraced(function*(client: UdpClient) {
  const reply = yield* client.ask(connectPacket(77))
  assert.deepStrictEqual([Bytes.readUint32(reply, 0), Bytes.readUint32(reply, 4)], [0, 77])
})

describe("UdpListener", () => {
  it.live("answers a connect with as many bytes, and the same id until its time is over", () =>
    Effect.gen(function*() {
      const { port } = yield* TrackerServer.make(onLoopback)
      const client = yield* udp(port)
      const reply = yield* client.ask(connectPacket(0xdead_beef))
      assert.strictEqual(reply.length, 16)
      assert.strictEqual(Bytes.readUint32(reply, 4), 0xdead_beef)
      assert.deepStrictEqual(yield* connectionOf(yield* udp(port)), reply.slice(8))
      assert.notDeepEqual(yield* connectionOf(yield* udp(port, "127.0.0.1")), MAGIC)
    }).pipe(Effect.provide(make().layer)))

  // Only a raw socket, and the superuser, can send from there.
  it.live.skipIf(process.getuid?.() !== 0 || spawnSync("python3", ["--version"]).status !== 0)(
    "goes on when somebody asks from port 0",
    () =>
      Effect.gen(function*() {
        const { counters, port } = yield* TrackerServer.make(onLoopback)
        const header = new Uint8Array(8)
        Bytes.writeUint16(header, 2, port)
        Bytes.writeUint16(header, 4, 24)
        const packet = Bytes.toHex(Bytes.concat([header, connectPacket(1)]))
        const send = "s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP); " +
          `s.sendto(bytes.fromhex("${packet}"), ("127.0.0.1", 0))`
        assert.strictEqual(spawnSync("python3", ["-c", `import socket; ${send}`]).status, 0)
        yield* hearsNothingElse(yield* udp(port))
        assert.strictEqual(counters.troubles.malformed, 1)
      }).pipe(Effect.provide(make().layer))
  )

  it.live("says nothing to what has no id of ours", () =>
    Effect.gen(function*() {
      const { layer } = make()
      yield* Effect.gen(function*() {
        const { counters, port } = yield* TrackerServer.make({ ...onLoopback, hosts: ["127.0.0.1", "127.0.0.2"] })
        const [client, other] = [yield* udp(port), yield* udp(port, "127.0.0.2")]
        const id = yield* connectionOf(client)
        const forged = Uint8Array.from(id, (byte) => byte ^ 0x80)
        for (const wrong of [new Uint8Array(8), MAGIC, forged]) {
          yield* client.send(announcePacket(wrong, { infoHash: HASH, port: 1 }))
          yield* client.send(scrapePacket(wrong, [HASH]))
        }
        // An id that another address was given.
        yield* other.send(announcePacket(id, { infoHash: HASH, port: 1 }))
        yield* hearsNothingElse(client)
        yield* hearsNothingElse(other)
        assert.strictEqual(counters.troubles["wrong-id"], 7)
      }).pipe(Effect.provide(layer))
    }))

  it.live("says nothing to packets that are cut short, unknown or rubbish", () =>
    Effect.gen(function*() {
      const { batches, layer } = make()
      yield* Effect.gen(function*() {
        const { counters, port } = yield* TrackerServer.make(onLoopback)
        const client = yield* udp(port)
        const id = yield* connectionOf(client)
        const whole = announcePacket(id, { infoHash: HASH, port: 1 })
        const scrape = scrapePacket(id, [HASH])
        const unknown = whole.slice()
        Bytes.writeUint32(unknown, 8, 9)
        const wrongMagic = connectPacket()
        wrongMagic[7] = 0x81
        const wrong = [
          new Uint8Array(0),
          whole.slice(0, 15),
          whole.slice(0, 97),
          scrape.slice(0, 35),
          connectPacket().slice(0, 15),
          unknown,
          wrongMagic,
          new Uint8Array(1400).fill(0xff)
        ]
        for (const packet of wrong) yield* client.send(packet)
        yield* hearsNothingElse(client)
        assert.strictEqual(counters.troubles.malformed, wrong.length)
        assert.strictEqual(batches.length, 0)
      }).pipe(Effect.provide(layer))
    }))

  it.live("never sends more than a datagram, and refuses port 0", () =>
    Effect.gen(function*() {
      const { batches, layer } = make()
      yield* Effect.gen(function*() {
        const { port } = yield* TrackerServer.make({ ...onLoopback, hosts: ["127.0.0.1", "::1"], maxNumWant: 1000 })
        const four = yield* udp(port)
        const six = yield* udp(port, "::1")
        for (const client of [four, six]) {
          const id = yield* connectionOf(client)
          const reply = yield* client.ask(announcePacket(id, { infoHash: HASH, port: 1, numWant: 0x7fff_ffff }))
          assert.strictEqual(Bytes.readUint32(reply, 0), 1)
          assert.isAtMost(reply.length, 1472)
          const refused = yield* client.ask(announcePacket(id, { infoHash: HASH, port: 0 }))
          assert.strictEqual(errorOf(refused), "port must be 1 to 65535")
        }
        assert.deepStrictEqual(batches.map(([asked]) => asked!.numWant <= 242 && asked!.wants), ["v4", "v6"])
      }).pipe(Effect.provide(layer))
    }))

  it.live("answers the same packet the same way as often as it comes", () =>
    Effect.gen(function*() {
      const { batches, layer } = make()
      yield* Effect.gen(function*() {
        const { counters, port } = yield* TrackerServer.make(onLoopback)
        const client = yield* udp(port)
        const packet = announcePacket(yield* connectionOf(client), { infoHash: HASH, port: 1, transaction: 5 })
        const first = yield* client.ask(packet)
        assert.strictEqual(Bytes.readUint32(first, 4), 5)
        // The interval is never quite the same.
        for (let i = 0; i < 5; i++) assert.deepStrictEqual((yield* client.ask(packet)).slice(12), first.slice(12))
        assert.strictEqual(counters.announces.udp4, 6)
        assert.strictEqual(batches.flat().length, 6)
      }).pipe(Effect.provide(layer))
    }))

  it.live("answers scrapes in order", () =>
    Effect.gen(function*() {
      const { counters, port } = yield* TrackerServer.make(onLoopback)
      const client = yield* udp(port)
      const reply = yield* client.ask(scrapePacket(yield* connectionOf(client), [HASH, HASH], 9))
      const numbers = Array.from({ length: 8 }, (_, at) => Bytes.readUint32(reply, 4 * at))
      assert.deepStrictEqual(numbers, [2, 9, 1, 3, 2, 1, 3, 2])
      assert.strictEqual(counters.scrapes.udp4, 1)
    }).pipe(Effect.provide(make().layer)))
})
