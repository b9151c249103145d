/** What a peer might say that keeps to no rule: messages of every kind, valid, odd, cut, stretched, changed and in floods. */
import * as Bytes from "../../src/domain/Bytes.ts"
import { BLOCK } from "../../src/domain/PieceLayout.ts"
import * as Message from "../../src/domain/wire/Message.ts"
import { below } from "../domain/swarm/seeded.ts"

type Random = () => number

const pickOf = (random: Random) => <A>(items: ReadonlyArray<A>): A => items[below(random, items.length)]!

const uint32 = (...values: ReadonlyArray<number>): Uint8Array => {
  const out = new Uint8Array(4 * values.length)
  values.forEach((value, i) => Bytes.writeUint32(out, 4 * i, value))
  return out
}

const noise = (random: Random, length: number): Uint8Array => Uint8Array.from({ length }, () => below(random, 256))

/** A number that fits; or one at an edge. */
const near = (random: Random, count: number, isCareful: boolean): number =>
  isCareful || random() < 0.5 ? below(random, count) : pickOf(random)([count - 1, count, 0xffff_ffff])

/** Texts of BEP 10, 9, 11 and none; the first ones are what the number of their extension may be followed by. */
const dictionary = (random: Random, sub: number, isCareful: boolean): Uint8Array => {
  const pick = pickOf(random)
  const size = pick(["0", "1", "16384", "-5", "1000000", "9007199254740993", "99999999999999999999"])
  const id = () => pick(["0", "1", "2", "3", "4", "255", "256", "-1"])
  const hosts = Buffer.from(noise(random, 6 * below(random, 60))).toString("latin1")
  const names = Array.from(
    { length: below(random, 90) },
    (_, i) => `2:${String.fromCharCode(97 + i % 26, 97 + i / 26)}i1e`
  )
  const pex = [
    `d5:added${hosts.length}:${hosts}7:added.f0:7:dropped${hosts.length}:${hosts}e`,
    `d6:added6${hosts.length}:${hosts}8:added6.f3:abc8:dropped60:e`
  ]
  const metadata = [
    `d8:msg_typei${id()}e5:piecei${pick(["0", "1", "7", "4294967296"])}ee`,
    `d8:msg_typei1e5:piecei0e10:total_sizei${size}ee${"x".repeat(below(random, 17_000))}`
  ]
  const greetings = [
    `d1:md11:lt_donthavei${id()}e11:upload_onlyi${id()}e11:ut_metadatai${id()}e6:ut_pexi${id()}ee13:metadata_sizei${size}ee`,
    `d1:md${names.join("")}e1:pi${pick(["0", "6881", "70000"])}e4:reqqi${size}e11:upload_onlyi${id()}e1:v3:x\u001b[e`,
    `d6:yourip4:${Buffer.from(noise(random, 4)).toString("latin1")}1:v0:e`
  ]
  const nonsense = ["d1:m1:xe", "de", "", "d".repeat(below(random, 40)), "l".repeat(400)]
  const fitting = [greetings, metadata, [], [], pex][sub] ?? []
  const texts = isCareful && fitting.length > 0 ? fitting : [...greetings, ...metadata, ...pex, ...nonsense]
  return Bytes.fromLatin1(pick(texts))
}

/** The messages there are, those that carry others more often. */
const IDS = [0, 1, 2, 3, 4, 5, 6, 6, 7, 8, 9, 13, 14, 15, 16, 17, 20, 20, 20, 20, 21, 22, 23]

/** What the peer may say, and how. */
export interface Manners {
  readonly pieces: number
  readonly fast: boolean
  readonly v2: boolean
  /** Keeps to the bounds of every message, and so is not dropped for the first. */
  readonly isCareful: boolean
}

/** For saying these without a cause, soon or at once. */
const DROPPED_FOR: ReadonlySet<number> = new Set([Message.PIECE, Message.HAVE_NONE, Message.REJECT])

const isSpoken = (id: number, { fast, isCareful, v2 }: Manners): boolean =>
  !isCareful || ((fast || id < 13 || id > 17) && (v2 || id < 21 || id > 23) && !DROPPED_FOR.has(id))

/** One message, the id first. */
const message = (random: Random, manners: Manners): Uint8Array => {
  const { isCareful, pieces } = manners
  const pick = pickOf(random)
  const id = random() < 0.05 ? below(random, 256) : pick(IDS.filter((id) => isSpoken(id, manners)))
  const piece = near(random, pieces, isCareful)
  const begin = isCareful ? 0 : pick([0, BLOCK, 2 * BLOCK, 1, 0xffff_ffff])
  const length = isCareful ? pick([BLOCK, 1]) : pick([BLOCK, BLOCK, 0, 131_072, 131_073])
  const withId = (...parts: ReadonlyArray<Uint8Array>) => Bytes.concat([Uint8Array.of(id), ...parts])
  switch (id) {
    case Message.HAVE:
    case Message.SUGGEST:
    case Message.ALLOWED_FAST:
      return withId(uint32(piece))
    case Message.BITFIELD: {
      const bits = noise(random, Math.ceil(pieces / 8))
      const spare = 8 * bits.length - pieces
      if (isCareful || random() < 0.8) bits[bits.length - 1]! &= 0xff << spare
      return withId(bits)
    }
    case Message.REQUEST:
    case Message.CANCEL:
    case Message.REJECT:
      return withId(uint32(piece, begin, length))
    case Message.PIECE:
      return withId(uint32(piece, begin), noise(random, pick([0, 1, 100, BLOCK, BLOCK])))
    case Message.EXTENDED: {
      const sub = pick([0, 0, 0, 1, 1, 2, 3, 3, 4, 5, 255])
      const payload = sub === 2 ? Uint8Array.of(below(random, 2)) : sub === 3 ? uint32(piece) : undefined
      return withId(Uint8Array.of(sub), payload ?? dictionary(random, sub, isCareful))
    }
    case Message.HASH_REQUEST:
    case Message.HASH_REJECT:
    case Message.HASHES: {
      const range = uint32(pick([0, 1, 2, 31]), pick([0, 1, 512, 3]), pick([1, 2, 512, 513]), pick([0, 1, 9, 40]))
      const tail = id === Message.HASHES ? noise(random, 32 * below(random, 6)) : new Uint8Array(0)
      return withId(noise(random, 32), range, tail)
    }
    default:
      return withId()
  }
}

/** Cut, stretched, or with a byte changed. */
const mutated = (random: Random, body: Uint8Array): Uint8Array => {
  switch (below(random, 3)) {
    case 0:
      return body.slice(0, below(random, body.length + 1))
    case 1:
      return Bytes.concat([body, noise(random, 1 + below(random, 40))])
    default: {
      const out = body.slice()
      if (out.length > 0) out[below(random, out.length)] = below(random, 256)
      return out
    }
  }
}

/** Whole frames for one write: some messages, now and then one of them hundreds of times. */
export const make = (random: Random, manners: Manners): Uint8Array => {
  const frames: Array<Uint8Array> = []
  for (let left = 1 + below(random, 12); left > 0; left--) {
    const body = message(random, manners)
    const sent = !manners.isCareful && random() < 0.06 ? mutated(random, body) : body
    const times = random() < 0.1 ? 1 + below(random, 600) : 1
    for (let i = 0; i < times && i * sent.length < 1 << 19; i++) frames.push(uint32(sent.length), sent)
  }
  return Bytes.concat(frames)
}
