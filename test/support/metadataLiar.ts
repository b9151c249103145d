/** Peers that have no metadata and say that they do, each in its own way; they listen, and talk to whoever calls. */
import * as Effect from "effect/Effect"
import * as PeerId from "../../src/domain/PeerId.ts"
import * as ExtensionHandshake from "../../src/domain/wire/ExtensionHandshake.ts"
import { FrameReader } from "../../src/domain/wire/FrameReader.ts"
import * as Handshake from "../../src/domain/wire/Handshake.ts"
import * as Message from "../../src/domain/wire/Message.ts"
import * as MetadataMessage from "../../src/domain/wire/MetadataMessage.ts"
import type { Link } from "../../src/services/Transport.ts"
import { randomOf } from "../domain/swarm/seeded.ts"
import { noise } from "./payload.ts"
import * as Swarm from "./swarm.ts"

export const WAYS = [
  "wrong data",
  "wrong size",
  "huge",
  "over the limit",
  "silence",
  "rejects",
  "endless handshakes",
  "other total size",
  "wrong length",
  "parts unasked",
  "one part only"
] as const

/** Or one that has it and gives it, every part twice, and asks for it too, as the careless do. */
export type Way = typeof WAYS[number] | "gives it twice"

export interface LiarOptions {
  readonly number: number
  readonly way: Way
  /** Of the real metadata. */
  readonly size: number
  /** The metadata, for those that give it. */
  readonly info?: Uint8Array
}

/** Our number for the extension. */
const ID = 3

const PORT = 6881

const claimOf = ({ number, size, way }: LiarOptions): number =>
  way === "wrong size"
    ? size + 1 + number * 1000
    : way === "huge"
    ? Swarm.MAX_METADATA - number
    : way === "over the limit"
    ? 2 ** 40
    : size

class Talk {
  readonly #link: Link
  readonly #options: LiarOptions
  readonly #outbox = new Message.Outbox()
  #theirs: number | undefined
  #answered = 0

  constructor(link: Link, options: LiarOptions) {
    this.#link = link
    this.#options = options
  }

  greet(size = claimOf(this.#options)): void {
    const messages = new Map([[MetadataMessage.NAME, ID]])
    this.#outbox.extended(0, ExtensionHandshake.encode({ messages, metadataSize: size }))
    this.#flush()
  }

  /** @param payload of an `extended` message */
  extended(payload: Uint8Array): void {
    if (payload[0] === 0) {
      this.#theirs = ExtensionHandshake.decode(payload.subarray(1))?.messages.get(MetadataMessage.NAME)
      return
    }
    const message = MetadataMessage.decode(payload.subarray(1))
    if (payload[0] === ID && message?._tag === "Request") this.#answer(message.piece)
  }

  #answer(piece: number): void {
    const { number, way } = this.#options
    const size = claimOf(this.#options)
    const part = noise(MetadataMessage.lengthOf(size, piece), number * 100 + piece + 1)
    switch (way) {
      case "gives it twice": {
        const at = piece * MetadataMessage.PART
        const right = MetadataMessage.data(piece, size, this.#options.info!.subarray(at, at + part.length))
        this.#say(right)
        this.#say(right)
        return this.#say(MetadataMessage.request(piece))
      }
      case "silence":
      case "huge":
        return undefined
      case "rejects":
        return this.#say(MetadataMessage.reject(piece))
      case "endless handshakes":
        for (let i = 0; i < 50; i++) this.greet()
        return undefined
      case "other total size":
        return this.#say(MetadataMessage.data(piece, size + 1, part))
      case "wrong length":
        return this.#say(MetadataMessage.data(piece, size, part.subarray(1)))
      case "parts unasked":
        for (let i = 0; i < 50; i++) this.#say(MetadataMessage.data(piece + i, size, part))
        return undefined
      case "one part only":
        return this.#answered++ === 0 ? this.#say(MetadataMessage.data(piece, size, part)) : undefined
      default:
        return this.#say(MetadataMessage.data(piece, size, part))
    }
  }

  #say(payload: Uint8Array): void {
    if (this.#theirs !== undefined) this.#outbox.extended(this.#theirs, payload)
    this.#flush()
  }

  #flush(): void {
    this.#link.send([this.#outbox.take()])
  }
}

const talk = Effect.fnUntraced(function*(link: Link, options: LiarOptions) {
  const self = new Talk(link, options)
  const peerId = PeerId.make(randomOf(options.number))
  const reader = new FrameReader({
    onHandshake: (bytes, at) => {
      const { infoHash } = Handshake.decode(bytes, at)!
      link.send([Handshake.encode(infoHash, peerId, { extended: true })])
      self.greet()
      return true
    },
    onFrame: (bytes, at, length) => {
      if (length > 1 && bytes[at] === Message.EXTENDED) {
        self.extended(Uint8Array.from(bytes.subarray(at + 1, at + length)))
      }
      return true
    }
  }, 1 << 20)
  yield* Effect.exit(link.receive((bytes, from, to) => reader.push(bytes, from, to)))
})

/** Starts the liar in the scope; who it is can be told by its peer id. */
export const start = Effect.fnUntraced(function*(swarm: Swarm.Swarm, options: LiarOptions) {
  const machine = swarm.network.host({ addresses: [Swarm.host(options.number)] })
  const listener = yield* machine.listen({ port: PORT })
  yield* listener.accept.pipe(
    Effect.flatMap((link) => Effect.forkScoped(talk(link, options))),
    Effect.forever({ disableYield: true }),
    Effect.forkScoped
  )
  return { peerId: PeerId.make(randomOf(options.number)), address: Swarm.address(options.number) }
})
