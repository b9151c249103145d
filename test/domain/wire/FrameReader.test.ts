import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "../../../src/domain/Bytes.ts"
import { type FrameHandler, FrameReader, type Pushed } from "../../../src/domain/wire/FrameReader.ts"
import * as Handshake from "../../../src/domain/wire/Handshake.ts"
import { message } from "../../support/messages.ts"
import { noise } from "../../support/payload.ts"
import { below, int, randomOf, seed } from "../swarm/seeded.ts"

const MAX = 5000

/** A reader that writes down what it was told; `stopAt` is the number of the call that answers `false`. */
const recorder = (stopAt = Infinity) => {
  const handshakes: Array<Uint8Array> = []
  const frames: Array<Uint8Array> = []
  let calls = 0
  const handler: FrameHandler = {
    onHandshake: (bytes, at) => {
      handshakes.push(bytes.slice(at, at + Handshake.LENGTH))
      return ++calls < stopAt
    },
    onFrame: (bytes, at, length) => {
      frames.push(bytes.slice(at, at + length))
      return ++calls < stopAt
    }
  }
  return { handshakes, frames, reader: new FrameReader(handler, MAX), calls: () => calls }
}

/** Pushes a stream cut at random places, every cut at a random place of a buffer that is spoilt after the call. */
const pushCut = (reader: FrameReader, stream: Uint8Array, random: () => number, longest: number): Pushed => {
  let outcome: Pushed = "Open"
  for (let at = 0; at < stream.length;) {
    const size = Math.min(stream.length - at, 1 + below(random, longest))
    const from = below(random, 10)
    const buffer = new Uint8Array(from + size + 5).fill(0xee)
    buffer.set(stream.subarray(at, at + size), from)
    outcome = reader.push(buffer, from, from + size)
    buffer.fill(0xdd)
    at += size
  }
  return outcome
}

const randomFrames = (random: () => number): Array<Uint8Array> =>
  Array.from({ length: below(random, 40) }, () => {
    const dice = random()
    const length = dice < 0.2 ? 0 : dice < 0.8 ? 1 + below(random, 20) : 1 + below(random, MAX)
    return noise(length, below(random, 1e9))
  })

const join = (frames: ReadonlyArray<Uint8Array>): Uint8Array =>
  Bytes.concat(frames.flatMap((frame) => {
    const head = new Uint8Array(4)
    Bytes.writeUint32(head, 0, frame.length)
    return [head, frame]
  }))

describe("FrameReader", () => {
  it.prop("gives the same frames however the stream is cut", [seed, int(1, 6000)], ([seed, longest]) => {
    const random = randomOf(seed)
    const handshake = noise(Handshake.LENGTH, seed)
    const frames = randomFrames(random)
    const seen = recorder()
    assert.strictEqual(pushCut(seen.reader, Bytes.concat([handshake, join(frames)]), random, longest), "Open")
    assert.deepStrictEqual(seen.handshakes, [handshake])
    assert.deepStrictEqual(seen.frames, frames)
  }, { arbitrary: { runs: 200 } })

  it.prop("takes any bytes without throwing, and never holds more than one frame", [seed], ([seed]) => {
    const random = randomOf(seed)
    const stream = Bytes.concat([noise(68, seed), join(randomFrames(random)), noise(3000, seed)])
    for (let i = 0; i < 5; i++) stream[below(random, stream.length)] = below(random, 256)
    const seen = recorder()
    const longest = 1 + below(random, 3000)
    let largest = 0
    const allocate = globalThis.Uint8Array
    const watched = new Proxy(allocate, {
      construct: (target, args) => {
        if (typeof args[0] === "number") largest = Math.max(largest, args[0])
        return Reflect.construct(target, args)
      }
    })
    const chunks: Array<Uint8Array> = []
    for (let at = 0; at < stream.length; at += longest) chunks.push(stream.slice(at, at + longest))
    globalThis.Uint8Array = watched
    try {
      for (const chunk of chunks) seen.reader.push(chunk, 0, chunk.length)
    } finally {
      globalThis.Uint8Array = allocate
    }
    assert.isAtMost(largest, MAX + 4)
    for (const frame of seen.frames) assert.isAtMost(frame.length, MAX)
  }, { arbitrary: { runs: 100 } })

  it.prop("refuses a frame over the limit as soon as its length is there, and all that follows", [seed, int(1, 80)], (
    [seed, longest]
  ) => {
    const random = randomOf(seed)
    const seen = recorder()
    const head = new Uint8Array(4)
    Bytes.writeUint32(head, 0, MAX + 1 + below(random, 2 ** 32 - MAX - 1))
    const good = join([noise(MAX), noise(3)])
    const stream = Bytes.concat([noise(68), good, head])
    assert.strictEqual(pushCut(seen.reader, stream, random, longest), "Oversize")
    assert.strictEqual(seen.reader.push(join([noise(3)]), 0, 7), "Oversize")
    assert.deepStrictEqual(seen.frames, [noise(MAX), noise(3)])
  })

  it.prop("stops for good when the handler says so", [seed, int(1, 200)], ([seed, longest]) => {
    const random = randomOf(seed)
    const frames = [...randomFrames(random), noise(1), noise(2)]
    const stopAt = 1 + below(random, frames.length)
    const seen = recorder(stopAt)
    assert.strictEqual(pushCut(seen.reader, Bytes.concat([noise(68), join(frames)]), random, longest), "Stopped")
    assert.strictEqual(seen.calls(), stopAt)
  })

  it("uses a limit that the handshake has raised for the very next frame", () => {
    const frames: Array<number> = []
    const reader: FrameReader = new FrameReader({
      onHandshake: () => {
        reader.maxFrame = 100_000
        return true
      },
      onFrame: (_bytes, _at, length) => {
        frames.push(length)
        return true
      }
    }, 10)
    const stream = Bytes.concat([noise(68), message(5, [], noise(70_000))])
    assert.strictEqual(reader.push(stream, 0, 50_000), "Open")
    assert.strictEqual(reader.push(stream, 50_000, stream.length), "Open")
    assert.deepStrictEqual(frames, [70_001])
  })
})
