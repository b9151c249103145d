import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Bencode from "../../../src/domain/Bencode.ts"
import * as Bytes from "../../../src/domain/Bytes.ts"
import * as InfoHash from "../../../src/domain/InfoHash.ts"
import * as PeerAddress from "../../../src/domain/PeerAddress.ts"
import { type AnnounceReply, type AnnounceRequest, MAX_PEERS } from "../../../src/domain/tracker/Announce.ts"
import * as HttpTracker from "../../../src/domain/tracker/HttpTracker.ts"
import { bytes as bytesOf, int } from "../generators.ts"
import { EXAMPLE } from "./trackerGenerators.ts"

const utf8 = Bytes.fromUtf8

const decoded = (bytes: Uint8Array): AnnounceReply => {
  const reply = Result.getOrThrow(HttpTracker.decodeReply(bytes))
  if ("_tag" in reply) return assert.fail(`refused: ${reply.detail}`)
  return reply
}
const refused = (bytes: Uint8Array) => {
  const reply = Result.getOrThrow(HttpTracker.decodeReply(bytes))
  return "_tag" in reply ? reply : assert.fail("accepted")
}
const bencoded = (value: Bencode.Encodable): Uint8Array => Bencode.encode(value)
const texts = (reply: AnnounceReply) => reply.peers.map(PeerAddress.format)

describe("HttpTracker, asking", () => {
  it("escapes the bytes of the info hash and the peer id", () => {
    assert.strictEqual(
      HttpTracker.announceUrl("http://t.example/announce", EXAMPLE),
      "http://t.example/announce?info_hash=%124Vx%9A%BC%DE%F1%23Eg%89%AB%CD%EF%124Vx%9A" +
        "&peer_id=-FR0100-abcdefghi%2B%20~&port=6881&uploaded=1&downloaded=2&left=3" +
        "&compact=1&numwant=50&key=00000abc&event=started"
    )
  })

  it("says whether we can encrypt, or must", () => {
    const end = (crypto: AnnounceRequest["crypto"]) =>
      HttpTracker.announceUrl("http://t.example/announce", { ...EXAMPLE, crypto }).split("&event=started")[1]
    assert.deepStrictEqual(
      ([undefined, "supported", "required"] as const).map(end),
      ["", "&supportcrypto=1", "&requirecrypto=1"]
    )
  })

  it("keeps the tracker's own query and drops a fragment", () => {
    const start = (url: string) => HttpTracker.announceUrl(url, EXAMPLE).split("info_hash=")[0]
    assert.strictEqual(start("http://t/a?passkey=x%2By"), "http://t/a?passkey=x%2By&")
    assert.strictEqual(start("http://t/a?"), "http://t/a?")
    assert.strictEqual(start("http://t/a?k&"), "http://t/a?k&")
    assert.strictEqual(start("http://t/a#part?"), "http://t/a?")
  })
})

describe("HttpTracker, replies", () => {
  it("are read in every part", () => {
    const back = decoded(bencoded({
      complete: 5,
      "external ip": Uint8Array.of(192, 0, 2, 1),
      incomplete: "7",
      interval: 1800,
      "min interval": 60,
      peers: Uint8Array.of(127, 0, 0, 1, 0x1a, 0xe1),
      "tracker id": Uint8Array.of(0xff, 0x00),
      "warning message": "slow\u001b[31m down\n"
    }))
    assert.deepStrictEqual(back, {
      peers: [{ host: "127.0.0.1", port: 6881, family: 4 }],
      intervalMs: 1_800_000,
      minIntervalMs: 60_000,
      seeders: 5,
      leechers: 7,
      trackerId: "\u00ff\0",
      warning: "slow [31m down",
      externalIp: "192.0.2.1"
    })
  })

  it("ignore names, bad ports and whatever else makes no peer", () => {
    const peers = [
      { ip: "192.0.2.1", port: 1 },
      { ip: "evil.example", port: 80 },
      { ip: "localhost", port: 80 },
      { ip: "192.0.2.2", port: 0 },
      { ip: "192.0.2.3", port: 65_536 },
      { ip: "2001:db8::1", port: "51413" },
      { port: 1 },
      7,
      ["ip"]
    ]
    assert.deepStrictEqual(texts(decoded(bencoded({ peers }))), ["192.0.2.1:1", "[2001:db8::1]:51413"])
  })

  it("are tolerated with nonsense in single fields and blanks before them", () => {
    const back = decoded(
      Bytes.concat([utf8("\r\n "), bencoded({ complete: -1, interval: 0, "min interval": -5, peers: 3 })])
    )
    assert.deepStrictEqual(back.peers, [])
    assert.isUndefined(back.intervalMs)
    assert.isUndefined(back.minIntervalMs)
    assert.isUndefined(back.seeders)
    assert.isUndefined(decoded(utf8("d8:intervali99999999999999999999e5:peers0:e")).intervalMs)
  })

  it("are cut at a number of peers", () => {
    const many = new Uint8Array(6 * 5000).fill(1)
    assert.strictEqual(decoded(bencoded({ peers: many })).peers.length, MAX_PEERS)
    const listed = Array.from({ length: 5000 }, (_, i) => ({ ip: "192.0.2.1", port: i + 1 }))
    assert.strictEqual(decoded(bencoded({ peers: listed })).peers.length, MAX_PEERS)
    assert.strictEqual(decoded(bencoded({ peers: many, peers6: many })).peers.length, MAX_PEERS)
  })

  it("may refuse, with a time to ask again", () => {
    assert.deepStrictEqual(refused(bencoded({ "failure reason": "not registered" })), {
      _tag: "Refused",
      detail: "not registered",
      retryInMs: undefined
    })
    assert.strictEqual(refused(bencoded({ "failure reason": "", "retry in": 5 })).retryInMs, 300_000)
    assert.strictEqual(refused(bencoded({ "failure reason": "x", "retry in": "never" })).retryInMs, Infinity)
    assert.isAtMost(refused(bencoded({ "failure reason": "x".repeat(1e5) })).detail.length, 200)
  })

  it("that are none are named", () => {
    for (const text of ["", "<html>", "le", "de", "i5e", "d5:peers", "d1:ai1ee"]) {
      assert.isTrue(Result.isFailure(HttpTracker.decodeReply(utf8(text))), text)
    }
  })

  it.prop(
    "of any bytes never throw and stay bounded",
    { noise: bytesOf(0, 200), at: int(0, 10_000) },
    ({ at, noise }) => {
      const whole = bencoded({
        interval: 1800,
        peers: Uint8Array.of(192, 0, 2, 1, 0x1a, 0xe1, 192, 0, 2, 2, 0, 0),
        peers6: new Uint8Array(36).fill(7)
      })
      const cut = at % whole.length
      const mutated = Bytes.concat([whole.subarray(0, cut), noise, whole.subarray(cut + noise.length)])
      for (const bytes of [noise, Bytes.concat([utf8("d"), noise]), mutated, whole.subarray(0, cut)]) {
        const result = HttpTracker.decodeReply(bytes)
        if (Result.isSuccess(result) && "peers" in result.success) {
          for (const { family, host, port } of result.success.peers) {
            assert.deepStrictEqual(PeerAddress.make(host, port), { family, host, port })
          }
        }
      }
    }
  )
})

describe("HttpTracker, scrapes", () => {
  const one = InfoHash.parse("12".repeat(20))!
  const two = InfoHash.parse("ff".repeat(20))!
  const scraped = (bytes: Uint8Array) => Result.getOrThrow(HttpTracker.decodeScrape(bytes, [one, two]))
  const files = (entries: ReadonlyArray<readonly [Uint8Array, Bencode.Encodable]>) =>
    bencoded({ files: new Map(entries) })

  it("are asked for beside the announce", () => {
    const target = (url: string) => HttpTracker.scrapeUrl(url, [two])?.split("info_hash=")[0]
    assert.strictEqual(
      HttpTracker.scrapeUrl("http://t/announce", [one, two]),
      `http://t/scrape?info_hash=${"%12".repeat(20)}&info_hash=${"%FF".repeat(20)}`
    )
    assert.strictEqual(target("http://t/x/announce.php?k=announce#part"), "http://t/x/scrape.php?k=announce&")
    assert.strictEqual(target("http://t/announce/announce"), "http://t/announce/scrape?")
    for (const url of ["http://t/", "http://t/a?announce", "http://t/announce/key", "http://t/xannounce"]) {
      assert.isUndefined(target(url), url)
    }
    const most = HttpTracker.scrapeUrl("http://t/announce", Array.from({ length: HttpTracker.MAX_SCRAPE }, () => two))!
    assert.isBelow(most.length, 4096)
  })

  it("tell of the torrents that were asked about", () => {
    const found = scraped(files([
      [InfoHash.toBytes(one), { complete: 1, downloaded: 2, downloaders: 3, incomplete: 4, name: "x" }],
      [InfoHash.toBytes(two), { complete: -1, incomplete: "7" }],
      [new Uint8Array(20), { complete: 9 }],
      [utf8("short"), {}]
    ]))
    assert.deepStrictEqual(
      found,
      new Map([
        [one, { seeders: 1, completed: 2, downloaders: 3, leechers: 4 }],
        [two, { seeders: 0, completed: 0, downloaders: undefined, leechers: 0 }]
      ])
    )
  })

  it("may be refused, or be none", () => {
    assert.deepStrictEqual(scraped(bencoded({ "failure reason": "no\u001bscrapes", "retry in": "never" })), {
      _tag: "Refused",
      detail: "no scrapes",
      retryInMs: Infinity
    })
    for (const text of ["", "<html>", "le", "de", "d5:filesi1ee", "d5:files"]) {
      assert.isTrue(Result.isFailure(HttpTracker.decodeScrape(utf8(text), [one])), text)
    }
  })

  it.prop("of any bytes never throw", { noise: bytesOf(0, 100), at: int(0, 1000) }, ({ at, noise }) => {
    const whole = files([[InfoHash.toBytes(one), { complete: 1, downloaded: 2, incomplete: 4 }]])
    const cut = at % whole.length
    for (
      const bytes of [
        noise,
        whole.subarray(0, cut),
        Bytes.concat([whole.subarray(0, cut), noise, whole.subarray(cut + noise.length)])
      ]
    ) {
      const result = HttpTracker.decodeScrape(bytes, [one])
      if (Result.isSuccess(result) && !("_tag" in result.success)) {
        for (const infoHash of result.success.keys()) assert.strictEqual(infoHash, one)
      }
    }
  })
})
