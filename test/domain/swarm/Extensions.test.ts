import { assert, describe, it } from "@effect/vitest"
import type { Extension } from "../../../src/domain/swarm/Extension.ts"
import { Extensions } from "../../../src/domain/swarm/Extensions.ts"
import * as ExtensionHandshake from "../../../src/domain/wire/ExtensionHandshake.ts"
import * as Message from "../../../src/domain/wire/Message.ts"
import { far, type FarOptions } from "./fakes.ts"

const NOW = 5

/** Two extensions that write down what they are told. */
const recorder = (verdict?: string) => {
  const told: Array<string> = []
  const of = (name: string): Extension => ({
    name,
    message: (_, payload, now) => {
      told.push(`${name}: ${Array.from(payload)} at ${now}`)
      return verdict
    },
    met: (_, theirs) => {
      told.push(`${name} met ${theirs.version}`)
      return undefined
    },
    left: () => void told.push(`${name} left`),
    tick: (now) => void told.push(`${name} tick ${now}`)
  })
  return { told, list: [of("one"), { name: "two", message: of("two").message }, of("three")] }
}

const meet = (verdict?: string, options: Partial<FarOptions> = {}) => {
  const { list, told } = recorder(verdict)
  const own = { version: "freshet 1" }
  const extensions = new Extensions(list, { own: () => own })
  const other = far({ key: 1, pieces: 4, extended: true, ...options })
  const hello = (said: ExtensionHandshake.ExtensionHandshake) =>
    extensions.received(other.peer, Uint8Array.of(0, ...ExtensionHandshake.encode(said)), NOW)
  const sent = () => {
    other.peer.wire.flush()
    return other.read()
  }
  return { extensions, hello, other, own, peer: other.peer, sent, told }
}

describe("Extensions", () => {
  it("tells of what is withdrawn, whose number nothing else takes", () => {
    const { list } = recorder()
    const extensions = new Extensions([{ ...list[0]!, isWithdrawn: true }, list[1]!], { own: () => ({}) })
    const { peer, read } = far({ key: 1, pieces: 4, extended: true })
    extensions.greet(peer)
    peer.wire.flush()
    const said = ExtensionHandshake.decode(read()[0]!.payload.subarray(1))!
    assert.deepStrictEqual([...said.messages], [["one", 0], ["two", 2]])
  })

  it("greets once, with a number for each extension by its place, and again when asked to", () => {
    const { extensions, own, peer, sent } = meet()
    extensions.greet(peer)
    extensions.greet(peer)
    const messages = new Map([["one", 1], ["two", 2], ["three", 3]])
    const [greeting, ...more] = sent()
    assert.strictEqual(greeting!.id, Message.EXTENDED)
    assert.strictEqual(greeting!.payload[0], 0)
    const said = ExtensionHandshake.decode(greeting!.payload.subarray(1))!
    assert.deepStrictEqual([...said.messages], [...messages].sort())
    assert.strictEqual(said.version, "freshet 1")
    assert.lengthOf(more, 0)
    own.version = "freshet 2"
    extensions.greetAgain(peer)
    assert.strictEqual(ExtensionHandshake.decode(sent()[0]!.payload.subarray(1))!.version, "freshet 2")
  })

  it("says nothing to a peer without the bit", () => {
    const { extensions, peer, sent } = meet(undefined, { extended: false })
    extensions.greet(peer)
    extensions.greetAgain(peer)
    assert.lengthOf(sent(), 0)
  })

  it("gives a message to the extension that it is for, and passes its verdict on", () => {
    const { extensions, peer, told } = meet("is bad")
    assert.strictEqual(extensions.received(peer, Uint8Array.of(2, 8, 9), NOW), "is bad")
    assert.strictEqual(extensions.received(peer, Uint8Array.of(3), NOW), "is bad")
    assert.isUndefined(extensions.received(peer, Uint8Array.of(4, 1), NOW))
    assert.isUndefined(extensions.received(peer, Uint8Array.of(255), NOW))
    assert.deepStrictEqual(told, ["two: 8,9 at 5", "three:  at 5"])
  })

  it("sends under the number of the peer, as long as it speaks the extension", () => {
    const { extensions, hello, peer, sent } = meet()
    assert.isFalse(extensions.send(peer, "two", Uint8Array.of(1)))
    hello({ messages: new Map([["two", 200]]) })
    assert.isTrue(extensions.send(peer, "two", Uint8Array.of(1, 2)))
    assert.deepStrictEqual(sent(), [{ id: Message.EXTENDED, payload: Uint8Array.of(200, 1, 2) }])
    assert.isFalse(extensions.send(peer, "one", Uint8Array.of(1)))
    hello({ messages: new Map([["two", 0]]) })
    assert.isFalse(extensions.send(peer, "two", Uint8Array.of(1)))
    assert.lengthOf(sent(), 0)
  })

  it("keeps what a peer says of itself over several handshakes, and tells each extension of it", () => {
    const { hello, peer, told } = meet()
    assert.isUndefined(hello({ messages: new Map([["one", 5]]), version: "x 1", requestQueue: 3, uploadOnly: true }))
    assert.isUndefined(hello({ messages: new Map() }))
    assert.deepStrictEqual([...peer.theirs!.messages], [["one", 5]])
    assert.strictEqual(peer.theirs!.version, "x 1")
    assert.isTrue(peer.isUploadOnly)
    hello({ messages: new Map(), uploadOnly: false })
    assert.isFalse(peer.isUploadOnly)
    assert.strictEqual(peer.window.depth(), 3)
    assert.deepStrictEqual(told.slice(0, 2), ["one met x 1", "three met x 1"])
  })

  it("drops a peer whose handshake is no dictionary", () => {
    const { extensions, peer } = meet()
    assert.match(extensions.received(peer, Uint8Array.of(0, 0x69), NOW)!, /cannot be read/)
    assert.match(extensions.received(peer, Uint8Array.of(0), NOW)!, /cannot be read/)
    assert.isUndefined(peer.theirs)
  })

  it("passes on the end of a peer and the ticks", () => {
    const { extensions, peer, told } = meet()
    extensions.left(peer, NOW)
    extensions.tick(9)
    assert.deepStrictEqual(told, ["one left", "three left", "one tick 9", "three tick 9"])
  })
})
