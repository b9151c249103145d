import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as PeerAddress from "../../../src/domain/PeerAddress.ts"
import { Extensions } from "../../../src/domain/swarm/Extensions.ts"
import type { Peer } from "../../../src/domain/swarm/Peer.ts"
import * as Pex from "../../../src/domain/swarm/Pex.ts"
import * as ExtensionHandshake from "../../../src/domain/wire/ExtensionHandshake.ts"
import * as Message from "../../../src/domain/wire/Message.ts"
import * as PexMessage from "../../../src/domain/wire/PexMessage.ts"
import { bytes } from "../generators.ts"
import { type Far, far, type FarOptions } from "./fakes.ts"
import { below, randomOf, seed } from "./seeded.ts"

const MINUTE = 60_000

/** The number by which our far ends know the message. */
const THEIR_ID = 7

/** A torrent with nothing but peers. */
class Torrent {
  readonly peers = new Set<Peer>()
  readonly told: Array<{ readonly peer: Peer; readonly message: PexMessage.PexMessage }> = []
  readonly extensions: Extensions
  now = 0

  constructor(random: () => number) {
    const pex = Pex.make({
      peers: () => this.peers,
      send: (peer, payload) => this.extensions.send(peer, PexMessage.NAME, payload),
      onTold: (peer, message) => void this.told.push({ peer, message }),
      random
    })
    this.extensions = new Extensions([pex], { own: () => ({}) })
  }

  /** A peer comes and says that it speaks the extension, and where it listens. */
  join(options: Partial<FarOptions> & { readonly key: number }, port?: number, speaks = true): Far {
    const other = far({ pieces: 4, extended: true, ...options })
    this.peers.add(other.peer)
    const messages = new Map(speaks ? [[PexMessage.NAME, THEIR_ID]] : [])
    this.extensions.received(other.peer, Uint8Array.of(0, ...ExtensionHandshake.encode({ messages, port })), this.now)
    return other
  }

  leave({ peer }: Far): void {
    this.peers.delete(peer)
    this.extensions.left(peer, this.now)
  }

  pass(ms: number): void {
    for (const end = this.now + ms; this.now < end;) {
      this.now += 1000
      this.extensions.tick(this.now)
    }
  }

  say({ peer }: Far, payload: Uint8Array): string | undefined {
    return this.extensions.received(peer, Uint8Array.of(1, ...payload), this.now)
  }
}

const heard = (other: Far): Array<PexMessage.PexMessage> =>
  other.read().filter(({ id }) => id === Message.EXTENDED).map(({ payload }) => {
    assert.strictEqual(payload[0], THEIR_ID)
    return PexMessage.decode(payload.subarray(1))!
  })

const names = (contacts: ReadonlyArray<PexMessage.Contact>) =>
  contacts.map(({ address }) => PeerAddress.format(address)).sort()

const contact = (text: string, flags = 0): PexMessage.Contact => ({ address: PeerAddress.parse(text)!, flags })

describe("Pex", () => {
  it("tells a peer of the others, and where they can be reached", () => {
    const torrent = new Torrent(() => 0.5)
    const one = torrent.join({ key: 1 })
    const seed = torrent.join({ key: 2 })
    seed.peer.isSeed = true
    torrent.join({ key: 3, inbound: true, encrypted: true, address: "10.0.0.3:50000" }, 6999)
    torrent.join({ key: 4, inbound: true, address: "10.0.0.4:50001" })
    torrent.join({ key: 5, address: "[2001:db8::5]:6881" })
    torrent.pass(20_000)
    const [first, ...more] = heard(one)
    assert.deepStrictEqual(names(first!.added), ["10.0.0.2:6881", "10.0.0.3:6999", "[2001:db8::5]:6881"])
    const flags = new Map(first!.added.map(({ address, flags }) => [address.host, flags]))
    assert.strictEqual(flags.get("10.0.0.2"), PexMessage.UPLOAD_ONLY | PexMessage.REACHABLE)
    assert.strictEqual(flags.get("10.0.0.3"), PexMessage.PREFERS_ENCRYPTION)
    assert.strictEqual(flags.get("2001:db8::5"), PexMessage.REACHABLE)
    assert.isEmpty(more)
    assert.notInclude(heard(seed).flatMap(({ added }) => names(added)), "10.0.0.2:6881")
  })

  it("says nothing to those who do not speak it, or have nothing to hear", () => {
    const torrent = new Torrent(() => 0.5)
    const alone = torrent.join({ key: 1 })
    torrent.pass(5 * MINUTE)
    assert.isEmpty(heard(alone))
    const mute = torrent.join({ key: 2 }, undefined, false)
    torrent.pass(5 * MINUTE)
    assert.isEmpty(heard(mute))
    assert.lengthOf(heard(alone), 1)
  })

  it("tells of peers with an address alone: no web seeds, and nobody that only a proxy can find", () => {
    const torrent = new Torrent(() => 0)
    const one = torrent.join({ key: 1 })
    const hidden = torrent.join({ key: 2, name: "peer.example" })
    torrent.join({ key: 3, webSeed: "http://10.0.0.3/", address: "10.0.0.3:80" }, undefined, false)
    torrent.join({ key: 4 }, undefined, false)
    torrent.pass(5 * MINUTE)
    assert.deepStrictEqual(heard(one).flatMap(({ added }) => names(added)), ["10.0.0.4:6881"])
    assert.notInclude(heard(hidden).flatMap(({ added }) => names(added)), "peer.example:6881")
  })

  it("keeps private addresses from those who are outside, and itself from calling home", () => {
    const torrent = new Torrent(() => 0)
    const outside = torrent.join({ key: 1, address: "198.51.100.1:6881" })
    const inside = torrent.join({ key: 2, address: "192.168.0.2:6881" })
    const host = torrent.join({ key: 3, address: "127.0.0.1:6882" })
    torrent.pass(10_000)
    assert.isEmpty(heard(outside))
    assert.deepStrictEqual(heard(inside).flatMap(({ added }) => names(added)), ["198.51.100.1:6881"])
    assert.deepStrictEqual(heard(host).flatMap(({ added }) => names(added)), ["192.168.0.2:6881", "198.51.100.1:6881"])
    const added = [
      "203.0.113.5:6881",
      "192.168.0.9:80",
      "127.0.0.1:22",
      "0.0.0.0:6881",
      "224.0.0.1:6881",
      "255.255.255.255:6881",
      "[::1]:22",
      "[::]:1",
      "[ff02::1]:6881",
      "[fe80::1]:6881",
      "[2001:db8::7]:6881"
    ].map((text) => contact(text))
    const payload = PexMessage.encode({ added, dropped: [] })
    for (const other of [outside, inside, host]) assert.isUndefined(torrent.say(other, payload))
    assert.deepStrictEqual(torrent.told.map(({ message }) => names(message.added)), [
      ["203.0.113.5:6881", "[2001:db8::7]:6881"],
      ["192.168.0.9:80", "203.0.113.5:6881", "[2001:db8::7]:6881", "[fe80::1]:6881"],
      ["127.0.0.1:22", "192.168.0.9:80", "203.0.113.5:6881", "[2001:db8::7]:6881", "[::1]:22", "[fe80::1]:6881"]
    ])
  })

  it.prop("leaves every peer with the truth, by at most one message of fifty and fifty a minute", [seed], ([seed]) => {
    const random = randomOf(seed)
    const torrent = new Torrent(random)
    const listener = torrent.join({ key: 1 })
    const others: Array<Far> = []
    const believed = new Set<string>()
    let lastAt = -Infinity
    let key = 2
    const check = () => {
      const [message, ...more] = heard(listener)
      assert.isEmpty(more)
      if (message === undefined) return
      assert.isAtLeast(torrent.now - lastAt, MINUTE)
      lastAt = torrent.now
      assert.isAtMost(message.added.length, 50)
      assert.isAtMost(message.dropped.length, 50)
      for (const name of names(message.added)) {
        assert.isFalse(believed.has(name))
        believed.add(name)
      }
      for (const address of message.dropped) assert.isTrue(believed.delete(PeerAddress.format(address)))
    }
    for (let step = 0; step < 25; step++) {
      for (let coming = below(random, 30); coming > 0; coming--) {
        others.push(torrent.join({ key: key++ }, undefined, false))
      }
      for (let going = below(random, 29); going > 0 && others.length > 0; going--) {
        torrent.leave(others.splice(below(random, others.length), 1)[0]!)
      }
      for (let second = below(random, 20); second >= 0; second--) {
        torrent.pass(1000)
        check()
      }
    }
    for (let wait = 0; wait < 60; wait++) {
      torrent.pass(MINUTE)
      check()
    }
    assert.sameMembers([...believed], others.map(({ peer }) => PeerAddress.format(peer.address)))
  })

  it("heeds one message a minute, and drops who goes on and on", () => {
    const torrent = new Torrent(() => 0)
    const other = torrent.join({ key: 1 })
    const payload = PexMessage.encode({ added: [contact("203.0.113.5:6881")], dropped: [] })
    for (let minute = 0; minute < 30; minute++) {
      assert.isUndefined(torrent.say(other, payload))
      torrent.pass(30_000)
      assert.isUndefined(torrent.say(other, payload))
      torrent.pass(28_000)
    }
    assert.lengthOf(torrent.told, 30)
    const verdicts = Array.from({ length: 12 }, () => torrent.say(other, payload))
    assert.include(verdicts, "sends lists of peers far too often")
    assert.isUndefined(verdicts[0])
    assert.lengthOf(torrent.told, 31)
  })

  it("takes two hundred of a first message and fifty of a later one", () => {
    const torrent = new Torrent(() => 0)
    const other = torrent.join({ key: 1 })
    const added = Array.from({ length: 300 }, (_, i) => contact(`203.0.${i >> 8}.${i & 255}:6881`))
    for (let i = 0; i < 2; i++) {
      torrent.say(other, PexMessage.encode({ added, dropped: [] }))
      torrent.pass(MINUTE)
    }
    assert.deepStrictEqual(torrent.told.map(({ message }) => message.added.length), [200, 50])
  })

  it.prop("survives what anybody sends", [Arbitrary.array(bytes(0, 60), { maxLength: 30 })], ([payloads]) => {
    const torrent = new Torrent(() => 0)
    const other = torrent.join({ key: 1 })
    for (const payload of payloads) {
      torrent.say(other, payload)
      torrent.pass(MINUTE)
    }
    assert.isEmpty(torrent.told)
    if (payloads.length > 11) {
      assert.strictEqual(torrent.say(other, payloads[0]!), "sends lists of peers that cannot be read")
    }
  })
})
