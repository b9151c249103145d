import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "../../../src/domain/Bytes.ts"
import * as InfoHash from "../../../src/domain/InfoHash.ts"
import * as PeerAddress from "../../../src/domain/PeerAddress.ts"
import type * as PeerId from "../../../src/domain/PeerId.ts"
import { type AnnounceRequest, MAX_PEERS } from "../../../src/domain/tracker/Announce.ts"
import * as UdpTracker from "../../../src/domain/tracker/UdpTracker.ts"
import { bytes, int } from "../generators.ts"

const ID = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
const TRANSACTION = 0xdeadbeef

const EXAMPLE: AnnounceRequest = {
  infoHash: InfoHash.parse("aa".repeat(20))!,
  peerId: "-FR0100-abcdefghijkl" as PeerId.PeerId,
  port: 6881,
  uploaded: 2 ** 40 + 1,
  downloaded: 2,
  left: Number.MAX_SAFE_INTEGER,
  event: "started",
  numWant: 50,
  key: 0xabcdef01,
  trackerId: undefined
}

const hex = (text: string): Uint8Array => Bytes.fromHex(text.replaceAll(/\s/g, ""))!

describe("UdpTracker", () => {
  it("writes the packets of BEP 15", () => {
    const hash = "aa".repeat(20)
    assert.deepStrictEqual(UdpTracker.encodeConnect(TRANSACTION), hex("0000041727101980 00000000 deadbeef"))
    assert.deepStrictEqual(
      UdpTracker.encodeAnnounce(ID, TRANSACTION, EXAMPLE, ""),
      hex(
        `0102030405060708 00000001 deadbeef ${hash} 2d4652303130302d6162636465666768696a6b6c
         0000000000000002 001fffffffffffff 0000010000000001 00000002 00000000 abcdef01 00000032 1ae1`
      )
    )
    assert.deepStrictEqual(
      UdpTracker.encodeScrape(ID, 1, [EXAMPLE.infoHash]),
      hex(`0102030405060708 00000002 00000001 ${hash}`)
    )
  })

  it("numbers the events", () => {
    const number = (event: AnnounceRequest["event"]) => UdpTracker.encodeAnnounce(ID, 0, { ...EXAMPLE, event }, "")[83]
    assert.deepStrictEqual([undefined, "completed", "started", "stopped", "paused"].map((e) => number(e as never)), [
      0,
      1,
      2,
      3,
      0
    ])
  })

  it("sends the path and query of the URL in options of BEP 41", () => {
    const options = (urlData: string) => UdpTracker.encodeAnnounce(ID, 0, EXAMPLE, urlData).subarray(98)
    assert.deepStrictEqual(options("/dir?a=b&c=d"), Bytes.concat([hex("020c"), Bytes.fromUtf8("/dir?a=b&c=d")]))
    const long = options(`/${"x".repeat(299)}`)
    assert.deepStrictEqual([long.length, long[1], long[257], long[258]], [304, 255, 2, 45])
  })

  it("reads the replies of BEP 15", () => {
    assert.deepStrictEqual(UdpTracker.decodeConnect(hex("00000000 deadbeef 0102030405060708"), TRANSACTION), ID)
    const announced = hex("00000001 deadbeef 00000708 00000007 00000005 c0000201 1ae1 c0000202 0000 c0")
    assert.deepStrictEqual(UdpTracker.decodeAnnounce(announced, TRANSACTION, 4), {
      peers: [{ host: "192.0.2.1", port: 6881, family: 4 }],
      intervalMs: 1_800_000,
      minIntervalMs: undefined,
      seeders: 5,
      leechers: 7,
      trackerId: undefined,
      warning: undefined,
      externalIp: undefined
    })
    const six = hex(`00000001 deadbeef 00000000 00000007 00000005 20010db8${"00".repeat(11)}01 1ae1`)
    const reply = UdpTracker.decodeAnnounce(six, TRANSACTION, 6)
    assert.isTrue(reply !== undefined && "peers" in reply && reply.intervalMs === undefined)
    if (reply === undefined || "_tag" in reply) return
    assert.deepStrictEqual(reply.peers.map(PeerAddress.format), ["[2001:db8::1]:6881"])
    assert.deepStrictEqual(
      UdpTracker.decodeScrape(hex("00000002 deadbeef 00000001 00000002 00000003 00000004"), TRANSACTION),
      [{ seeders: 1, completed: 2, leechers: 3, downloaders: undefined }]
    )
  })

  const decoders = [
    UdpTracker.decodeConnect,
    (bytes: Uint8Array, transaction: number) => UdpTracker.decodeAnnounce(bytes, transaction, 4),
    UdpTracker.decodeScrape
  ]

  it("takes an error for any of them", () => {
    const error = Bytes.concat([hex("00000003 deadbeef"), Bytes.fromUtf8("no\u001b[31m such\ntorrent\0")])
    for (const decode of decoders) {
      assert.deepStrictEqual(decode(error, TRANSACTION), {
        _tag: "Refused",
        detail: "no [31m such torrent",
        retryInMs: undefined
      })
      assert.deepStrictEqual(decode(error.subarray(0, 8), TRANSACTION), {
        _tag: "Refused",
        detail: "no reason given",
        retryInMs: undefined
      })
    }
  })

  it("passes over what answers another question", () => {
    for (const [action, decode] of decoders.entries()) {
      const reply = new Uint8Array(64)
      Bytes.writeUint32(reply, 0, action)
      Bytes.writeUint32(reply, 4, TRANSACTION)
      assert.isDefined(decode(reply, TRANSACTION))
      assert.isUndefined(decode(reply, TRANSACTION - 1))
      assert.isUndefined(decode(reply.subarray(0, 7), TRANSACTION))
      reply[3] = action + 1 === UdpTracker.ERROR ? 0 : action + 1
      assert.isUndefined(decode(reply, TRANSACTION))
    }
  })

  it("takes a reply without content for a refusal", () => {
    const refusal = { _tag: "Refused", detail: "an empty reply; it may not serve this torrent", retryInMs: undefined }
    const connected = UdpTracker.decodeConnect(hex("00000000 deadbeef 01020304050607"), TRANSACTION)
    const announced = UdpTracker.decodeAnnounce(hex("00000001 deadbeef 00000708 00000007 000000"), TRANSACTION, 4)
    assert.deepEqual([connected, announced], [refusal, refusal] as never)
  })

  it.prop("never throws on a packet, and keeps a bounded number of peers", {
    noise: bytes(0, 100),
    action: int(0, 4),
    peers: int(0, 3000)
  }, ({ action, noise, peers }) => {
    const header = new Uint8Array(20)
    Bytes.writeUint32(header, 0, action)
    Bytes.writeUint32(header, 4, 7)
    const packets = [
      noise,
      Bytes.concat([header.subarray(0, 8), noise]),
      Bytes.concat([header, new Uint8Array(peers * 6).fill(9)])
    ]
    for (const packet of packets) {
      for (const decode of decoders) decode(packet, 7)
      for (const family of [4, 6] as const) {
        const reply = UdpTracker.decodeAnnounce(packet, 7, family)
        if (reply !== undefined && "peers" in reply) assert.isAtMost(reply.peers.length, MAX_PEERS)
      }
      const scraped = UdpTracker.decodeScrape(packet, 7)
      if (Array.isArray(scraped)) assert.isAtMost(scraped.length, UdpTracker.MAX_SCRAPE)
    }
  })
})
