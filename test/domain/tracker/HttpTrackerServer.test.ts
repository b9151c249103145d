import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Bencode from "../../../src/domain/Bencode.ts"
import * as Bytes from "../../../src/domain/Bytes.ts"
import * as InfoHash from "../../../src/domain/InfoHash.ts"
import * as PeerAddress from "../../../src/domain/PeerAddress.ts"
import * as PeerId from "../../../src/domain/PeerId.ts"
import type { AnnounceReply } from "../../../src/domain/tracker/Announce.ts"
import { Announcement } from "../../../src/domain/tracker/Announcement.ts"
import * as HttpTracker from "../../../src/domain/tracker/HttpTracker.ts"
import * as HttpTrackerServer from "../../../src/domain/tracker/HttpTrackerServer.ts"
import * as Percent from "../../../src/domain/tracker/Percent.ts"
import { bytes as bytesOf, int, textOf } from "../generators.ts"
import { EXAMPLE, request, sample } from "./trackerGenerators.ts"

const decoded = (bytes: Uint8Array): AnnounceReply => {
  const reply = Result.getOrThrow(HttpTracker.decodeReply(bytes))
  if ("_tag" in reply) return assert.fail(`refused: ${reply.detail}`)
  return reply
}
const queryOf = (url: string) => url.slice(url.indexOf("?") + 1)

describe("HttpTrackerServer, replies", () => {
  it.prop("come back as they were, in either form", {
    sample,
    interval: int(1, 1e9),
    least: int(0, 1e9),
    compact: Schema.Boolean,
    named: Schema.Boolean
  }, ({ compact, interval, least, named, sample }) => {
    const ids = named ? {} : { ids4: undefined, ids6: undefined }
    const text = HttpTrackerServer.encodeReply({
      ...sample,
      ...ids,
      intervalMs: interval * 1000,
      minIntervalMs: least === 0 ? undefined : least * 1000,
      externalIp: Uint8Array.of(192, 0, 2, 7)
    }, { compact })
    assert.deepStrictEqual(decoded(Bytes.fromLatin1(text)), {
      peers: [...PeerAddress.fromCompact(sample.peers4, 4), ...PeerAddress.fromCompact(sample.peers6, 6)],
      intervalMs: interval * 1000,
      minIntervalMs: least === 0 ? undefined : least * 1000,
      seeders: sample.seeders,
      leechers: sample.leechers,
      trackerId: undefined,
      warning: undefined,
      externalIp: "192.0.2.7"
    })
    const count = (id: string) => text.split(`7:peer id20:${id.repeat(20)}`).length - 1
    const listed = named && !compact
    assert.strictEqual(count("A"), listed ? sample.peers4.length / 6 : 0)
    assert.strictEqual(count("B"), listed ? sample.peers6.length / 18 : 0)
  })

  it.prop("packed by hand are what the general writer makes", { sample }, ({ sample }) => {
    const externalIp = sample.peers6.length > 0 ? sample.peers6.slice(0, 16) : undefined
    assert.deepStrictEqual(
      Bytes.fromLatin1(
        HttpTrackerServer.encodeReply({ ...sample, intervalMs: 1500, minIntervalMs: 1, externalIp }, { compact: true })
      ),
      Bencode.encode({
        complete: sample.seeders,
        downloaded: sample.completed,
        "external ip": externalIp,
        incomplete: sample.leechers,
        interval: 2,
        "min interval": 1,
        peers: sample.peers4,
        peers6: sample.peers6.length === 0 ? undefined : sample.peers6
      })
    )
  })

  it("may refuse, with a time to ask again", () => {
    const refused = (retryInMs?: number) =>
      Result.getOrThrow(HttpTracker.decodeReply(HttpTrackerServer.encodeFailure("not registered", { retryInMs })))
    const refusal = { _tag: "Refused" as const, detail: "not registered" }
    assert.deepStrictEqual(refused(), { ...refusal, retryInMs: undefined })
    assert.deepStrictEqual(refused(60_001), { ...refusal, retryInMs: 120_000 })
    assert.deepStrictEqual(refused(0), { ...refusal, retryInMs: 60_000 })
    assert.deepStrictEqual(refused(Infinity), { ...refusal, retryInMs: Infinity })
  })
})

describe("HttpTrackerServer, queries", () => {
  it.prop("is understood by the tracker's side", { request }, ({ request }) => {
    const url = new URL(HttpTracker.announceUrl("http://t.example/announce?passkey=%FF", request))
    const { trackerId: _, ...asked } = request
    const infoHash = [...InfoHash.toBytes(request.infoHash)]
    const peerId = [...PeerId.toBytes(request.peerId)]
    assert.deepStrictEqual(
      Result.getOrThrow(HttpTrackerServer.parseAnnounce(url.search.slice(1))),
      { ...asked, infoHash, peerId, compact: true, noPeerId: false, ip: undefined }
    )
  })

  // The same, said slowly: a table of the first value of each name.
  const fieldsOf = (query: string): Map<string, string> => {
    const fields = new Map<string, string>()
    for (const part of query.split("&")) {
      const equals = part.indexOf("=")
      const name = part.slice(0, equals)
      if (equals > 0 && !fields.has(name)) fields.set(name, Percent.decode(part.slice(equals + 1)))
    }
    return fields
  }
  const parts = Arbitrary.array(
    textOf(
      [
        "info_hash",
        "peer_id",
        "port",
        "left",
        "numwant",
        "ip",
        "=",
        "&",
        "%",
        "%4",
        "%41",
        "%fF",
        "a",
        "1",
        "65535",
        "="
      ],
      0,
      8
    ),
    { maxLength: 6 }
  ).pipe(Arbitrary.map((texts) => texts.join("&")))

  it.prop("reads the first of each field, wherever it stands", { parts, first: Schema.Boolean }, ({ first, parts }) => {
    const query = first ? `${good}&${parts}` : `${parts}&${good}`
    const fields = fieldsOf(query)
    const number = (name: string) => /^\d{1,16}$/.test(fields.get(name) ?? "") ? Number(fields.get(name)) : undefined
    const parsed = HttpTrackerServer.parseAnnounce(query)
    const port = number("port")
    const whole = fields.get("info_hash")!.length === 20 && fields.get("peer_id")!.length === 20 &&
      port !== undefined && port > 0 && port < 65_536
    assert.strictEqual(Result.isSuccess(parsed), whole)
    if (Result.isFailure(parsed)) return
    assert.deepStrictEqual(parsed.success.peerId, [...Bytes.fromLatin1(fields.get("peer_id")!)])
    assert.deepStrictEqual(parsed.success.infoHash, [...Bytes.fromLatin1(fields.get("info_hash")!)])
    assert.strictEqual(parsed.success.port, port)
    assert.strictEqual(parsed.success.left, number("left"))
    assert.strictEqual(parsed.success.numWant, number("numwant"))
    assert.strictEqual(parsed.success.ip, fields.get("ip"))
  })

  it("says what the table of swarms is to know", () => {
    const told = (query: string) => {
      const out = new Announcement()
      const bounds = { numWant: 30, maxNumWant: 40 }
      const parsed = Result.getOrThrow(HttpTrackerServer.parseAnnounce(query))
      HttpTrackerServer.fillIn(out, parsed, Uint8Array.of(192, 0, 2, 1), 4, bounds)
      return out
    }
    const { compact, event, infoHash, key, numWant, peerId, role, wants, withIds } = told(good)
    assert.deepStrictEqual({ compact, event, infoHash, key, numWant, peerId, role, wants, withIds }, {
      key: EXAMPLE.key,
      infoHash: InfoHash.toBytes(EXAMPLE.infoHash),
      peerId: PeerId.toBytes(EXAMPLE.peerId),
      compact: Uint8Array.of(192, 0, 2, 1, 0x1a, 0xe1),
      role: "leech",
      event: "started",
      numWant: 40,
      wants: "both",
      withIds: false
    })
    assert.strictEqual(told(good.replace("numwant=50", "")).numWant, 30)
    assert.strictEqual(told(good.replace("numwant=50", "numwant=0")).numWant, 0)
    assert.strictEqual(told(good.replace("left=3", "left=0")).role, "seed")
    assert.strictEqual(told(good.replace("left=3", "")).role, "leech")
    assert.strictEqual(told(good.replace("started", "paused")).role, "paused")
    assert.isTrue(told(good.replace("compact=1", "compact=0")).withIds)
    assert.isFalse(told(good.replace("compact=1", "compact=0&no_peer_id=1")).withIds)
  })
  const good = queryOf(HttpTracker.announceUrl("http://t/a", EXAMPLE))
  const failure = (query: string) => Result.getFailure(HttpTrackerServer.parseAnnounce(query))._tag

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
    const parse = (query: string) => Result.getOrThrow(HttpTrackerServer.parseAnnounce(query))
    assert.isFalse(parse(good.replace("compact=1", "compact=0")).compact)
    assert.isTrue(parse(good.replace("compact=1", "")).compact)
    assert.isUndefined(parse(good.replace("left=3", "left=99999999999999999999")).left)
    assert.strictEqual(parse(good.replace("event=started", "event=paused")).event, "paused")
    assert.isUndefined(parse(good.replace("event=started", "event=odd")).event)
    assert.strictEqual(parse(`${good}&ip=192.0.2.9&no_peer_id=1&port=1`).port, 6881)
    assert.strictEqual(parse(`${good}&ip=192.0.2.9`).ip, "192.0.2.9")
  })

  it("takes any text for a key, the same for the same", () => {
    const key = (text: string) => {
      const parsed = HttpTrackerServer.parseAnnounce(good.replace(/&key=\w+/, text))
      return Result.getOrThrow(parsed).key
    }
    assert.deepStrictEqual(["", "&key=", "&key=0", "&key=00aB", "&key=ffffffff"].map(key), [0, 0, 0, 0xab, 0xffff_ffff])
    const others = ["&key=123456789", "&key=x", "&key=y", "&key=%ff", "&key=-1"].map(key)
    assert.isTrue(others.every((number) => number > 0 && number <= 0xffff_ffff))
    assert.strictEqual(new Set(others).size, others.length)
    assert.strictEqual(key("&key=x&key=y"), key("&key=%78"))
  })

  it("sees peers where they are, and believes only programs of its own machine", () => {
    const at = (seen: string, ip: string | undefined) => {
      const host = new Uint8Array(16)
      const length = HttpTrackerServer.writeHost(seen, ip, host)
      if (length === 0) return undefined
      const compact = Bytes.concat([host.subarray(0, length), Uint8Array.of(0, 1)])
      return PeerAddress.fromCompact(compact, length === 4 ? 4 : 6)[0]?.host
    }
    assert.strictEqual(at("192.0.2.1", undefined), "192.0.2.1")
    assert.strictEqual(at("192.0.2.1", "192.0.2.9"), "192.0.2.1")
    assert.strictEqual(at("::ffff:192.0.2.1", "127.0.0.1"), "192.0.2.1")
    assert.strictEqual(at("2001:db8::1", "::1"), "2001:db8::1")
    assert.strictEqual(at("127.0.0.1", "192.0.2.9"), "192.0.2.9")
    assert.strictEqual(at("::ffff:127.0.0.1", "2001:db8::9"), "2001:db8::9")
    for (const ip of ["evil.example", "::", "ff02::1", "224.0.0.1", "255.255.255.255", "0.0.0.0"]) {
      assert.strictEqual(at("::1", ip), "::1")
    }
    assert.isUndefined(at("", "192.0.2.9"))
  })

  it.prop("never throws on a query", { noise: bytesOf(0, 300), at: int(0, 300) }, ({ at, noise }) => {
    const text = Bytes.toLatin1(noise)
    for (const query of [text, good.slice(0, at) + text, good.slice(0, at) + text + good.slice(at)]) {
      const parsed = HttpTrackerServer.parseAnnounce(query)
      if (Result.isSuccess(parsed)) {
        for (const bytes of [parsed.success.infoHash, parsed.success.peerId]) {
          assert.strictEqual(bytes.filter((byte) => byte >= 0 && byte < 256).length, 20)
        }
      }
      assert.isAtMost(HttpTrackerServer.parseScrape(query).length, HttpTrackerServer.MAX_SCRAPE)
    }
  })

  it("answers a scrape with raw keys", () => {
    const hash = EXAMPLE.infoHash
    const query = `info_hash=short&${good}`
    assert.deepStrictEqual(HttpTrackerServer.parseScrape(query), [hash])
    const bytes = HttpTrackerServer.encodeScrape(
      new Map([[hash, { seeders: 1, leechers: 2, completed: 3, downloaders: 1 }]])
    )
    const raw = Bytes.toLatin1(InfoHash.toBytes(hash))
    assert.strictEqual(
      Bytes.toLatin1(bytes),
      `d5:filesd20:${raw}d8:completei1e10:downloadedi3e11:downloadersi1e10:incompletei2eeee`
    )
  })
})
