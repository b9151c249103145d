import { assert, describe, it } from "@effect/vitest"
import * as Bitfield from "../../src/domain/Bitfield.ts"
import * as Wanted from "../../src/domain/Wanted.ts"
import * as Support from "../support/payload.ts"
import { listOf } from "./swarm/fakes.ts"
import { below, int, randomOf, seed } from "./swarm/seeded.ts"

describe("Wanted", () => {
  it.prop("is what a walk over all bytes finds", [seed, int(1, 40)], ([seed, pieceLength]) => {
    const random = randomOf(seed)
    const specs = [
      { length: 1 + below(random, 60) },
      ...Array.from({ length: below(random, 8) }, () => ({ length: below(random, 60), padding: random() < 0.3 }))
    ]
    const endToEnd = Support.torrent(specs, pieceLength)
    const { metainfo } = random() < 0.5 ? endToEnd : Support.spaced(endToEnd)
    const { files, layout } = metainfo
    const selected = new Set(files.map((_, file) => file).filter(() => random() < 0.5))
    const isWanted = (file: number) => selected.has(file) && !files[file]!.padding
    const perPiece = new Map<number, number>()
    for (const [index, file] of files.entries()) {
      for (let at = file.offset; isWanted(index) && at < file.offset + file.length; at++) {
        const piece = Math.floor(at / layout.pieceLength)
        perPiece.set(piece, (perPiece.get(piece) ?? 0) + 1)
      }
    }
    const wanted = Wanted.make(metainfo, selected)
    const isAll = files.every((file, index) => file.padding || selected.has(index))
    const pieces = Array.from({ length: layout.pieces }, (_, piece) => piece)
    assert.deepStrictEqual(listOf(wanted.pieces), isAll ? pieces : pieces.filter((piece) => perPiece.has(piece)))
    assert.strictEqual(wanted.bytes, [...perPiece.values()].reduce((sum, bytes) => sum + bytes, 0))
    for (const piece of pieces) assert.strictEqual(wanted.bytesIn(piece), perPiece.get(piece) ?? 0)
  }, { arbitrary: { runs: 200 } })

  it("counts no bytes of a gap, and needs no link to be chosen", () => {
    const { metainfo } = Support.spaced(Support.torrent([{ length: 10 }, { length: 0 }, { length: 20 }], 16))
    const files = metainfo.files.map((file, i) => i === 1 ? Object.assign({}, file, { symlink: ["file0"] }) : file)
    for (const selected of [undefined, new Set([0, 2])]) {
      const wanted = Wanted.make({ ...metainfo, files }, selected)
      assert.isTrue(Bitfield.isFull(wanted.pieces, 3))
      assert.strictEqual(wanted.bytes, 30)
      assert.deepStrictEqual([0, 1, 2].map(wanted.bytesIn), [10, 16, 4])
    }
  })

  it("is everything when nothing was chosen, pieces of padding alone included", () => {
    const { metainfo } = Support.torrent([{ length: 16 }, { length: 32, padding: true }, { length: 10 }], 16)
    const wanted = Wanted.make(metainfo, undefined)
    assert.isTrue(Bitfield.isFull(wanted.pieces, 4))
    assert.strictEqual(wanted.bytes, 26)
    assert.deepStrictEqual([0, 1, 2, 3].map(wanted.bytesIn), [16, 0, 0, 10])
  })
})
