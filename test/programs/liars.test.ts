/** Peers that lie or talk nonsense to a leech: they are thrown out, and nobody else suffers. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { message } from "../support/messages.ts"
import * as Payload from "../support/payload.ts"
import type * as Programs from "../support/programs.ts"
import { publish, wrongFiles } from "../support/published.ts"
import * as RawPeer from "../support/rawPeer.ts"
import { leech, placeIn } from "../support/stage.ts"

const KIB = 1024
const BLOCK = 16 * KIB
const PIECE = 8 * BLOCK

const torrent = publish([{ length: 60 * PIECE + 1 }, { length: 67 * PIECE - 5 }], PIECE)

const { infoHash, layout } = torrent.metainfo

/** A peer that begins to speak when it is let. */
const gated = Effect.fnUntraced(function*(speak: (wire: RawPeer.Wire) => void) {
  const held: Array<() => void> = []
  let isOpen = false
  const peer = yield* RawPeer.listen(infoHash, (wire) => {
    if (isOpen) speak(wire)
    else held.push(() => speak(wire))
  })
  const open = () => {
    isOpen = true
    for (const speak of held.splice(0)) speak()
  }
  return { address: peer.address, open }
})

const stateOf = ({ records }: Programs.Ended, state: "banned" | "connected"): Set<string> =>
  new Set(records.flatMap((record) => record.type === "peer" && record.state === state ? [record.address] : []))

describe("a liar among honest seeds", () => {
  for (
    const [what, isLie] of [
      ["about every block", () => true],
      ["about one block of a piece", (begin: number) => begin === 3 * BLOCK]
    ] as const
  ) {
    it.live(`is banned, and honest seeds never are: it lies ${what}`, () =>
      Effect.gen(function*() {
        const place = placeIn(yield* Payload.temporary, torrent)
        const honest = [yield* gated(RawPeer.seed(torrent)), yield* gated(RawPeer.seed(torrent))]
        const answer = (_piece: number, begin: number, right: Uint8Array) => {
          if (!isLie(begin)) return right
          for (const { open } of honest) open()
          return right.map((byte, at) => at === 5 ? byte ^ 1 : byte)
        }
        const liar = yield* RawPeer.listen(infoHash, RawPeer.seed(torrent, { answer }))
        const ended = yield* (yield* leech(place, [liar.address, ...honest.map(({ address }) => address)])).ended
        assert.strictEqual(ended.code, 0, ended.err)
        assert.deepStrictEqual(wrongFiles(torrent, place.dir), [])
        assert.deepStrictEqual(stateOf(ended, "banned"), new Set([liar.address]))
        assert.strictEqual(stateOf(ended, "connected").size, 3)
      }))
  }
})

const NONSENSE: Readonly<Record<string, (wire: RawPeer.Wire) => void>> = {
  "a frame of 4 GiB": (wire) => wire.send(new Uint8Array(1024).fill(0xff)),
  "a bitfield too short": (wire) => wire.send(message(RawPeer.Id.bitfield, [], new Uint8Array(1))),
  "a bitfield with bits behind its end": (wire) =>
    wire.send(message(RawPeer.Id.bitfield, [], new Uint8Array(Math.ceil(layout.pieces / 8)).fill(0xff))),
  "a piece that is none": (wire) => wire.send(message(RawPeer.Id.have, [layout.pieces])),
  "a block that does not fit": (wire) => wire.send(message(RawPeer.Id.piece, [0, 3], new Uint8Array(BLOCK))),
  "a request out of range": (wire) => wire.send(message(RawPeer.Id.request, [layout.pieces, 0, BLOCK])),
  "a request for 1 GiB": (wire) => wire.send(message(RawPeer.Id.request, [0, 0, 2 ** 30])),
  "an empty have": (wire) => wire.send(message(RawPeer.Id.have))
}

describe("a peer that talks nonsense", () => {
  it.live("is dropped, and the download goes on", () =>
    Effect.gen(function*() {
      const place = placeIn(yield* Payload.temporary, torrent)
      const honest = yield* gated(RawPeer.seed(torrent))
      const fools = yield* Effect.forEach(Object.values(NONSENSE), (talk) => RawPeer.listen(infoHash, talk))
      const addresses = [honest, ...fools].map(({ address }) => address)
      const running = yield* leech(place, addresses)
      for (const fool of fools) {
        const { closed } = yield* fool.wire
        yield* Effect.promise(() => closed)
      }
      honest.open()
      const ended = yield* running.ended
      assert.deepStrictEqual([ended.code, ended.err], [0, ""])
      assert.deepStrictEqual(wrongFiles(torrent, place.dir), [])
      assert.deepStrictEqual(stateOf(ended, "connected"), new Set(addresses))
    }))
})
