import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "../../../../src/domain/Bytes.ts"
import * as InfoHash from "../../../../src/domain/InfoHash.ts"
import * as PeerId from "../../../../src/domain/PeerId.ts"
import * as Wire from "../../../../src/domain/wire/Handshake.ts"
import * as DiffieHellman from "../../../../src/domain/wire/mse/DiffieHellman.ts"
import { type Fill, MAX_PAD } from "../../../../src/domain/wire/mse/Handshake.ts"
import { Initiator } from "../../../../src/domain/wire/mse/Initiator.ts"
import { Responder } from "../../../../src/domain/wire/mse/Responder.ts"
import * as StreamKey from "../../../../src/domain/wire/mse/StreamKey.ts"
import { noise } from "../../../support/payload.ts"
import { below, int, seed } from "../../swarm/seeded.ts"
import { infoHash, initiator, Listener, Pipe, responder, sealed, seeded } from "./exchange.ts"
import * as Vectors from "./vectors.ts"

const hex = (text: string): Uint8Array => Bytes.fromHex(text)!

/** The private key of the recordings, and no padding. */
const recorded: Fill = (bytes) => bytes.set(bytes.length === DiffieHellman.SECRET_BYTES ? hex(Vectors.secret) : [])

const whole = (side: { push: (bytes: Uint8Array, from: number, to: number) => number }, bytes: Uint8Array): number =>
  side.push(bytes, 0, bytes.length)

describe("the encrypted handshake, recorded", () => {
  it("takes a call of another client", () => {
    const pipe = new Pipe()
    const side = new Responder({
      find: (name) => name === StreamKey.nameOf(infoHash) ? infoHash : undefined,
      select: (provided) => provided & 2,
      permit: () => undefined,
      fill: recorded,
      send: pipe.send
    })
    const bytes = hex(Vectors.incoming.first + Vectors.incoming.second)
    assert.strictEqual(whole(side, bytes), bytes.length)
    assert.strictEqual(side.agreement?.cipher, "rc4")
    const handshake = Wire.decode(side.agreement!.initial)!
    assert.strictEqual(handshake.infoHash, infoHash)
    assert.strictEqual(handshake.peerId, PeerId.fromBytes(Bytes.fromLatin1(Vectors.incoming.peerId)))
    assert.strictEqual(Bytes.toHex(pipe.parts[0]!), Vectors.publicKey)
  })

  it("is refused when it asks for another torrent", () => {
    const side = responder(new Pipe(), () => 0, { fill: recorded, find: () => undefined })
    whole(side, hex(Vectors.incoming.first + Vectors.incoming.second))
    assert.strictEqual(side.failure, "asks for a torrent that is not here")
  })

  it("calls another client", () => {
    const pipe = new Pipe()
    const side = new Initiator({
      infoHash,
      offered: 3,
      fill: recorded,
      initial: () => Wire.encode(infoHash, PeerId.fromBytes(noise(20))),
      send: pipe.send
    })
    assert.strictEqual(Bytes.toHex(pipe.take()), Vectors.publicKey)
    whole(side, hex(Vectors.outgoing.first))
    assert.strictEqual(Bytes.toHex(pipe.take(), 0, 20), Vectors.outgoing.sync)
    const bytes = hex(Vectors.outgoing.second)
    const at = whole(side, bytes)
    assert.strictEqual(side.agreement?.cipher, "rc4")
    side.agreement!.incoming!.apply(bytes, at, bytes.length)
    const handshake = Wire.decode(bytes, at)!
    assert.strictEqual(handshake.infoHash, infoHash)
    assert.strictEqual(handshake.peerId, PeerId.fromBytes(Bytes.fromLatin1(Vectors.outgoing.peerId)))
  })
})

describe("the encrypted handshake", () => {
  it.prop(
    "comes to the same stream both ways however the bytes are cut",
    [seed, int(1, 700), int(1, 3), int(0, 200), int(0, 5000)],
    ([seed, longest, offered, payload, more]) => {
      const { cuts, far, near } = seeded(seed)
      const [there, back] = [new Pipe(), new Pipe()]
      const said = noise(payload + more, seed)
      const along = Math.min(payload, 68)
      const called = new Listener(responder(back, far))
      const caller = new Listener(initiator(there, near, { offered, payload: said.slice(0, payload) }))
      called.hear(there.take(), cuts, longest)
      caller.hear(back.take(), cuts, longest)
      called.hear(there.take(), cuts, longest)
      const answer = noise(1 + below(cuts, 3000), seed + 1)
      const cipher = offered === 1 ? "plaintext" : "rc4"
      assert.strictEqual(called.side.agreement?.cipher, cipher)
      // The answer follows the handshake in one go, so that a read may hold both.
      caller.hear(Bytes.concat([back.take(), sealed(called.side, answer)]), cuts, longest)
      assert.strictEqual(caller.side.agreement?.cipher, cipher)
      called.hear(sealed(caller.side, said.slice(along)), cuts, longest)
      assert.deepStrictEqual(called.heard, said)
      assert.deepStrictEqual(caller.heard, answer)
    },
    { arbitrary: { runs: 60 } }
  )

  it.prop(
    "never throws nor waits without a bound on bytes that were spoilt",
    [seed, int(1, 700)],
    ([seed, longest]) => {
      const { cuts, far, near } = seeded(seed)
      const [there, back] = [new Pipe(), new Pipe()]
      const called = new Listener(responder(back, far))
      const caller = new Listener(initiator(there, near, { payload: noise(68) }))
      const spoilt = (bytes: Uint8Array): Uint8Array => {
        if (bytes.length > 0 && below(cuts, 2) === 0) bytes[below(cuts, bytes.length)]! ^= 1 + below(cuts, 255)
        return bytes
      }
      called.hear(spoilt(there.take()), cuts, longest)
      caller.hear(spoilt(back.take()), cuts, longest)
      called.hear(spoilt(there.take()), cuts, longest)
      caller.hear(spoilt(back.take()), cuts, longest)
      // Whatever went wrong, so many bytes decide.
      for (const { side } of [called, caller]) {
        if (side.agreement === undefined) whole(side, noise(2000, seed))
        assert.isTrue(side.agreement !== undefined || side.failure !== undefined)
      }
    },
    { arbitrary: { runs: 60 } }
  )

  it.prop("decides on noise, whoever sends it, and holds no more of it than a handshake", [seed], ([seed]) => {
    const { far, near } = seeded(seed)
    for (const side of [responder(new Pipe(), far), initiator(new Pipe(), near)]) {
      const bytes = noise(2000, seed)
      for (let at = 0; at < 96 + MAX_PAD + 20; at += 50) side.push(bytes, at, at + 50)
      assert.isDefined(side.failure)
      assert.strictEqual(whole(side, bytes), bytes.length)
    }
  }, { arbitrary: { runs: 20 } })

  for (const { key, valid } of Vectors.keys) {
    it(`${valid ? "takes" : "refuses"} the public key ${key.slice(0, 2)}…${key.slice(-3)}`, () => {
      const asked = responder(new Pipe(), () => 0.5)
      const asking = initiator(new Pipe(), () => 0.5)
      for (const side of [asked, asking]) {
        whole(side, hex(key))
        assert.strictEqual(side.failure, valid ? undefined : "sent a degenerate key")
      }
    })
  }

  it("has no arithmetic done for a caller that gets no permit, nor before there is a key", () => {
    const pipe = new Pipe()
    let asked = 0
    const side = responder(pipe, () => 0.5, {
      permit: () => {
        asked++
        return "comes at a bad time"
      }
    })
    side.push(noise(95), 0, 95)
    assert.strictEqual(asked, 0)
    side.push(noise(1), 0, 1)
    assert.deepStrictEqual([asked, side.failure, pipe.parts.length], [1, "comes at a bad time", 0])
  })

  it("finds each of several torrents by its name", () => {
    const hashes = [1, 2, 3].map((n) => InfoHash.fromBytes(noise(20, n)))
    const names = new Map(hashes.map((hash) => [StreamKey.nameOf(hash), hash]))
    for (const hash of hashes) {
      const { cuts, far, near } = seeded(7)
      const [there, back] = [new Pipe(), new Pipe()]
      const called = new Listener(responder(back, far, { find: (name) => names.get(name) }))
      const caller = new Listener(initiator(there, near, { hash, payload: InfoHash.toBytes(hash) }))
      called.hear(there.take(), cuts, 1000)
      caller.hear(back.take(), cuts, 1000)
      called.hear(there.take(), cuts, 1000)
      assert.strictEqual(InfoHash.fromBytes(called.heard), hash)
    }
  })

  /** A caller that does everything right but for what is hidden behind the hashes. */
  const asking = (hidden: Uint8Array): Responder => {
    const pipe = new Pipe()
    const side = responder(pipe, () => 0.5)
    const secret = noise(DiffieHellman.SECRET_BYTES)
    whole(side, DiffieHellman.publicKey(secret))
    const shared = DiffieHellman.sharedSecret(secret, pipe.take().slice(0, DiffieHellman.KEY_BYTES))!
    const name = Bytes.fromLatin1(StreamKey.nameOf(infoHash))
    StreamKey.mask(shared, name, 0)
    StreamKey.ciphers(shared, infoHash).a.apply(hidden, 0, hidden.length)
    whole(side, Bytes.concat([StreamKey.sync(shared), name, hidden]))
    return side
  }

  const asked = (fields: { vc?: number; provided?: number; pad?: number; along?: number }): Uint8Array => {
    const out = new Uint8Array(16 + (fields.pad ?? 0))
    out[7] = fields.vc ?? 0
    Bytes.writeUint32(out, 8, fields.provided ?? 2)
    Bytes.writeUint16(out, 12, fields.pad ?? 0)
    Bytes.writeUint16(out, out.length - 2, fields.along ?? 0)
    return out
  }

  for (
    const [what, fields, failure] of [
      ["nothing wrong", {}, undefined],
      ["as much padding as may be", { pad: MAX_PAD }, undefined],
      ["a wrong constant", { vc: 1 }, "does not encrypt as we do"],
      ["no cipher that we know", { provided: 12 }, "offers no cipher that we take"],
      ["no cipher at all", { provided: 0 }, "offers no cipher that we take"],
      ["too much padding", { pad: MAX_PAD + 1 }, "pads too much"],
      ["more along than a handshake", { along: 69 }, "sends more along than a handshake"]
    ] as const
  ) {
    it(`takes a caller for what it is that sends ${what}`, () => {
      const side = asking(asked(fields))
      assert.strictEqual(side.failure, failure)
      assert.strictEqual(side.agreement !== undefined, failure === undefined)
    })
  }

  /** Somebody who answers us, and chooses so. */
  const answering = (offered: number, selected: number, pad: number): Initiator => {
    const pipe = new Pipe()
    const side = initiator(pipe, () => 0.5, { offered })
    const secret = noise(DiffieHellman.SECRET_BYTES)
    const shared = DiffieHellman.sharedSecret(secret, pipe.take().slice(0, DiffieHellman.KEY_BYTES))!
    whole(side, DiffieHellman.publicKey(secret))
    const hidden = new Uint8Array(14 + pad)
    Bytes.writeUint32(hidden, 8, selected)
    Bytes.writeUint16(hidden, 12, pad)
    StreamKey.ciphers(shared, infoHash).b.apply(hidden, 0, hidden.length)
    whole(side, Bytes.concat([noise(MAX_PAD), hidden]))
    return side
  }

  for (
    const [offered, selected, pad, failure] of [
      [3, 1, 0, undefined],
      [3, 2, MAX_PAD, undefined],
      [2, 1, 0, "chose a cipher that was not offered"],
      [1, 2, 0, "chose a cipher that was not offered"],
      [3, 3, 0, "chose a cipher that was not offered"],
      [3, 0, 0, "chose a cipher that was not offered"],
      [2, 2, MAX_PAD + 1, "pads too much"]
    ] as const
  ) {
    it(`offers ${offered} and hears ${selected} and ${pad} bytes of padding`, () => {
      assert.strictEqual(answering(offered, selected, pad).failure, failure)
    })
  }

  it("uses all lengths of padding", () => {
    const random = seeded(3).near
    const lengths = new Set<number>()
    for (let i = 0; i < 40; i++) {
      const pipe = new Pipe()
      initiator(pipe, random)
      lengths.add(pipe.take().length - DiffieHellman.KEY_BYTES)
    }
    assert.isAbove(Math.max(...lengths), MAX_PAD / 2)
    assert.isAtMost(Math.max(...lengths), MAX_PAD)
    assert.isAbove(lengths.size, 20)
  })
})
