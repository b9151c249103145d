import { assert, describe, it } from "@effect/vitest"
import * as Bytes from "../../../src/domain/Bytes.ts"
import { type Giver, MetadataFetch, MOST_ATTEMPTS } from "../../../src/domain/swarm/MetadataFetch.ts"
import * as MetadataMessage from "../../../src/domain/wire/MetadataMessage.ts"
import { noise } from "../../support/payload.ts"
import { below, randomOf, seed } from "./seeded.ts"

const { PART } = MetadataMessage

const MAX_SIZE = 8 * PART

/** How a peer behaves; what it sends is right in "honest" alone. */
const WAYS = [
  "wrong data",
  "one wrong part",
  "wrong size",
  "largest size",
  "silence",
  "rejects",
  "other total size",
  "wrong length",
  "unasked parts",
  "drips",
  "other sizes",
  "comes again"
] as const

type Way = typeof WAYS[number] | "honest"

interface Scripted extends Giver {
  readonly way: Way
  readonly size: number
  /** Requests that it has not seen to. */
  readonly asked: Array<number>
  nextAt: number
  isGone: boolean
  isBanned: boolean
}

class World {
  readonly info: Uint8Array
  readonly peers: Array<Scripted> = []
  readonly fetch: MetadataFetch<Scripted>
  readonly #random: () => number
  now = 0
  found: Uint8Array | undefined
  mostHeld = 0
  asked = 0
  #identities = 0

  constructor(random: () => number, size: number) {
    this.#random = random
    this.info = noise(size, below(random, 1000))
    this.fetch = new MetadataFetch<Scripted>({
      maxSize: MAX_SIZE,
      isRight: (bytes) => Bytes.equals(bytes, this.info),
      ask: (peer, piece) => {
        assert.isFalse(peer.isGone, "asked somebody who is gone")
        assert.isBelow(piece, MetadataMessage.partsOf(peer.size))
        peer.asked.push(piece)
        this.asked++
      },
      onFound: (info) => {
        assert.isUndefined(this.found)
        this.found = info
      },
      onLiar: (identity) => {
        for (const peer of this.peers) {
          if (peer.identity !== identity) continue
          assert.notStrictEqual(peer.way, "honest", "an honest peer was blamed")
          peer.isBanned = true
          this.#drop(peer)
        }
      }
    })
  }

  join(way: Way, identity = ++this.#identities): Scripted {
    const size = way === "wrong size" || way === "other sizes"
      ? 1 + below(this.#random, MAX_SIZE)
      : way === "largest size" || way === "drips"
      ? MAX_SIZE
      : this.info.length
    const peer: Scripted = { identity, way, size, asked: [], nextAt: 0, isGone: false, isBanned: false }
    this.peers.push(peer)
    assert.isUndefined(this.fetch.offered(peer, size, this.now))
    return peer
  }

  #drop(peer: Scripted): void {
    if (peer.isGone) return
    peer.isGone = true
    this.fetch.left(peer, this.now)
  }

  #verdict(peer: Scripted, verdict: string | undefined): void {
    if (verdict === undefined) return
    assert.notStrictEqual(peer.way, "honest", verdict)
    this.#drop(peer)
  }

  /** One peer does what it does, to one request or unasked. */
  #act(peer: Scripted): void {
    if (peer.isGone || this.now < peer.nextAt || this.found !== undefined) return
    const { fetch, now } = this
    if (peer.way === "other sizes" && below(this.#random, 20) === 0) {
      return this.#verdict(peer, fetch.offered(peer, 1 + below(this.#random, MAX_SIZE), now))
    }
    const piece = peer.asked.shift()
    if (piece === undefined) return
    const length = MetadataMessage.lengthOf(peer.size, piece)
    const wrong = noise(length, piece + 7 * peer.identity)
    const right = this.info.slice(piece * PART, piece * PART + length)
    const say = (data: Uint8Array, totalSize: number | undefined = peer.size) =>
      this.#verdict(peer, fetch.data(peer, { piece, totalSize, data }, now))
    switch (peer.way) {
      case "honest":
        // Slow ones too, and such as leave out the size.
        peer.nextAt = now + below(this.#random, 3000)
        return say(right, below(this.#random, 2) === 0 ? undefined : peer.size)
      case "one wrong part":
        return say(piece === 0 ? wrong : right)
      case "silence":
      case "largest size":
        return undefined
      case "rejects":
        return this.#verdict(peer, fetch.rejected(peer, piece, now))
      case "other total size":
        return say(right, peer.size + 1)
      case "wrong length":
        return say(wrong.subarray(1))
      case "unasked parts":
        say(right)
        return this.#verdict(peer, fetch.data(peer, { piece: piece + 1, totalSize: undefined, data: wrong }, now))
      case "drips":
        peer.nextAt = now + 9000
        return say(wrong)
      case "comes again":
        say(wrong)
        if (peer.isGone || below(this.#random, 3) > 0) return
        this.#drop(peer)
        // Under a name of its own each time, as only a liar has; of those there is no end, but they come one by one.
        if (this.#identities < 60) this.join("comes again")
        return
      default:
        return say(wrong)
    }
  }

  /** Half a second goes by, in which peers act in an order of chance. */
  step(): void {
    this.now += 500
    const order = this.peers.map((peer) => ({ peer, key: this.#random() })).sort((a, b) => a.key - b.key)
    for (const { peer } of order) for (let i = 0; i < 4; i++) this.#act(peer)
    if (this.now % 1000 === 0) this.fetch.tick(this.now)
    this.mostHeld = Math.max(this.mostHeld, this.fetch.held)
  }
}

/** Until it is found, or much time has passed. */
const run = (world: World, most: number): void => {
  while (world.found === undefined && world.now < most) world.step()
}

describe("MetadataFetch", () => {
  it.prop("gets the metadata from one honest peer among any liars, and blames no honest one", [seed], ([seed]) => {
    const random = randomOf(seed)
    const world = new World(random, 1 + below(random, MAX_SIZE))
    const liars = Array.from({ length: 9 + below(random, 21) }, () => WAYS[below(random, WAYS.length)]!)
    liars.splice(below(random, liars.length + 1), 0, "honest" as never)
    for (const way of liars as ReadonlyArray<Way>) {
      world.join(way)
      for (let steps = below(random, 3); steps > 0; steps--) world.step()
    }
    run(world, 1_200_000)
    assert.isDefined(world.found, "not found in twenty minutes")
    assert.isTrue(Bytes.equals(world.found!, world.info))
    assert.isAtMost(world.mostHeld, 3 * MAX_SIZE)
  })

  for (const way of WAYS) {
    it(`gets it although nine of ten do one thing: ${way}`, () => {
      const world = new World(randomOf(5), 5 * PART + 77)
      for (let i = 0; i < 9; i++) world.join(way)
      world.join("honest")
      run(world, 600_000)
      assert.isDefined(world.found)
      assert.isBelow(world.now, 300_000)
    })
  }

  it("asks several at once for different parts, and twice only for the last ones that do not come", () => {
    const world = new World(randomOf(1), 8 * PART - 5)
    const peers = ["honest", "honest", "honest"].map(() => world.join("honest"))
    const first = peers.flatMap(({ asked }) => asked)
    assert.deepStrictEqual([...new Set(first)].sort(), [0, 1, 2, 3, 4, 5, 6, 7])
    assert.strictEqual(first.length, 8)
    run(world, 60_000)
    assert.isDefined(world.found)
    // One part more for every slow one at the most.
    assert.isAtMost(world.asked, 16)
  })

  it("allocates nothing for a claim, asks nobody for more than the limit, and says what was refused", () => {
    const world = new World(randomOf(2), PART)
    for (let i = 0; i < 3 * MOST_ATTEMPTS; i++) world.join("largest size")
    assert.strictEqual(world.fetch.held, 0)
    assert.isAtMost(world.asked, 4 * 3 * MOST_ATTEMPTS)
    const huge: Scripted = {
      identity: 99,
      way: "silence",
      size: 0,
      asked: [],
      nextAt: 0,
      isGone: false,
      isBanned: false
    }
    assert.isUndefined(world.fetch.offered(huge, 2 ** 50, 0))
    assert.isUndefined(world.fetch.offered(huge, 0, 0))
    assert.deepStrictEqual(huge.asked, [])
    assert.strictEqual(world.fetch.tooLarge, 2 ** 50)
    assert.isFalse(world.fetch.isOfUse(huge, 0))
  })

  it("bans who was wrong alone, and of several who were wrong together nobody yet", () => {
    const world = new World(randomOf(3), 2 * PART)
    const liar = world.join("wrong data")
    world.step()
    assert.isTrue(liar.isBanned)
    const [spoiler, honest] = [world.join("one wrong part"), world.join("honest")]
    run(world, 60_000)
    assert.isTrue(Bytes.equals(world.found!, world.info))
    assert.isFalse(honest.isBanned)
    assert.isTrue(spoiler.isBanned || !spoiler.isGone)
  })
})
