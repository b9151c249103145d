/**
 * Does cost grow with the number of pieces? Reads a torrent, starts its picker and picks every piece, for 2,000 and for 200,000
 * pieces, for peers that have everything and for peers that have a third. Compare the two lines of one run, never runs with each
 * other.
 *
 *   node bench/pieces.ts
 */
import * as Result from "effect/Result"
import { randomFillSync } from "node:crypto"
import { performance } from "node:perf_hooks"
import * as Bitfield from "../src/domain/Bitfield.ts"
import * as Metainfo from "../src/domain/Metainfo.ts"
import * as MetainfoWriter from "../src/domain/MetainfoWriter.ts"
import { PiecePicker } from "../src/domain/swarm/PiecePicker.ts"
import * as Wanted from "../src/domain/Wanted.ts"

const PIECE = 1 << 20

const time = <A>(run: () => A): readonly [A, number] => {
  const start = performance.now()
  return [run(), performance.now() - start]
}

const third = (pieces: number): Bitfield.Bitfield => {
  const bits = Bitfield.make(pieces)
  for (let piece = 0; piece < pieces; piece += 3) Bitfield.set(bits, piece)
  return bits
}

const pickAll = (picker: PiecePicker, bits: Bitfield.Bitfield, isSeed: boolean): number => {
  let picks = 0
  for (let piece = picker.pick(bits, isSeed); piece !== undefined; piece = picker.pick(bits, isSeed)) {
    picker.unlist(piece)
    picks++
  }
  return picks
}

for (const pieces of [2000, 200_000]) {
  const document = MetainfoWriter.encode({
    name: "payload",
    length: pieces * PIECE,
    pieceLength: PIECE,
    pieceHashes: randomFillSync(new Uint8Array(20 * pieces))
  })
  const [metainfo, parseMs] = time(() => Result.getOrThrow(Metainfo.parse(document)))
  const wanted = Wanted.make(metainfo, undefined)
  const make = () => new PiecePicker(pieces, wanted.pieces, "Rarest", Math.random)
  const [forSeeds, startMs] = time(make)
  forSeeds.availability.addSeed()
  const [bySeeds, seedMs] = time(() => pickAll(forSeeds, Bitfield.full(pieces), true))
  const forOthers = make()
  const [, bitfieldMs] = time(() => forOthers.availability.addAll(third(pieces)))
  const [byOthers, otherMs] = time(() => pickAll(forOthers, third(pieces), false))
  console.log(JSON.stringify({
    pieces,
    parseMs: Math.round(parseMs),
    startMs: Math.round(startMs),
    bitfieldMs: Math.round(bitfieldMs),
    nsPerPickFromSeed: Math.round(seedMs * 1e6 / bySeeds),
    nsPerPickFromThird: Math.round(otherMs * 1e6 / byOthers)
  }))
}
