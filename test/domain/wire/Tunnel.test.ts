/** Both ways of talking a proxy into a connection, as it hears them and whatever it answers. */
import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "../../../src/domain/Bytes.ts"
import type * as Host from "../../../src/domain/Host.ts"
import * as Proxy from "../../../src/domain/Proxy.ts"
import * as HttpConnect from "../../../src/domain/wire/HttpConnect.ts"
import * as Socks5 from "../../../src/domain/wire/Socks5.ts"
import type { Step, Talk } from "../../../src/domain/wire/Talk.ts"
import * as Tunnel from "../../../src/domain/wire/Tunnel.ts"
import { bytes, int, textOf } from "../generators.ts"
import { below, randomOf, seed } from "../swarm/seeded.ts"

const TO: Host.Host = { host: "tracker.example", port: 6969 }
const LOGIN = { user: "me", password: "sécret" }

const socks = (login = false) => new Socks5.Dialogue("connect", TO, login ? LOGIN : undefined)
const http = (login = false) => new HttpConnect.Dialogue(TO, login ? LOGIN : undefined)

const raw = (text: string): Uint8Array => Bytes.fromLatin1(text)

/** What is said, and what comes of it, when the proxy answers each time with the next of these. */
const play = (
  talk: Talk,
  answers: ReadonlyArray<Uint8Array>,
  cut?: (bytes: Uint8Array) => ReadonlyArray<Uint8Array>
) => {
  const said = [talk.begin()]
  let last: Step = { _tag: "More" }
  for (const answer of answers) {
    for (const part of cut?.(answer) ?? [answer]) {
      const copy = part.slice()
      last = talk.push(copy)
      copy.fill(0xee)
      if (last._tag === "Say") said.push(last.bytes)
      if (last._tag === "Failed" || last._tag === "Open") return { said, last }
    }
  }
  return { said, last }
}

const opened = (step: Step) => {
  if (step._tag !== "Open") throw new Error(JSON.stringify(step))
  return step
}

const failure = (step: Step) => {
  if (step._tag !== "Failed") throw new Error(JSON.stringify(step))
  return step
}

const BOUND = [1, 10, 0, 0, 1, 0x1f, 0x90]
const OK = Uint8Array.of(5, 0, 0, ...BOUND)

describe("SOCKS5", () => {
  it("asks for a name without looking it up", () => {
    const { last, said } = play(socks(), [Uint8Array.of(5, 0), OK])
    assert.deepStrictEqual([...said[0]!], [5, 1, 0])
    assert.deepStrictEqual([...said[1]!], [5, 1, 0, 3, 15, ...raw("tracker.example"), 0x1b, 0x39])
    assert.deepStrictEqual(opened(last).bound, { host: "10.0.0.1", port: 8080 })
  })

  it("says user and password to whoever wants them, and to nobody else", () => {
    const { said } = play(socks(true), [Uint8Array.of(5, 2), Uint8Array.of(1, 0), OK])
    assert.deepStrictEqual([...said[0]!], [5, 2, 0, 2])
    assert.deepStrictEqual([...said[1]!], [1, 2, ...raw("me"), 7, ...Bytes.fromUtf8("sécret")])
    assert.strictEqual(said.length, 3)
    const without = play(socks(true), [Uint8Array.of(5, 0), OK])
    assert.isFalse(without.said.some((bytes) => Bytes.toUtf8(bytes).includes("cret")))
  })

  const places = [
    ["192.0.2.7", [1, 192, 0, 2, 7]],
    ["2001:db8::7", [4, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]],
    ["::ffff:192.0.2.7", [1, 192, 0, 2, 7]]
  ] as const

  it("writes and reads addresses of both families", () => {
    for (const [host, encoded] of places) {
      assert.deepStrictEqual([...Socks5.request("associate", { host, port: 1 })], [5, 3, 0, ...encoded, 0, 1])
    }
    const six = play(socks(), [Uint8Array.of(5, 0), Uint8Array.of(5, 0, 0, ...places[1][1], 0, 9)])
    assert.deepStrictEqual(opened(six.last).bound, { host: "2001:db8::7", port: 9 })
    const name = play(socks(), [Uint8Array.of(5, 0), Uint8Array.of(5, 0, 0, 3, 1, 0x61, 0, 9)])
    assert.deepStrictEqual(opened(name.last).bound, { host: "a", port: 9 })
  })

  it("has one reason for each way of failing", () => {
    const reply = (code: number) => [Uint8Array.of(5, 0), Uint8Array.of(5, code, 0, 1, 0, 0, 0, 0, 0, 0)]
    const failures = Array.from({ length: 9 }, (_, i) => failure(play(socks(), reply(i + 1)).last))
    assert.strictEqual(new Set(failures.map(({ detail }) => detail)).size, 9)
    assert.deepStrictEqual(
      failures.map(({ blames }) => blames).join(),
      "target,proxy,target,target,target,target,proxy,target,proxy"
    )
    const wants = failure(play(socks(), [Uint8Array.of(5, 0xff)]).last)
    assert.strictEqual(wants.detail, "wants a user and password")
    assert.strictEqual(failure(play(socks(), [Uint8Array.of(5, 2)]).last).detail, "wants a user and password")
    assert.strictEqual(failure(play(socks(true), [Uint8Array.of(5, 0xff)]).last).detail, "takes no user and password")
    const refused = failure(play(socks(true), [Uint8Array.of(5, 2), Uint8Array.of(1, 1)]).last)
    assert.strictEqual(refused.detail, "refuses this user and password")
    for (const talk of ["HTTP/1.1 400 Bad", "\x04\x5b", "\x05\x01", "\x05\x00\x05"]) {
      assert.strictEqual(failure(play(socks(), [raw(talk)]).last).detail, "does not speak SOCKS5")
    }
    const udp = new Socks5.Dialogue("associate", TO, undefined)
    assert.match(failure(play(udp, reply(7)).last).detail, /passes no UDP on/)
  })

  it("a refusal needs no address behind it", () => {
    assert.strictEqual(failure(play(socks(), [Uint8Array.of(5, 0), Uint8Array.of(5, 5)]).last).code, "ECONNREFUSED")
  })

  it.prop("datagrams come back as they were wrapped", {
    payload: bytes(0, 64),
    port: int(1, 65_535),
    which: int(0, 3)
  }, ({ payload, port, which }) => {
    const host = ["192.0.2.7", "2001:db8::7", "tracker.example", "x".repeat(255)][which]!
    const wrapped = Socks5.wrap({ host, port }, payload)
    const datagram = Socks5.unwrap(wrapped)!
    assert.deepStrictEqual([...datagram.payload], [...payload])
    assert.strictEqual(datagram.family, which === 0 ? 4 : which === 1 ? 6 : undefined)
    wrapped[2] = 1
    assert.isUndefined(Socks5.unwrap(wrapped), "a fragment")
  })

  it.prop("no datagram throws, and its payload is never longer than it is", { raw: bytes(0, 40) }, ({ raw }) => {
    for (const bytes of [raw, Bytes.concat([new Uint8Array(3), raw])]) {
      assert.isAtMost(Socks5.unwrap(bytes)?.payload.length ?? 0, bytes.length)
    }
  })
})

describe("HTTP CONNECT", () => {
  it("asks for a name, with user and password if there are any", () => {
    assert.strictEqual(
      Bytes.toUtf8(http().begin()),
      "CONNECT tracker.example:6969 HTTP/1.1\r\nHost: tracker.example:6969\r\n\r\n"
    )
    const [, encoded = ""] = /^Proxy-Authorization: Basic (\S+)\r$/m.exec(Bytes.toUtf8(http(true).begin()))!
    assert.strictEqual(Bytes.toUtf8(Bytes.fromLatin1(atob(encoded))), "me:sécret")
    const six = new HttpConnect.Dialogue({ host: "2001:db8::7", port: 1 }, undefined)
    assert.match(Bytes.toUtf8(six.begin()), /^CONNECT \[2001:db8::7\]:1 HTTP/)
  })

  it("is open after any answer of 2xx, whatever interim ones came before", () => {
    for (const head of ["HTTP/1.0 200 Connection established\r\n", "HTTP/1.1 204\r\nVia: x\r\n", "HTTP/1.1 200 \n"]) {
      const end = head.endsWith("\r\n") ? "\r\n" : "\n"
      const { last } = play(http(), [raw(`HTTP/1.1 103 Early\r\nA: b\r\n\r\n${head}${end}rest`)])
      assert.strictEqual(Bytes.toLatin1(opened(last).rest), "rest", head)
    }
  })

  it("has one reason for each way of failing", () => {
    const of = (status: string, login = false) => failure(play(http(login), [raw(`HTTP/1.1 ${status}\r\n\r\n`)]).last)
    assert.strictEqual(of("407 Who").detail, "wants a user and password")
    assert.strictEqual(of("407 Who", true).detail, "refuses this user and password")
    assert.strictEqual(of("403 Filtered").detail, "does not allow this connection (403 Filtered)")
    assert.deepStrictEqual([of("502 Bad").blames, of("504").code, of("403").blames], ["target", "ETIMEDOUT", "proxy"])
    assert.strictEqual(of(`500 \x1b[2J${"x".repeat(900)}`).detail.length < 150, true)
    assert.notInclude(of("500 \x1b[2J").detail, "\x1b")
    for (const talk of ["SSH-2.0-x\r\n", "\x05\x00", "HTTP/2 200\r\n\r\n", "HTTP/1.1 20\r\n\r\n"]) {
      assert.strictEqual(failure(play(http(), [raw(talk)]).last).detail, "does not speak HTTP", talk)
    }
  })

  it("does not listen to an endless head", () => {
    const talk = http()
    const line = raw(`X: ${"y".repeat(1000)}\r\n`)
    let last = talk.push(raw("HTTP/1.1 200 OK\r\n"))
    for (let i = 0; i < 17; i++) last = talk.push(line)
    assert.strictEqual(failure(last).detail, "does not speak HTTP")
  })
})

const PROXIES = ["socks5://h", "socks5://a:b@h", "http://h", "http://a:b@h"].map((text) => Proxy.parse(text)!)

describe("any tunnel", () => {
  it.prop(
    "opens however the answers are cut, and keeps what the target said",
    { seed, rest: bytes(0, 20) },
    (fields) => {
      const random = randomOf(fields.seed)
      const cut = (bytes: Uint8Array) => {
        const parts: Array<Uint8Array> = []
        for (let at = 0; at < bytes.length;) {
          const end = at + 1 + below(random, 12)
          parts.push(bytes.subarray(at, end))
          at = end
        }
        return parts
      }
      const talks = [
        [socks(true), [Uint8Array.of(5, 2), Uint8Array.of(1, 0), OK]],
        [http(), [raw("HTTP/1.1 200 OK\r\nServer: x\r\n\r\n")]]
      ] as const
      for (const [talk, answers] of talks) {
        const { last } = play(talk, answers, cut)
        assert.strictEqual(opened(last).rest.length, 0)
      }
      const whole = play(socks(), [Uint8Array.of(5, 0), Bytes.concat([OK, fields.rest])])
      assert.deepStrictEqual([...opened(whole.last).rest], [...fields.rest])
    }
  )

  const alphabet = ["\x05", "\x00", "\x01", "\x03", "\xff", "H", "HTTP/1.1 ", "200", "\r\n", "\n", " ", "x"]

  it.prop("no answer throws or makes it say anything that nobody asked for", {
    kind: int(0, PROXIES.length - 1),
    parts: textOf(alphabet, 0, 40),
    seed
  }, ({ kind, parts, seed }) => {
    const random = randomOf(seed)
    const talk = Tunnel.connect(PROXIES[kind]!, TO)
    let said = talk.begin().length
    for (let at = 0; at < parts.length;) {
      const end = at + 1 + below(random, 5)
      const step = talk.push(raw(parts.slice(at, end)))
      if (step._tag === "Say") said += step.bytes.length
      if (step._tag === "Open" || step._tag === "Failed") break
      at = end
    }
    assert.isBelow(said, 200)
  })
})
