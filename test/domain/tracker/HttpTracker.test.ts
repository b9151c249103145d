import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Bencode from "../../../src/domain/Bencode.ts"
import * as Bytes from "../../../src/domain/Bytes.ts"
import * as InfoHash from "../../../src/domain/InfoHash.ts"
import * as PeerAddress from "../../../src/domain/PeerAddress.ts"
import * as PeerId from "../../../src/domain/PeerId.ts"
import type { AnnounceReply, AnnounceRequest } from "../../../src/domain/tracker/Announce.ts"
import * as HttpTracker from "../../../src/domain/tracker/HttpTracker.ts"

const int = (minimum: number, maximum: number) =>
  Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum, maximum })))
const bytesOf = (minLength: number, maxLength: number) =>
  Arbitrary.array(int(0, 255), { minLength, maxLength }).pipe(Arbitrary.map((xs) => Uint8Array.from(xs)))
const size = int(0, Number.MAX_SAFE_INTEGER)

const request: Arbitrary.Arbitrary<AnnounceRequest> = Arbitrary.all({
  infoHash: bytesOf(20, 20).pipe(Arbitrary.map(InfoHash.fromBytes)),
  peerId: bytesOf(20, 20).pipe(Arbitrary.map(PeerId.fromBytes)),
  port: int(1, 0xffff),
  uploaded: size,
  downloaded: size,
  left: size,
  event: Arbitrary.schema(Schema.UndefinedOr(Schema.Literals(["started", "completed", "stopped"]))),
  numWant: int(0, 1000),
  key: int(0, 0xffff_ffff),
  trackerId: bytesOf(1, 30).pipe(Arbitrary.map(Bytes.toLatin1))
})

const peer = Arbitrary.all([
  bytesOf(20, 20),
  bytesOf(4, 4),
  bytesOf(16, 16),
  int(1, 0xffff),
  Arbitrary.schema(Schema.Boolean)
]).pipe(
  Arbitrary.map(([id, host4, host6, port, isV4]) => {
    const portBytes = Uint8Array.of(port >>> 8, port)
    const compact = Bytes.concat([isV4 ? host4 : host6, portBytes])
    const address = PeerAddress.fromCompact(compact, isV4 ? 4 : 6)[0]!
    return { id, address, compact: PeerAddress.toCompact(address) }
  })
)

type Peer = typeof peer extends Arbitrary.Arbitrary<infer A> ? A : never

const packed = (peers: ReadonlyArray<Peer>, withIds: boolean) => {
  const of = (family: 4 | 6) => peers.filter((peer) => peer.address.family === family)
  const addresses = (family: 4 | 6) => Bytes.concat(of(family).map((peer) => peer.compact))
  const ids = (family: 4 | 6) => withIds ? Bytes.concat(of(family).map((peer) => peer.id)) : undefined
  return { peers4: addresses(4), peers6: addresses(6), ids4: ids(4), ids6: ids(6) }
}

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
const queryOf = (url: string) => url.slice(url.indexOf("?") + 1)

const EXAMPLE: AnnounceRequest = {
  infoHash: InfoHash.parse("123456789abcdef123456789abcdef123456789a")!,
  peerId: "-FR0100-abcdefghi+ ~" as PeerId.PeerId,
  port: 6881,
  uploaded: 1,
  downloaded: 2,
  left: 3,
  event: "started",
  numWant: 50,
  key: 0xabc,
  trackerId: undefined
}

describe("HttpTracker, asking", () => {
  it("escapes the bytes of the info hash and the peer id", () => {
    assert.strictEqual(
      HttpTracker.announceUrl("http://t.example/announce", EXAMPLE),
      "http://t.example/announce?info_hash=%124Vx%9A%BC%DE%F1%23Eg%89%AB%CD%EF%124Vx%9A" +
        "&peer_id=-FR0100-abcdefghi%2B%20~&port=6881&uploaded=1&downloaded=2&left=3" +
        "&compact=1&numwant=50&key=00000abc&event=started"
    )
  })

  it("keeps the tracker's own query and drops a fragment", () => {
    const start = (url: string) => HttpTracker.announceUrl(url, EXAMPLE).split("info_hash=")[0]
    assert.strictEqual(start("http://t/a?passkey=x%2By"), "http://t/a?passkey=x%2By&")
    assert.strictEqual(start("http://t/a?"), "http://t/a?")
    assert.strictEqual(start("http://t/a?k&"), "http://t/a?k&")
    assert.strictEqual(start("http://t/a#part?"), "http://t/a?")
  })

  it.prop("is understood by the tracker's side", { request }, ({ request }) => {
    const url = new URL(HttpTracker.announceUrl("http://t.example/announce?passkey=%FF", request))
    const { key: _, ...asked } = request
    assert.deepStrictEqual(
      Result.getOrThrow(HttpTracker.parseAnnounce(url.search.slice(1))),
      { ...asked, compact: true, noPeerId: false, ip: undefined }
    )
  })
})

describe("HttpTracker, replies", () => {
  const reply = {
    seeders: int(0, 1e6),
    leechers: int(0, 1e6),
    completed: int(0, 1e6),
    interval: int(1, 1e9),
    peers: Arbitrary.array(peer, { maxLength: 60 })
  }
  const form = { compact: Schema.Boolean, noPeerId: Schema.Boolean }

  it.prop(
    "come back as they were, in either form",
    { ...reply, ...form },
    ({ compact, interval, noPeerId, ...rest }) => {
      const externalIp = rest.peers[0]?.compact.slice(0, -2)
      const bytes = HttpTracker.encodeReply(
        { ...rest, ...packed(rest.peers, !noPeerId), intervalMs: interval * 1000, externalIp },
        { compact }
      )
      const back = decoded(bytes)
      assert.deepStrictEqual(texts(back).sort(), rest.peers.map((peer) => PeerAddress.format(peer.address)).sort())
      assert.deepStrictEqual({ ...back, peers: [] }, {
        peers: [],
        intervalMs: interval * 1000,
        minIntervalMs: undefined,
        seeders: rest.seeders,
        leechers: rest.leechers,
        trackerId: undefined,
        warning: undefined,
        externalIp: rest.peers[0]?.address.host
      })
      const ids = Bytes.toLatin1(bytes).includes("7:peer id20:")
      assert.strictEqual(ids, !compact && !noPeerId && rest.peers.length > 0)
    }
  )

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
    assert.strictEqual(decoded(bencoded({ peers: many })).peers.length, HttpTracker.MAX_PEERS)
    const listed = Array.from({ length: 5000 }, (_, i) => ({ ip: "192.0.2.1", port: i + 1 }))
    assert.strictEqual(decoded(bencoded({ peers: listed })).peers.length, HttpTracker.MAX_PEERS)
    assert.strictEqual(decoded(bencoded({ peers: many, peers6: many })).peers.length, HttpTracker.MAX_PEERS)
  })

  it("may refuse, with a time to ask again", () => {
    assert.deepStrictEqual(refused(HttpTracker.encodeFailure("not registered")), {
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

  it.prop("of any bytes never throw and stay bounded", {
    noise: bytesOf(0, 200),
    at: int(0, 10_000),
    peers: reply.peers
  }, ({ at, noise, peers }) => {
    const whole = HttpTracker.encodeReply(
      { seeders: 1, leechers: 1, completed: 0, ...packed(peers, true), intervalMs: 1000, externalIp: undefined },
      { compact: at % 2 === 0 }
    )
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
  })
})

describe("HttpTracker, the tracker's side", () => {
  const good = queryOf(HttpTracker.announceUrl("http://t/a", EXAMPLE))
  const failure = (query: string) => Result.getFailure(HttpTracker.parseAnnounce(query))._tag

  it("refuses what names no peer", () => {
    assert.strictEqual(failure(good), "None")
    for (
      const [from, to] of [
        ["port=6881", "port=0"],
        ["port=6881", "port=65536"],
        ["port=6881", "port=-1"],
        ["port=6881", "x=1"],
        ["peer_id=-", "peer_id="],
        ["info_hash=%12", "info_hash="],
        ["info_hash=%12", "info_hash=%1"]
      ] as const
    ) assert.strictEqual(failure(good.replace(from, to)), "Some", to)
  })

  it("takes a peer at its word where it may, and defaults otherwise", () => {
    const parse = (query: string) => Result.getOrThrow(HttpTracker.parseAnnounce(query))
    assert.isFalse(parse(good.replace("compact=1", "compact=0")).compact)
    assert.isTrue(parse(good.replace("compact=1", "")).compact)
    assert.isUndefined(parse(good.replace("left=3", "left=99999999999999999999")).left)
    assert.isUndefined(parse(good.replace("event=started", "event=paused")).event)
    assert.strictEqual(parse(`${good}&ip=192.0.2.9&no_peer_id=1&port=1`).port, 6881)
    assert.strictEqual(parse(`${good}&ip=192.0.2.9`).ip, "192.0.2.9")
  })

  it("sees peers where they are, and believes only programs of its own machine", () => {
    const at = (seen: string, ip: string | undefined) => HttpTracker.addressOf(seen, { ip, port: 6881 })?.host
    assert.strictEqual(at("192.0.2.1", undefined), "192.0.2.1")
    assert.strictEqual(at("192.0.2.1", "192.0.2.9"), "192.0.2.1")
    assert.strictEqual(at("::ffff:192.0.2.1", "127.0.0.1"), "192.0.2.1")
    assert.strictEqual(at("2001:db8::1", "::1"), "2001:db8::1")
    assert.strictEqual(at("127.0.0.1", "192.0.2.9"), "192.0.2.9")
    assert.strictEqual(at("::ffff:127.0.0.1", "2001:db8::9"), "2001:db8::9")
    assert.strictEqual(at("::1", "evil.example"), "::1")
    assert.isUndefined(at("", "192.0.2.9"))
  })

  it.prop("never throws on a query", { noise: bytesOf(0, 300), at: int(0, 300) }, ({ at, noise }) => {
    const text = Bytes.toLatin1(noise)
    for (const query of [text, good.slice(0, at) + text, good.slice(0, at) + text + good.slice(at)]) {
      const parsed = HttpTracker.parseAnnounce(query)
      if (Result.isSuccess(parsed)) {
        assert.match(parsed.success.infoHash, /^[0-9a-f]{40}$/)
        assert.strictEqual(parsed.success.peerId.length, 20)
      }
      assert.isAtMost(HttpTracker.parseScrape(query).length, HttpTracker.MAX_SCRAPE)
    }
  })

  it("answers a scrape with raw keys", () => {
    const hash = EXAMPLE.infoHash
    const query = `info_hash=short&${good}`
    assert.deepStrictEqual(HttpTracker.parseScrape(query), [hash])
    const bytes = HttpTracker.encodeScrape(new Map([[hash, { seeders: 1, leechers: 2, completed: 3 }]]))
    const raw = Bytes.toLatin1(InfoHash.toBytes(hash))
    assert.strictEqual(
      Bytes.toLatin1(bytes),
      `d5:filesd20:${raw}d8:completei1e10:downloadedi3e10:incompletei2eeee`
    )
  })
})
