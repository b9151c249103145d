import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import * as Bytes from "../../src/domain/Bytes.ts"
import * as InfoHash from "../../src/domain/InfoHash.ts"
import * as InfoHashV2 from "../../src/domain/InfoHashV2.ts"
import * as Magnet from "../../src/domain/Magnet.ts"
import type { Runs } from "../../src/domain/Runs.ts"
import { bytes, int, textOf } from "./generators.ts"
import { hostileText } from "./hostile.ts"

const V1 = "0123456789abcdef0123456789abcdef01234567"
const V2 = "ab".repeat(32)

const parse = (text: string): Magnet.Magnet => Result.getOrThrow(Magnet.parse(text))

const failureOf = (text: string): Magnet.MagnetError["reason"] | undefined => {
  const parsed = Magnet.parse(text)
  if (Result.isSuccess(parsed)) return undefined
  assert.isBelow(parsed.failure.message.length, 200)
  assert.notMatch(parsed.failure.message, /\p{Cc}/u)
  return parsed.failure.reason
}

const btih = `magnet:?xt=urn:btih:${V1}`

const word = textOf(["a", "b", "+", "%", "&", "=", "#", "?", "é", "😀", "7", "-"], 1, 8)

const url = Arbitrary.all([int(0, 2), word]).pipe(
  Arbitrary.map(([kind, path]) => `${["http", "https", "udp"][kind]}://tracker.example:6969/${path}`)
)

const host = Arbitrary.all([int(0, 3), int(1, 65_535)]).pipe(
  Arbitrary.map(([kind, port]) => ({ host: ["192.0.2.1", "2001:db8::1", "peer.example", "localhost"][kind]!, port }))
)

const range = Arbitrary.all([int(0, 30), int(0, 5)]).pipe(
  Arbitrary.map(([first, more]) => ({ first, last: first + more }))
)

/** Sources of all three versions, with hints that may be repeated. */
const made = Arbitrary.all({
  version: int(1, 3),
  hash: bytes(32, 32),
  name: hostileText,
  trackers: Arbitrary.array(Arbitrary.array(url, { maxLength: 3 }), { maxLength: 3 }),
  webSeeds: Arbitrary.array(url, { maxLength: 3 }),
  peers: Arbitrary.array(host, { maxLength: 4 }),
  selected: Arbitrary.array(range, { maxLength: 5 })
}).pipe(Arbitrary.map(({ hash, name, peers, selected, trackers, version, webSeeds }) => {
  const source = {
    infoHashV1: (version & 1) === 0 ? undefined : InfoHash.read(hash, 0),
    infoHashV2: (version & 2) === 0 ? undefined : InfoHashV2.fromBytes(hash),
    // As a document would have it: without half characters.
    name: Bytes.toUtf8(Bytes.fromUtf8(name)),
    trackers,
    webSeeds
  }
  return { magnet: Magnet.fromMetainfo(source, { peers, selected }), source, peers, selected }
}))

describe("Magnet", () => {
  it.prop("brings back what it wrote", [made], ([{ magnet }]) => {
    const link = Magnet.format(magnet)
    assert.match(link, /^[\x21-\x7e]+$/)
    assert.deepStrictEqual(parse(link), magnet)
  })

  it.prop("says of a torrent all that a link can say", [made], ([{ magnet, peers, selected, source }]) => {
    assert.strictEqual(magnet.infoHashV1, source.infoHashV1)
    assert.strictEqual(magnet.infoHashV2, source.infoHashV2)
    assert.strictEqual(magnet.name ?? "", source.name.trim())
    assert.deepStrictEqual(magnet.trackers, [...new Set(source.trackers.flat())])
    assert.deepStrictEqual(magnet.webSeeds, [...new Set(source.webSeeds)])
    assert.deepStrictEqual(
      magnet.peers,
      peers.filter(({ host, port }, i) => peers.findIndex((peer) => peer.host === host && peer.port === port) === i)
    )
    const files = (ranges: Runs = []) =>
      new Set(ranges.flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, i) => first + i)))
    const chosen = magnet.selected ?? []
    assert.deepStrictEqual([...files(chosen)], [...files(selected)].sort((a, b) => a - b))
    chosen.forEach(({ first }, i) => i > 0 && assert.isAbove(first, chosen[i - 1]!.last + 1))
  })

  it.prop("reads mutated links without throwing, and only what it can write", [made, int(0, 5000), hostileText], ([
    { magnet },
    at,
    noise
  ]) => {
    const link = Magnet.format(magnet)
    const cut = at % link.length
    for (const text of [link.slice(0, cut) + noise + link.slice(cut + 1), link.slice(cut), link.slice(0, cut)]) {
      const parsed = Magnet.parse(text)
      if (Result.isSuccess(parsed)) assert.deepStrictEqual(parse(Magnet.format(parsed.success)), parsed.success)
      else failureOf(text)
    }
  }, { arbitrary: { runs: 500 } })

  it("reads hashes of both versions, in every spelling", () => {
    assert.strictEqual(parse(btih).infoHashV1, V1)
    assert.strictEqual(parse(`MAGNET:?XT=URN:BTIH:${V1.toUpperCase()}`).infoHashV1, V1)
    assert.strictEqual(parse(`magnet:?xt.1=urn%3abtih%3a${V1}`).infoHashV1, V1)
    // RFC 4648: "foobar" is MZXW6YTBOI.
    const base32 = `MZXW6YTBOI${"A".repeat(22)}`
    const foobar = `666f6f626172${"0".repeat(28)}`
    assert.strictEqual(parse(`magnet:?xt=urn:btih:${base32}`).infoHashV1, foobar)
    assert.strictEqual(parse(`magnet:?xt=urn:btih:${base32.toLowerCase()}`).infoHashV1, foobar)
    const hybrid = parse(`${btih}&xt=urn:btmh:1220${V2.toUpperCase()}&xt=urn:sha1:PDAQRAOQQRYS76MRZJ33LK4MMVZBDSCL`)
    assert.deepStrictEqual([hybrid.infoHashV1, hybrid.infoHashV2], [V1, V2])
    assert.isUndefined(parse(`magnet:?xt=urn:btmh:1220${V2}`).infoHashV1)
    assert.strictEqual(parse(` ${btih}&amp;xt=urn:btih:${V1.toUpperCase()}\n`).infoHashV1, V1)
  })

  it("takes a bare hash for a link to it", () => {
    const hashesOf = (text: string) => {
      const magnet = Magnet.fromHash(text)
      return magnet && [magnet.infoHashV1, magnet.infoHashV2]
    }
    assert.deepStrictEqual(hashesOf(V1.toUpperCase()), [V1, undefined])
    assert.deepStrictEqual(hashesOf("a".repeat(32)), ["0".repeat(40), undefined])
    assert.deepStrictEqual(hashesOf(V2), [undefined, V2])
    for (const text of ["", V1.slice(1), `${V1}0`, "1".repeat(32), `${V2}ab`, btih]) assert.isUndefined(hashesOf(text))
  })

  it("says why a link is none", () => {
    assert.strictEqual(failureOf(""), "NotMagnet")
    assert.strictEqual(failureOf("http://example.org/"), "NotMagnet")
    assert.strictEqual(failureOf(`magnet:${V1}`), "NotMagnet")
    assert.strictEqual(failureOf("magnet:?"), "NoHash")
    assert.strictEqual(failureOf("magnet:?dn=x&tr=http://a/&xt=urn:sha1:PDAQRAOQQRYS76MRZJ33LK4MMVZBDSCL"), "NoHash")
    for (const hash of ["", V1.slice(1), `${V1}0`, `${V1.slice(1)}g`, "1".repeat(32), "é".repeat(20)]) {
      assert.strictEqual(failureOf(`magnet:?xt=urn:btih:${hash}`), "BadHash", hash)
    }
    for (const hash of ["", V2, `1220${V2.slice(2)}`, `1220${V2}00`, `1114${V1}`]) {
      assert.strictEqual(failureOf(`magnet:?xt=urn:btmh:${hash}`), "BadHash", hash)
    }
    assert.strictEqual(failureOf(`${btih}&xt=urn:btih:${"0".repeat(40)}`), "TwoTorrents")
    assert.strictEqual(failureOf(`${btih}&dn=${"x".repeat(Magnet.MAX_LENGTH)}`), "TooLong")
  })

  it("reads names as forms and programs write them", () => {
    const nameOf = (dn: string) => parse(`${btih}&dn=${dn}`).name
    assert.strictEqual(nameOf("a+b%20c%2Bd"), "a b c+d")
    assert.strictEqual(nameOf("%E6%98%A0%E7%94%BB"), "映画")
    assert.strictEqual(nameOf("映画 é"), "映画 é")
    assert.strictEqual(nameOf("a=b%26c%3d"), "a=b&c=")
    assert.strictEqual(nameOf("100%&dn=y"), "100%")
    assert.strictEqual(nameOf("%zz%ff"), "%zz\ufffd")
    assert.strictEqual(nameOf("+&dn.2=second&dn=third"), "second")
    assert.isUndefined(nameOf(""))
    assert.strictEqual(nameOf("😀".repeat(1000))?.length, 1024)
    assert.strictEqual(nameOf(`x${"😀".repeat(1000)}`)?.length, 1023)
  })

  it("keeps hints that make sense, and leaves out the others", () => {
    const magnet = parse(
      `${btih}&tr=http%3A%2F%2Fa%2Fx%2By+z&tr.1=udp://b:1&tr.2=udp://b:1&tr=not a url&tr=&tr=http://c/%0ad` +
        `&ws=https://seed.example/%25&ws=javascript:x&xl=5&kt=a+b&x.do=1&x.=&=&&a`
    )
    assert.deepStrictEqual(magnet.trackers, ["http://a/x+y+z", "udp://b:1"])
    assert.deepStrictEqual(magnet.webSeeds, ["https://seed.example/%"])
    const peers =
      "1.2.3.4:5 [2001:DB8::1]:6 %5B::1%5D:7 host.example:8 1.2.3.4:5 ::ffff:1.2.3.4:5 [::ffff:1.2.3.4]:9 " +
      "1.2.3.4 1.2.3.4:0 1.2.3.4:65536 1.2.3.400:5 -:5 a..b:5 a/b:5 :5 [host]:5 bücher.example:5"
    assert.deepStrictEqual(
      parse(`${btih}&x.pe=${peers.replaceAll(" ", "&x.pe=")}`).peers,
      [
        { host: "1.2.3.4", port: 5 },
        { host: "2001:db8::1", port: 6 },
        { host: "::1", port: 7 },
        { host: "host.example", port: 8 },
        { host: "1.2.3.4", port: 9 }
      ]
    )
    const many = Array.from({ length: 150 }, (_, i) => `&tr=http://t${i}/&x.pe=h${i}:1`).join("")
    assert.strictEqual(parse(btih + many).trackers.length, Magnet.MAX_HINTS)
    assert.strictEqual(parse(btih + many).peers.length, Magnet.MAX_HINTS)
    assert.strictEqual(parse(btih + many).trackers[99], "http://t99/")
    assert.deepStrictEqual(parse(`${btih}&tr=http://a/${"x".repeat(2048)}`).trackers, [])
  })

  it("reads selections of files", () => {
    const selected = (so: string) => parse(`${btih}&so=${so}`).selected?.map(({ first, last }) => [first, last])
    assert.deepStrictEqual(selected("0,2,4,6-8"), [[0, 0], [2, 2], [4, 4], [6, 8]])
    assert.deepStrictEqual(selected("6-8,7-9,10,0&so=2%2C3"), [[0, 0], [2, 3], [6, 10]])
    assert.deepStrictEqual(selected("0-9999999,3-1,-1,4-,x,1048575,1048576, 5"), [[1_048_575, 1_048_575]])
    assert.deepStrictEqual(selected("0-1048575"), [[0, 1_048_575]])
    assert.isUndefined(selected(""))
    assert.isUndefined(selected("none"))
    assert.strictEqual(selected(Array.from({ length: 5000 }, (_, i) => i * 2).join(","))?.length, 1024)
  })

  it("takes no long time over the worst of links", () => {
    for (const field of ["&tr=a://b", "&x.pe=", "&dn=+", "&so=1,", "&xt=u", "%41", "&", " "]) {
      const text = btih + field.repeat((Magnet.MAX_LENGTH - btih.length) / field.length)
      const start = process.cpuUsage()
      Magnet.parse(text)
      const { system, user } = process.cpuUsage(start)
      assert.isBelow((user + system) / 1000, 1000, field)
    }
  })

  it("writes nothing longer than it reads", () => {
    const wide = (i: number) => `http://${i}/${"é".repeat(2030)}`
    const source = {
      infoHashV1: InfoHash.parse(V1),
      infoHashV2: InfoHashV2.parse(V2),
      name: "映".repeat(5000),
      trackers: [Array.from({ length: 500 }, (_, i) => wide(i))],
      webSeeds: Array.from({ length: 500 }, (_, i) => wide(i))
    }
    const magnet = Magnet.fromMetainfo(source)
    assert.strictEqual(magnet.trackers.length + magnet.webSeeds.length, 2 * Magnet.MAX_HINTS)
    assert.deepStrictEqual(parse(Magnet.format(magnet)), magnet)
  })
})
