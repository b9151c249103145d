import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import * as Bytes from "../../src/domain/Bytes.ts"
import * as InfoHash from "../../src/domain/InfoHash.ts"
import type { Peer } from "../../src/domain/swarm/Peer.ts"
import * as Handshake from "../../src/domain/wire/Handshake.ts"
import type * as HashMessage from "../../src/domain/wire/HashMessage.ts"
import * as Message from "../../src/domain/wire/Message.ts"
import { type Admission, type Hello, PeerConnection, type Port } from "../../src/services/PeerConnection.ts"
import { peerIdOf } from "../domain/swarm/fakes.ts"
import { below, int, randomOf, seed } from "../domain/swarm/seeded.ts"
import { FakeLink } from "../support/links.ts"
import { message, parse } from "../support/messages.ts"
import { noise } from "../support/payload.ts"

const infoHash = InfoHash.fromBytes(noise(20, 3))
const ours = peerIdOf(1)
const theirs = peerIdOf(2)
/** What every connection of ours offers. */
const spoken = { extended: true }
const answer = Handshake.encode(infoHash, ours, spoken)
const greeting = Handshake.encode(infoHash, theirs)
const able = Handshake.encode(infoHash, theirs, { fast: true, extended: true })
const keepAlive = new Uint8Array(4)

const rangeOf = ({ base, index, length, proofLayers, root }: HashMessage.HashRange) =>
  `${Bytes.toHex(root, 0, 2)} ${base} ${index} ${length} ${proofLayers}`

/** A `hashes` message that says `length` and has `size` bytes of hashes. */
const hashes = (length: number, size: number): Uint8Array => {
  const tail = new Uint8Array(48 + size)
  Bytes.writeUint32(tail, 40, length)
  return message(Message.HASHES, [], tail)
}

/** A torrent that writes down what it is told, and answers with `verdict`. */
const recorder = (pieces = 20) => {
  const told: Array<string> = []
  const peers: Array<Peer> = []
  const state = { verdict: undefined as string | undefined, reply: (_peer: Peer) => {} }
  const note = (text: string) => {
    told.push(text)
    return state.verdict
  }
  const port: Port = {
    opened: (peer) => {
      peers.push(peer)
      note("opened")
    },
    closed: () => void note("closed"),
    bitfield: (_, bits) => note(`bitfield ${Bytes.toHex(bits)}`),
    haveMessage: (_, piece) => note(`have ${piece}`),
    choke: () => void note("choke"),
    unchoke: () => void note("unchoke"),
    interested: () => void note("interested"),
    notInterested: () => void note("not interested"),
    request: (_, piece, begin, length) => note(`request ${piece} ${begin} ${length}`),
    block: (_, piece, begin, bytes, at, length) =>
      note(`block ${piece} ${begin} ${Bytes.toHex(bytes.subarray(at, at + length))}`),
    cancel: (_, piece, begin, length) => void note(`cancel ${piece} ${begin} ${length}`),
    haveAll: () => note("have all"),
    haveNone: () => note("have none"),
    suggest: (_, piece) => note(`suggest ${piece}`),
    reject: (_, piece, begin, length) => note(`reject ${piece} ${begin} ${length}`),
    allowedFast: (_, piece) => note(`allowed fast ${piece}`),
    extended: (_, bytes) => note(`extended ${Bytes.toHex(bytes)}`),
    hashRequest: (_, range) => note(`hash request ${rangeOf(range)}`),
    hashes: (_, range, hashes) => note(`hashes ${rangeOf(range)} ${hashes.length}`),
    hashReject: (_, range) => void note(`hash reject ${rangeOf(range)}`),
    batchEnded: (peer) => {
      note("batch")
      state.reply(peer)
    }
  }
  const admission: Admission = {
    port,
    pieces,
    key: 7,
    identity: 8,
    onOpen: () => void note("onOpen"),
    onClosed: (_, reason) => void note(`onClosed: ${reason}`)
  }
  return { told, peers, state, admission }
}

type Recorder = ReturnType<typeof recorder>

/** Runs a connection over a fake link; `outbound` says which torrent to ask for. */
const start = Effect.fnUntraced(function*(torrent: Recorder, options: Partial<Hello> & { outbound?: boolean } = {}) {
  const { outbound = true, ...hello } = options
  const link = new FakeLink()
  const { run } = yield* PeerConnection
  const fiber = yield* Effect.forkChild(
    run(link, { ourId: ours, admit: () => torrent.admission, ...(outbound ? { infoHash } : {}), ...hello }),
    { startImmediately: true }
  )
  return { link, fiber, torrent }
})

const opened = Effect.fnUntraced(function*(torrent: Recorder = recorder()) {
  const running = yield* start(torrent)
  running.link.push(greeting)
  assert.deepStrictEqual(torrent.told, ["opened", "onOpen", "batch"])
  torrent.told.length = 0
  return running
})

const reasonOf = (fiber: Fiber.Fiber<string>) => Fiber.join(fiber)

describe("PeerConnection", () => {
  it.effect("speaks first when it has dialled, and tells the torrent of a peer that answers", () =>
    Effect.gen(function*() {
      const torrent = recorder()
      const { fiber, link } = yield* start(torrent)
      assert.deepStrictEqual(link.sent, answer)
      link.push(greeting)
      const [peer] = torrent.peers
      assert.strictEqual(peer!.id, theirs)
      assert.strictEqual(peer!.key, 7)
      assert.strictEqual(peer!.identity, 8)
      assert.isFalse(peer!.inbound)
      assert.strictEqual(peer!.bits.length, 3)
      link.close()
      assert.strictEqual(yield* reasonOf(fiber), "hung up")
      assert.deepStrictEqual(torrent.told, ["opened", "onOpen", "batch", "closed", "onClosed: hung up"])
    }).pipe(Effect.provide(PeerConnection.layer)))

  it.effect("waits for a caller's handshake, and answers with the same info hash before anything else", () =>
    Effect.gen(function*() {
      const torrent = recorder()
      torrent.state.reply = (peer) => {
        peer.outbox.unchoke()
        peer.wire.flush()
      }
      const { link } = yield* start(torrent, { outbound: false })
      link.push(greeting.subarray(0, 67))
      assert.lengthOf(link.writes, 0)
      link.push(greeting.subarray(67))
      assert.isTrue(torrent.peers[0]!.inbound)
      assert.deepStrictEqual(link.writes, [answer, message(Message.UNCHOKE)])
    }).pipe(Effect.provide(PeerConnection.layer)))

  describe("of a hybrid torrent", () => {
    const v2 = InfoHash.fromBytes(noise(20, 4))
    const hello = (hash: InfoHash.InfoHash, bit: boolean, id = theirs) =>
      Handshake.encode(hash, id, { v2: bit, ...spoken })

    /** What the caller is answered, and what the peer speaks. */
    const answerTo = Effect.fnUntraced(function*(called: Uint8Array) {
      const torrent = recorder()
      const { link } = yield* start(torrent, { outbound: false, admit: () => ({ ...torrent.admission, v2 }) })
      link.push(called)
      assert.lengthOf(torrent.peers, 1)
      return { sent: link.sent, v2: torrent.peers[0]!.v2 }
    })

    it.effect("answers on version 2 whoever can, and on version 1 whoever cannot", () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* answerTo(hello(infoHash, false)), {
          sent: hello(infoHash, true, ours),
          v2: false
        })
        for (const called of [hello(infoHash, true), hello(v2, false), hello(v2, true)]) {
          assert.deepStrictEqual(yield* answerTo(called), { sent: hello(v2, true, ours), v2: true })
        }
      }).pipe(Effect.provide(PeerConnection.layer)))

    it.effect("calls on version 1 and takes the answer of version 2 for an upgrade, but not the other way round", () =>
      Effect.gen(function*() {
        for (
          const [asked, answered, speaks] of [[infoHash, infoHash, false], [infoHash, v2, true], [
            v2,
            v2,
            true
          ]] as const
        ) {
          const torrent = recorder()
          const { link } = yield* start(torrent, { infoHash: asked, v2 })
          assert.deepStrictEqual(link.sent, hello(asked, true, ours))
          link.push(hello(answered, true))
          assert.strictEqual(torrent.peers[0]!.v2, speaks)
        }
        const { fiber, link } = yield* start(recorder(), { infoHash: v2, v2 })
        link.push(hello(infoHash, true))
        assert.strictEqual(yield* reasonOf(fiber), "answered for another torrent")
      }).pipe(Effect.provide(PeerConnection.layer)))
  })

  it.effect("hands on every message of BEP 3, in order, with one end of batch a read", () =>
    Effect.gen(function*() {
      const { link, torrent } = yield* opened()
      link.push(Bytes.concat([
        message(Message.BITFIELD, [], Uint8Array.of(0xff, 1, 0x10)),
        keepAlive,
        message(Message.UNCHOKE),
        message(Message.CHOKE),
        message(Message.INTERESTED),
        message(Message.NOT_INTERESTED),
        message(Message.HAVE, [19]),
        message(Message.REQUEST, [1, 16_384, 2 ** 32 - 1]),
        message(Message.CANCEL, [1, 2, 3]),
        message(Message.PIECE, [5, 32_768], Uint8Array.of(1, 2, 3))
      ]))
      assert.deepStrictEqual(torrent.told, [
        "bitfield ff0110",
        "unchoke",
        "choke",
        "interested",
        "not interested",
        "have 19",
        "request 1 16384 4294967295",
        "cancel 1 2 3",
        "block 5 32768 010203",
        "batch"
      ])
    }).pipe(Effect.provide(PeerConnection.layer)))

  it.effect("hands on the hash messages of BEP 52", () =>
    Effect.gen(function*() {
      const { link, torrent } = yield* opened()
      const range = [...noise(32), 0, 0, 0, 4, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 3]
      const name = `${Bytes.toHex(noise(2))} 4 512 2 3`
      link.push(Bytes.concat([
        message(Message.HASH_REQUEST, [], Uint8Array.from(range)),
        message(Message.HASHES, [], Uint8Array.from([...range, ...noise(5 * 32)])),
        message(Message.HASH_REJECT, [], Uint8Array.from(range))
      ]))
      assert.deepStrictEqual(torrent.told, [
        `hash request ${name}`,
        `hashes ${name} 160`,
        `hash reject ${name}`,
        "batch"
      ])
    }).pipe(Effect.provide(PeerConnection.layer)))

  it.effect("leaves extension messages alone of a peer that has not offered them", () =>
    Effect.gen(function*() {
      const { link, torrent } = yield* opened()
      link.push(message(Message.EXTENDED, [], Uint8Array.of(0, 1, 2)))
      assert.deepStrictEqual(torrent.told, ["batch"])
      assert.isFalse(torrent.peers[0]!.extended)
      assert.isFalse(link.isClosed)
    }).pipe(Effect.provide(PeerConnection.layer)))

  it.effect("hands on extension messages of a peer that has", () =>
    Effect.gen(function*() {
      const { link, torrent } = yield* start(recorder())
      link.push(able, message(Message.EXTENDED, [], Uint8Array.of(0, 1, 2)))
      assert.isTrue(torrent.peers[0]!.extended)
      assert.deepStrictEqual(torrent.told, ["opened", "onOpen", "batch", "extended 000102", "batch"])
    }).pipe(Effect.provide(PeerConnection.layer)))

  it.effect("drops a peer that sends what it has not offered of the fast extension", () =>
    Effect.gen(function*() {
      for (const [id, ...numbers] of [[13, 1], [14], [15], [16, 1, 0, 5], [17, 1]] as const) {
        const { fiber, link, torrent } = yield* opened()
        link.push(message(id, numbers))
        assert.deepStrictEqual(torrent.told.slice(0, 1), ["closed"])
        assert.strictEqual(yield* reasonOf(fiber), "sent a message of the fast extension without its bit")
      }
    }).pipe(Effect.provide(PeerConnection.layer)))

  it.effect("ignores ids it does not know, also empty and long ones", () =>
    Effect.gen(function*() {
      const { link, torrent } = yield* opened()
      link.push(message(9, [], noise(2)), message(24), message(255, [], noise(100_000)), message(12, [1]))
      assert.deepStrictEqual(torrent.told, ["batch", "batch", "batch", "batch"])
      assert.isFalse(link.isClosed)
    }).pipe(Effect.provide(PeerConnection.layer)))

  for (
    const [name, bytes] of [
      ["a choke with a payload", message(Message.CHOKE, [], noise(1))],
      ["a short have", message(Message.HAVE, [], noise(3))],
      ["a long have", message(Message.HAVE, [1], noise(1))],
      ["a short request", message(Message.REQUEST, [1, 2])],
      ["a long cancel", message(Message.CANCEL, [1, 2, 3, 4])],
      ["an empty block", message(Message.PIECE, [1, 2])],
      ["half a piece header", message(Message.PIECE, [1])],
      ["an empty extension message", message(Message.EXTENDED)],
      ["a long reject", message(Message.REJECT, [1, 2, 3, 4])],
      ["a short reject", message(Message.REJECT, [1, 2])],
      ["a have all with a payload", message(Message.HAVE_ALL, [], noise(1))],
      ["a short hash request", message(Message.HASH_REQUEST, [], noise(47))],
      ["a long hash reject", message(Message.HASH_REJECT, [], noise(49))],
      ["hashes without a hash", message(Message.HASHES, [], new Uint8Array(48))],
      ["fewer hashes than it says", hashes(4, 4 * 32 - 32)],
      ["more hashes than it says", hashes(4, 4 * 32 + 32)],
      ["half a hash", hashes(2, 80)],
      ["three hashes", hashes(3, 96)],
      ["2^31 hashes", hashes(2 ** 31, 64)]
    ] as const
  ) {
    it.effect(`drops a peer that sends ${name}`, () =>
      Effect.gen(function*() {
        const { fiber, link, torrent } = yield* opened()
        link.push(Bytes.concat([bytes, message(Message.UNCHOKE)]))
        assert.strictEqual(yield* reasonOf(fiber), "sent a message of the wrong length")
        assert.isTrue(link.isClosed)
        assert.deepStrictEqual(torrent.told, ["closed", "onClosed: sent a message of the wrong length"])
      }).pipe(Effect.provide(PeerConnection.layer)))
  }

  it.effect("drops a peer on a verdict, and handles nothing that came after", () =>
    Effect.gen(function*() {
      const { fiber, link, torrent } = yield* opened()
      torrent.state.verdict = "is no good"
      link.push(Bytes.concat([message(Message.HAVE, [99]), message(Message.UNCHOKE)]))
      assert.strictEqual(yield* reasonOf(fiber), "is no good")
      assert.deepStrictEqual(torrent.told, ["have 99", "closed", "onClosed: is no good"])
    }).pipe(Effect.provide(PeerConnection.layer)))

  it.effect("handles nothing more once the torrent has closed the wire in the middle of a read", () =>
    Effect.gen(function*() {
      const { fiber, link, torrent } = yield* opened()
      torrent.state.reply = (peer) => peer.wire.close("was let go")
      link.push(message(Message.UNCHOKE))
      assert.strictEqual(yield* reasonOf(fiber), "was let go")
      assert.deepStrictEqual(torrent.told, ["unchoke", "batch", "closed", "onClosed: was let go"])
    }).pipe(Effect.provide(PeerConnection.layer)))

  it.effect("refuses another protocol, another torrent and a peer that is not admitted", () =>
    Effect.gen(function*() {
      const other = Handshake.encode(InfoHash.fromBytes(noise(20, 9)), theirs)
      const garbage = noise(68)
      for (
        const [bytes, options, reason] of [
          [garbage, {}, "speaks another protocol"],
          [garbage, { outbound: false }, "speaks another protocol"],
          [other, {}, "answered for another torrent"],
          [greeting, { admit: () => "is banned" }, "is banned"],
          [greeting, { outbound: false, admit: () => "is banned" }, "is banned"]
        ] as const
      ) {
        const torrent = recorder()
        const { fiber, link } = yield* start(torrent, options)
        const before = link.writes.length
        link.push(bytes)
        assert.strictEqual(yield* reasonOf(fiber), reason)
        assert.isTrue(link.isClosed)
        assert.lengthOf(link.writes, before)
        assert.deepStrictEqual(torrent.told, [])
      }
    }).pipe(Effect.provide(PeerConnection.layer)))

  it.effect("drops a frame over the limit, as a second handshake is one", () =>
    Effect.gen(function*() {
      for (const bytes of [greeting, message(Message.PIECE, [], noise(131_072 + 9))]) {
        const { fiber, link, torrent } = yield* opened()
        link.push(bytes)
        assert.strictEqual(yield* reasonOf(fiber), "announced a frame over the limit")
        assert.strictEqual(torrent.told.at(-1), "onClosed: announced a frame over the limit")
      }
    }).pipe(Effect.provide(PeerConnection.layer)))

  it.effect("takes a bitfield as long as the torrent needs, and none that is longer", () =>
    Effect.gen(function*() {
      const pieces = 8 * 200_000
      const { link, torrent } = yield* opened(recorder(pieces))
      link.push(message(Message.BITFIELD, [], new Uint8Array(200_000)))
      assert.lengthOf(torrent.told, 2)
      assert.isFalse(link.isClosed)
      link.push(message(Message.BITFIELD, [], new Uint8Array(200_001)))
      assert.isTrue(link.isClosed)
    }).pipe(Effect.provide(PeerConnection.layer)))

  it.effect("gives a handshake ten seconds, however it drips in", () =>
    Effect.gen(function*() {
      for (const outbound of [true, false]) {
        const torrent = recorder()
        const { fiber, link } = yield* start(torrent, { outbound })
        for (let second = 0; second < 9; second++) {
          yield* TestClock.adjust("1 second")
          link.push(greeting.subarray(second, second + 1))
        }
        assert.isFalse(link.isClosed)
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* reasonOf(fiber), "did not shake hands in time")
        assert.isTrue(link.isClosed)
        assert.deepStrictEqual(torrent.told, [])
      }
    }).pipe(Effect.provide(PeerConnection.layer)))

  it.effect("gives up a peer that sends no whole message, silent or byte by byte", () =>
    Effect.gen(function*() {
      for (const drips of [false, true]) {
        const { fiber, link } = yield* opened()
        const endless = message(Message.PIECE, [0, 0], noise(16_384))
        yield* TestClock.adjust("140 seconds")
        link.push(keepAlive)
        for (let second = 0; second < 149; second++) {
          yield* TestClock.adjust("1 second")
          if (drips) link.push(endless.subarray(second, second + 1))
        }
        assert.isFalse(link.isClosed)
        yield* TestClock.adjust("6 seconds")
        assert.strictEqual(yield* reasonOf(fiber), "fell silent")
        assert.isTrue(link.isClosed)
      }
    }).pipe(Effect.provide(PeerConnection.layer)))

  it.effect("says something at least every two minutes, and nothing into a full socket", () =>
    Effect.gen(function*() {
      const { link } = yield* opened()
      let quiet = 0
      let longest = 0
      link.writes.length = 0
      for (let second = 0; second < 600; second++) {
        const before = link.writes.length
        yield* TestClock.adjust("1 second")
        if (second % 60 === 0) link.push(keepAlive)
        quiet = link.writes.length === before ? quiet + 1 : 0
        longest = Math.max(longest, quiet)
      }
      assert.isAtMost(longest, 119)
      assert.isAtMost(link.writes.length, 6)
      for (const bytes of link.writes) assert.deepStrictEqual(bytes, keepAlive)
      link.unread = 1
      link.writes.length = 0
      yield* TestClock.adjust("120 seconds")
      assert.lengthOf(link.writes, 0)
    }).pipe(Effect.provide(PeerConnection.layer)))

  it.effect("drops a peer that leaves its small messages unread", () =>
    Effect.gen(function*() {
      const { fiber, link, torrent } = yield* opened()
      const [peer] = torrent.peers
      link.unread = (4 << 20) + 1
      peer!.outbox.have(1)
      peer!.wire.flush()
      assert.strictEqual(yield* reasonOf(fiber), "does not read what it is sent")
    }).pipe(Effect.provide(PeerConnection.layer)))

  it.effect("closes the link and tells the torrent when it is interrupted, and when the network fails", () =>
    Effect.gen(function*() {
      const interrupted = yield* opened()
      yield* Fiber.interrupt(interrupted.fiber)
      assert.isTrue(interrupted.link.isClosed)
      assert.deepStrictEqual(interrupted.torrent.told, ["closed", "onClosed: was let go"])
      const broken = yield* opened()
      broken.link.fail("ECONNRESET")
      assert.strictEqual(yield* reasonOf(broken.fiber), "ECONNRESET")
      assert.isTrue(broken.link.isClosed)
      assert.deepStrictEqual(broken.torrent.told, ["closed", "onClosed: ECONNRESET"])
    }).pipe(Effect.provide(PeerConnection.layer)))

  it.effect("writes small messages as they were put in, in one write", () =>
    Effect.gen(function*() {
      const { link, torrent } = yield* opened()
      const { outbox, wire } = torrent.peers[0]!
      link.writes.length = 0
      outbox.interested()
      outbox.request(1, 2, 3)
      wire.flush()
      wire.flush()
      assert.lengthOf(link.writes, 1)
      assert.deepStrictEqual(parse(link.writes[0]!).map(({ id }) => id), [Message.INTERESTED, Message.REQUEST])
    }).pipe(Effect.provide(PeerConnection.layer)))

  it.effect.prop(
    "survives any bytes, and closes what it opened",
    [seed, int(1, 3000)],
    ([seed, longest]) =>
      Effect.gen(function*() {
        const random = randomOf(seed)
        const torrent = recorder()
        const { fiber, link } = yield* start(torrent)
        const frames = Array.from({ length: 20 }, () => {
          const body = noise(1 + below(random, 30), below(random, 1e9))
          body[0] = below(random, 12)
          return message(body[0], [], body.subarray(1))
        })
        const stream = Bytes.concat([greeting, ...frames, noise(500, seed)])
        if (random() < 0.5) stream[below(random, stream.length)] = below(random, 256)
        for (let at = 0; at < stream.length;) {
          const size = 1 + below(random, longest)
          link.push(stream.subarray(at, at + size))
          at += size
        }
        link.close()
        yield* reasonOf(fiber)
        const count = (text: string) => torrent.told.filter((told) => told === text).length
        assert.strictEqual(count("closed"), count("opened"))
        assert.strictEqual(torrent.told.filter((told) => told.startsWith("onClosed")).length, count("onOpen"))
      }).pipe(Effect.provide(PeerConnection.layer)),
    { arbitrary: { runs: 100 } }
  )
})
