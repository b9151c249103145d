import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Bitfield from "../../src/domain/Bitfield.ts"
import * as Fetched from "../../src/domain/Fetched.ts"
import * as PieceLayout from "../../src/domain/PieceLayout.ts"
import * as Payload from "../support/payload.ts"
import { int } from "./generators.ts"

const PIECE = 100

/** Files and padding of any lengths, at least one byte in all. */
const specs = Arbitrary.array(Arbitrary.all([int(0, 350), int(0, 2)]), { maxLength: 12 }).pipe(
  Arbitrary.map((drawn) =>
    [[1, 0] as const, ...drawn].map(([length, kind]): Payload.FileSpec => ({ length, padding: kind > 0 }))
  )
)

describe("Fetched", () => {
  it.prop(
    "has of every piece what comes before its last run of padding, and all of one without data",
    [specs],
    ([specs]) => {
      const { metainfo } = Payload.torrent(specs, PIECE)
      const { files, layout } = metainfo
      const fetched = Fetched.layoutOf(metainfo)
      const all = Bitfield.full(layout.pieces)
      let bytes = 0
      for (let piece = 0; piece < layout.pieces; piece++) {
        const size = PieceLayout.pieceSize(layout, piece)
        const data = PieceLayout.spans(files, PieceLayout.pieceOffset(layout, piece), size)
          .filter(({ file }) => !files[file]!.padding)
        const end = data.at(-1)
        const expected = end === undefined ? size : end.at + end.length
        assert.strictEqual(PieceLayout.pieceSize(fetched, piece), expected)
        bytes += expected
      }
      assert.strictEqual(fetched.dataLength, bytes)
      assert.strictEqual(PieceLayout.sizeOf(fetched, all), bytes)
      assert.strictEqual(PieceLayout.sizeOf(layout, all), layout.dataLength)
      assert.strictEqual(PieceLayout.sizeOf(fetched, Bitfield.make(layout.pieces)), 0)
    }
  )

  it("looks at the ends of padding alone, however long it is", () => {
    const pieces = 3_000_000
    const layout = PieceLayout.make(pieces * PIECE, PIECE)
    const [file] = Payload.torrent([{ length: 1 }], PIECE).metainfo.files
    const files = [file!, { ...file!, offset: 1, length: pieces * PIECE - 1, padding: true }]
    const start = process.cpuUsage()
    const fetched = Fetched.layoutOf({ files, layout })
    const { system, user } = process.cpuUsage(start)
    assert.isBelow((user + system) / 1000, 500)
    assert.strictEqual(fetched.dataLength, (pieces - 1) * PIECE + 1)
  })
})
