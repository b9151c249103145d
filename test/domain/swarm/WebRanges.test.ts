import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Bytes from "../../../src/domain/Bytes.ts"
import * as Fetched from "../../../src/domain/Fetched.ts"
import * as PieceLayout from "../../../src/domain/PieceLayout.ts"
import { BlockCutter } from "../../../src/domain/swarm/BlockCutter.ts"
import * as WebRanges from "../../../src/domain/swarm/WebRanges.ts"
import * as Payload from "../../support/payload.ts"
import { int } from "../generators.ts"

const { BLOCK } = PieceLayout

/** Files that end anywhere, some of them empty and some padding; the kinds: small, of a block or two, of pieces. */
const specs = Arbitrary.array(
  Arbitrary.all({ kind: int(0, 3), size: int(0, 40_000), pad: int(0, 9) }).pipe(
    Arbitrary.map(({ kind, pad, size }) => ({
      length: [0, size % 50, size, 3 * size][kind]!,
      padding: pad < 3
    }))
  ),
  { minLength: 1, maxLength: 9 }
)

const pieceLengths = [BLOCK, 2 * BLOCK, 48 * 1024, 20_000]

/** All blocks that a whole download asks for. */
const blocksOf = (layout: PieceLayout.PieceLayout): Array<WebRanges.Block> =>
  Array.from(
    { length: layout.pieces },
    (_, piece) =>
      Array.from({ length: PieceLayout.blocksIn(layout, piece) }, (_, block) => ({
        piece,
        begin: block * BLOCK,
        length: PieceLayout.blockSize(layout, piece, block)
      }))
  ).flat()

/** Fetches the blocks run by run out of the files, as a connection does, and counts what it asks for. */
const fetchAll = ({ metainfo, payload }: Payload.Torrent, blocks: ReadonlyArray<WebRanges.Block>, chunk: number) => {
  const { files, layout } = metainfo
  const asked = files.map(({ length }) => new Uint8Array(length))
  const got = new Uint8Array(payload.length)
  const seen: Array<WebRanges.Block> = []
  const cutter = new BlockCutter((block, bytes, at) => {
    seen.push(block)
    got.set(bytes.subarray(at, at + block.length), WebRanges.offsetOf(layout, block))
  })
  let rest = blocks
  while (rest.length > 0) {
    const run = rest.slice(0, WebRanges.runOf(layout, rest))
    rest = rest.slice(run.length)
    cutter.begin(run)
    const length = run.reduce((sum, block) => sum + block.length, 0)
    for (const stretch of WebRanges.stretches(files, WebRanges.offsetOf(layout, run[0]!), length)) {
      if (stretch.file === undefined) cutter.zeros(stretch.length)
      else {
        for (let at = 0; at < stretch.length; at++) asked[stretch.file]![stretch.position + at]!++
        const content = payload.subarray(files[stretch.file]!.offset + stretch.position)
        for (let at = 0; at < stretch.length; at += chunk) {
          const size = Math.min(chunk, stretch.length - at)
          // Not at the start of what it is given, which is used again after the call.
          const bytes = Bytes.concat([Uint8Array.of(0xee), content.subarray(at, at + size), Uint8Array.of(0xee)])
          cutter.push(bytes, 1, 1 + size)
          bytes.fill(0)
        }
      }
    }
    assert.strictEqual(cutter.left, 0)
  }
  return { asked, got, seen }
}

const each = [specs, int(0, 3), int(1, 70_000), int(0, 1)] as const

describe("WebRanges", () => {
  it.prop("every byte of every file is asked for once, padding and gaps never", [...each], (
    [specs, pieceLength, chunk, isSpaced]
  ) => {
    if (specs.every(({ length }) => length === 0)) return
    const flat = Payload.torrent(specs, pieceLengths[pieceLength]!)
    const torrent = isSpaced === 1 ? Payload.spaced(flat) : flat
    const layout = Fetched.layoutOf(torrent.metainfo)
    const blocks = blocksOf(layout)
    const { asked, got, seen } = fetchAll(torrent, blocks, chunk)
    assert.deepStrictEqual(seen, blocks)
    torrent.metainfo.files.forEach(({ padding }, file) => {
      assert.isTrue(asked[file]!.every((times) => times === (padding ? 0 : 1)), `file ${file}`)
    })
    assert.isTrue(Buffer.from(got).equals(torrent.payload))
  })

  it.prop("blocks in any order come whole, and nothing is asked for twice", [...each, int(1, 1_000_000)], (
    [specs, pieceLength, chunk, , seed]
  ) => {
    if (specs.every(({ length }) => length === 0)) return
    const torrent = Payload.torrent(specs, pieceLengths[pieceLength]!)
    const blocks = blocksOf(Fetched.layoutOf(torrent.metainfo))
      .map((block, i) => ({ block, key: Math.imul(i + 1, seed | 1) >>> 0 }))
      .sort((a, b) => a.key - b.key)
      .slice(0, 5)
      .map(({ block }) => block)
    const { asked, got, seen } = fetchAll(torrent, blocks, chunk)
    assert.deepStrictEqual(seen, blocks)
    assert.isTrue(asked.every((times) => times.every((time) => time <= 1)))
    for (const block of blocks) {
      const at = WebRanges.offsetOf(torrent.metainfo.layout, block)
      const end = at + block.length
      assert.isTrue(Buffer.from(got.subarray(at, end)).equals(torrent.payload.subarray(at, end)))
    }
  })
})
