import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Bytes from "../../../src/domain/Bytes.ts"
import * as HostBytes from "../../../src/domain/HostBytes.ts"
import * as InfoHash from "../../../src/domain/InfoHash.ts"
import * as PeerAddress from "../../../src/domain/PeerAddress.ts"
import * as PeerId from "../../../src/domain/PeerId.ts"
import { Announcement } from "../../../src/domain/tracker/Announcement.ts"
import * as UdpTracker from "../../../src/domain/tracker/UdpTracker.ts"
import * as UdpTrackerServer from "../../../src/domain/tracker/UdpTrackerServer.ts"
import { bytes, int } from "../generators.ts"
import { infoHash, request, sample } from "./trackerGenerators.ts"

const BOUNDS = { numWant: 30, maxNumWant: 60 }
const ID = new Uint8Array(8).fill(7)
const HOST4 = Uint8Array.of(192, 0, 2, 1)
const HOST6 = new Uint8Array(16).fill(1)

/** The announce of a packet from this address; nothing when it names port 0. */
const read = (packet: Uint8Array, host: Uint8Array, bounds = BOUNDS): Announcement | undefined => {
  const out = new Announcement()
  return UdpTrackerServer.readAnnounce(packet, host, host.length === 4 ? 4 : 16, bounds, out) ? out : undefined
}

const transaction = int(0, 0xffff_ffff)
const urlData = bytes(0, 600).pipe(
  Arbitrary.map((xs) => xs.reduce((text, x) => text + String.fromCharCode(33 + x % 90), ""))
)

/** What a writer wrote, at an odd place of a buffer that must be left alone otherwise. */
const written = (write: (out: Uint8Array, at: number) => number): Uint8Array => {
  const out = new Uint8Array(UdpTrackerServer.MAX_REPLY + 6).fill(0xee)
  const length = write(out, 3)
  assert.isAtMost(length, UdpTrackerServer.MAX_REPLY)
  for (const [i, byte] of out.entries()) if (i < 3 || i >= 3 + length) assert.strictEqual(byte, 0xee)
  return out.slice(3, 3 + length)
}

describe("UdpTrackerServer, requests", () => {
  it.prop(
    "are understood as they were meant",
    { request, transaction, urlData },
    ({ request, transaction, urlData }) => {
      const packet = UdpTracker.encodeAnnounce(ID, transaction, request, urlData)
      assert.strictEqual(UdpTrackerServer.actionOf(packet), UdpTracker.ANNOUNCE)
      assert.strictEqual(UdpTrackerServer.transactionOf(packet), transaction)
      const { compact, event, infoHash, key, numWant, peerId, role, wants, withIds } = read(packet, HOST4)!
      assert.deepStrictEqual({ compact, event, infoHash, key, numWant, peerId, role, wants, withIds }, {
        key: request.key,
        infoHash: InfoHash.toBytes(request.infoHash),
        peerId: PeerId.toBytes(request.peerId),
        compact: Uint8Array.of(...HOST4, request.port >>> 8, request.port),
        role: request.left === 0 ? "seed" : "leech",
        event: request.event === "paused" ? undefined : request.event,
        numWant: Math.min(request.numWant, BOUNDS.maxNumWant),
        wants: "v4",
        withIds: false
      })
    }
  )

  it.prop("of several torrents are understood", {
    hashes: Arbitrary.array(infoHash, { minLength: 1, maxLength: 90 }),
    transaction
  }, ({ hashes, transaction }) => {
    const packet = UdpTracker.encodeScrape(ID, transaction, hashes)
    assert.strictEqual(UdpTrackerServer.actionOf(packet), UdpTracker.SCRAPE)
    assert.deepStrictEqual(UdpTrackerServer.readScrape(packet), hashes.slice(0, UdpTracker.MAX_SCRAPE))
    assert.deepStrictEqual(UdpTrackerServer.readScrape(packet.subarray(0, -1)), hashes.slice(0, -1).slice(0, 74))
  })

  const announce = (change: (packet: Uint8Array) => void): Uint8Array => {
    const packet = new Uint8Array(98)
    packet[11] = UdpTracker.ANNOUNCE
    Bytes.writeUint32(packet, 92, 10)
    Bytes.writeUint16(packet, 96, 6881)
    change(packet)
    return packet
  }

  it("deserve no answer when they are cut or strange", () => {
    const connect = UdpTracker.encodeConnect(1)
    assert.strictEqual(UdpTrackerServer.actionOf(connect), UdpTracker.CONNECT)
    for (const byte of [0, 7, 11]) {
      const packet = connect.slice()
      packet[byte]! ^= 0x80
      assert.isUndefined(UdpTrackerServer.actionOf(packet), String(byte))
    }
    assert.isUndefined(UdpTrackerServer.actionOf(connect.subarray(0, 15)))
    assert.isUndefined(UdpTrackerServer.actionOf(announce(() => {}).subarray(0, 97)))
    assert.isUndefined(UdpTrackerServer.actionOf(UdpTracker.encodeScrape(ID, 1, [])))
    assert.isUndefined(UdpTrackerServer.actionOf(announce((packet) => packet[11] = UdpTracker.ERROR)))
  })

  it("are bounded in what they want, by family", () => {
    const wanted = (numWant: number, host: Uint8Array, maxNumWant = 500) =>
      read(announce((packet) => Bytes.writeUint32(packet, 92, numWant)), host, { numWant: 30, maxNumWant })?.numWant
    assert.deepStrictEqual([wanted(-1, HOST4), wanted(0, HOST4), wanted(1e6, HOST4)], [30, 0, 242])
    assert.deepStrictEqual([wanted(-1, HOST6), wanted(0, HOST6), wanted(1e6, HOST6)], [30, 0, 79])
    assert.strictEqual(wanted(1e6, HOST6, 20), 20)
  })

  it("take an unknown event for none", () => {
    const event = (number: number) => read(announce((packet) => Bytes.writeUint32(packet, 80, number)), HOST6)?.event
    assert.deepStrictEqual([0, 1, 2, 3, 4, 0xffff_ffff].map(event), [
      undefined,
      "completed",
      "started",
      "stopped",
      undefined,
      undefined
    ])
  })

  it("come from where they come from, but for programs of this machine", () => {
    const at = (source: string, ip = 0, port = 6881) => {
      const packet = announce((bytes) => {
        Bytes.writeUint32(bytes, 84, ip)
        Bytes.writeUint16(bytes, 96, port)
      })
      const host = new Uint8Array(16)
      const compact = read(packet, host.subarray(0, HostBytes.write(source, host, 0)))?.compact
      return compact && PeerAddress.format(PeerAddress.fromCompact(compact, compact.length === 6 ? 4 : 6)[0]!)
    }
    const claimed = 0xc0000209
    assert.strictEqual(at("192.0.2.1"), "192.0.2.1:6881")
    assert.strictEqual(at("192.0.2.1", claimed), "192.0.2.1:6881")
    assert.strictEqual(at("::ffff:192.0.2.1", claimed), "192.0.2.1:6881")
    assert.strictEqual(at("127.0.0.1"), "127.0.0.1:6881")
    assert.strictEqual(at("127.0.0.1", claimed), "192.0.2.9:6881")
    assert.strictEqual(at("::ffff:127.0.0.1", claimed), "192.0.2.9:6881")
    assert.strictEqual(at("2001:db8::1", claimed), "[2001:db8::1]:6881")
    assert.strictEqual(at("fe80::1%eth0"), "[fe80::1]:6881")
    assert.strictEqual(at("::1", claimed), "[::1]:6881")
    assert.isUndefined(at("192.0.2.1", 0, 0))
  })

  it.prop("of any bytes never throw", { noise: bytes(0, 200), at: int(0, 200), request }, ({ at, noise, request }) => {
    const whole = UdpTracker.encodeAnnounce(ID, 1, request, "/announce")
    const mutated = Bytes.concat([whole.subarray(0, at), noise, whole.subarray(at)])
    for (const packet of [noise, mutated, whole.subarray(0, at)]) {
      const action = UdpTrackerServer.actionOf(packet)
      if (action === UdpTracker.ANNOUNCE) {
        assert.isAtMost(read(packet, HOST6)?.numWant ?? 0, 60)
      } else if (action === UdpTracker.SCRAPE) {
        assert.isAtMost(UdpTrackerServer.readScrape(packet).length, UdpTracker.MAX_SCRAPE)
      }
    }
  })
})

describe("UdpTrackerServer, replies", () => {
  it.prop("are read as they were written", { sample, transaction, interval: int(1, 1e9) }, (fields) => {
    const { interval, sample, transaction } = fields
    for (const family of [4, 6] as const) {
      const packet = written((out, at) =>
        UdpTrackerServer.writeAnnounce(out, at, transaction, sample, family, interval * 1000)
      )
      const peers = PeerAddress.fromCompact(family === 4 ? sample.peers4 : sample.peers6, family)
      assert.deepStrictEqual(UdpTracker.decodeAnnounce(packet, transaction, family), {
        peers,
        intervalMs: interval * 1000,
        minIntervalMs: undefined,
        seeders: sample.seeders,
        leechers: sample.leechers,
        trackerId: undefined,
        warning: undefined,
        externalIp: undefined
      })
    }
    const counts = Array.from({ length: interval % 80 }, (_, i) => ({ seeders: i, completed: i + 1, leechers: i + 2 }))
    const scraped = written((out, at) => UdpTrackerServer.writeScrape(out, at, transaction, counts))
    assert.deepStrictEqual(
      UdpTracker.decodeScrape(scraped, transaction),
      counts.slice(0, 74).map((count) => Object.assign(count, { downloaders: undefined }))
    )
  })

  it("stay within one packet", () => {
    const many = { seeders: 0, leechers: 0, completed: 0, ids4: undefined, ids6: undefined }
    const peers = { peers4: new Uint8Array(6000), peers6: new Uint8Array(18_000) }
    const length = (family: 4 | 6) =>
      written((out, at) => UdpTrackerServer.writeAnnounce(out, at, 1, { ...many, ...peers }, family, 1000)).length
    assert.deepStrictEqual([length(4), length(6)], [20 + 242 * 6, 20 + 79 * 18])
  })

  it.prop("that refuse are no larger than what they refuse", { transaction, size: int(16, 3000) }, (fields) => {
    const { size, transaction } = fields
    const reason = "this torrent is not served here".repeat(100)
    const packet = written((out, at) => UdpTrackerServer.writeError(out, at, transaction, reason, size))
    assert.isAtMost(packet.length, size)
    const refused = UdpTracker.decodeConnect(packet, transaction)
    assert.isTrue(refused !== undefined && "detail" in refused && reason.startsWith(refused.detail.slice(0, 8)))
  })

  it("leave room for the connection id", () => {
    const packet = written((out, at) => {
      const length = UdpTrackerServer.writeConnect(out, at, 99)
      out.set(ID, at + 8)
      return length
    })
    assert.deepStrictEqual(UdpTracker.decodeConnect(packet, 99), ID)
  })
})
