import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Bitfield from "../../src/domain/Bitfield.ts"
import * as InfoHash from "../../src/domain/InfoHash.ts"
import * as InfoHashV2 from "../../src/domain/InfoHashV2.ts"
import type { Metainfo } from "../../src/domain/Metainfo.ts"
import * as PieceLayout from "../../src/domain/PieceLayout.ts"
import * as Resume from "../../src/domain/Resume.ts"
import * as ResumeCodec from "../../src/domain/ResumeCodec.ts"
import * as Support from "../support/payload.ts"

const int = (minimum: number, maximum: number) =>
  Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum, maximum })))

const PIECE = 3 * PieceLayout.BLOCK

/** Enough to draw a torrent, a record of it, and what became of its files. */
const drawing = {
  files: Arbitrary.array(
    Arbitrary.all({
      /** In blocks, so that files and pieces cross each other in every way. */
      blocks: int(0, 7),
      kind: int(0, 4),
      /** 0: kept elsewhere now, 1: touched, 2: cut, 3: gone, else as it was. */
      fate: int(0, 8)
    }),
    { minLength: 1, maxLength: 8 }
  ),
  spaced: int(0, 1),
  seed: int(1, 1_000_000),
  flip: int(0, 1_000_000)
}

interface Drawing {
  readonly files: ReadonlyArray<{ readonly blocks: number; readonly kind: number; readonly fate: number }>
  /** 1: with gaps between the files. */
  readonly spaced: number
  readonly seed: number
  readonly flip: number
}

/** As if it had no version 1, and this hash in version 2. */
const asV2 = (metainfo: Metainfo, infoHashV2: InfoHashV2.InfoHashV2): Metainfo => ({
  ...metainfo,
  version: "2",
  infoHash: InfoHash.truncate(infoHashV2),
  infoHashV1: undefined,
  infoHashV2
})

const draw = ({ files, seed, spaced }: Drawing) => {
  const specs = files.map(({ blocks, kind }) => ({ length: blocks * PieceLayout.BLOCK, padding: kind === 0 }))
  const endToEnd = Support.torrent(specs, PIECE)
  const first = spaced === 1 ? Support.spaced(endToEnd).metainfo : endToEnd.metainfo
  const metainfo = seed % 2 === 0 ? first : asV2(first, InfoHashV2.fromBytes(Support.noise(32, seed)))
  const { layout } = metainfo
  const bits = Support.noise(layout.pieces * 2 + 16, seed)
  const have = Bitfield.make(layout.pieces)
  const masks = new Map<number, Bitfield.Bitfield>()
  for (let piece = 0; piece < layout.pieces; piece++) {
    if (bits[piece]! % 3 > 0) Bitfield.set(have, piece)
    else if (bits[piece]! % 2 === 0) {
      const mask = Bitfield.make(layout.blocksPerPiece)
      for (let block = 0; block < PieceLayout.blocksIn(layout, piece); block += 2) Bitfield.set(mask, block)
      masks.set(piece, mask)
    }
  }
  const closed = Resume.noneClosed(files.length)
  const inPart = Bitfield.make(files.length)
  metainfo.files.forEach((file, index) => {
    if (files[index]!.kind === 1) return Bitfield.set(inPart, index)
    const range = PieceLayout.piecesOf(layout, file)
    if (range === undefined || file.padding) return
    for (let piece = range.first; piece <= range.last; piece++) if (!Bitfield.has(have, piece)) return
    Bitfield.set(closed.files, index)
    closed.mtimes[index] = 1_700_000_000_000_000_000n + BigInt(index)
  })
  const record: Resume.ResumeRecord = { have, masks, closed, inPart, uploaded: seed * 3, downloaded: 2 ** 52 + seed }
  return { metainfo, record }
}

const present = ({ files }: Drawing, { metainfo, record }: ReturnType<typeof draw>): Resume.Present => ({
  stats: metainfo.files.map(({ length, padding }, index) => {
    const { fate } = files[index]!
    const mtimeNs = record.closed.mtimes[index]!
    if (padding || fate === 3) return undefined
    if (fate === 1) return { length, mtimeNs: mtimeNs + 1n }
    return { length: fate === 2 ? length >>> 1 : length, mtimeNs }
  }),
  inPart: (file) => Bitfield.has(record.inPart, file) !== (files[file]!.fate === 0)
})

describe("ResumeCodec", () => {
  it.prop("round-trips, and keeps nothing of the bytes it was given", drawing, (input) => {
    const { metainfo, record } = draw(input)
    const bytes = ResumeCodec.encode(metainfo, record)
    assert.isAtMost(bytes.length, ResumeCodec.maxLength(metainfo))
    for (const given of [bytes, Buffer.from(bytes)]) {
      const read = Result.getOrThrow(ResumeCodec.decode(metainfo, given))
      given.fill(0xee)
      assert.deepStrictEqual(read, record)
    }
  }, { arbitrary: { runs: 200 } })

  it.prop("never accepts and never throws on a changed or cut record", drawing, (input) => {
    const { metainfo, record } = draw(input)
    const bytes = ResumeCodec.encode(metainfo, record)
    const changed = bytes.slice()
    changed[input.flip % bytes.length]! ^= 1 + input.seed % 255
    assert.isTrue(Result.isFailure(ResumeCodec.decode(metainfo, changed)))
    assert.isTrue(Result.isFailure(ResumeCodec.decode(metainfo, bytes.subarray(0, input.flip % bytes.length))))
    assert.isTrue(Result.isFailure(ResumeCodec.decode(metainfo, Support.noise(input.flip % 4096, input.seed))))
  }, { arbitrary: { runs: 300 } })

  it("says what is wrong", () => {
    const { metainfo, record } = draw({ files: [{ blocks: 5, kind: 2, fate: 8 }], spaced: 0, seed: 2, flip: 0 })
    const other = draw({ files: [{ blocks: 6, kind: 2, fate: 8 }], spaced: 0, seed: 2, flip: 0 })
    const bytes = ResumeCodec.encode(metainfo, record)
    const damage = (bytes: Uint8Array) => Result.getOrThrow(Result.flip(ResumeCodec.decode(metainfo, bytes)))._tag
    assert.strictEqual(damage(ResumeCodec.encode(other.metainfo, other.record)), "OtherTorrent")
    assert.strictEqual(damage(bytes.subarray(0, 70)), "NotARecord")
    assert.strictEqual(damage(bytes.subarray(0, -1)), "Corrupt")
    const future = bytes.slice()
    future[11] = 3
    assert.strictEqual(damage(future), "OtherVersion")
  })

  it("does not take a torrent for another that its truncated hash is shared with", () => {
    const { metainfo, record } = draw({ files: [{ blocks: 5, kind: 2, fate: 8 }], spaced: 0, seed: 2, flip: 0 })
    const hash = InfoHashV2.toBytes(InfoHashV2.fromBytes(Support.noise(32)))
    const one = asV2(metainfo, InfoHashV2.fromBytes(hash))
    hash[31]! ^= 1
    const two = asV2(metainfo, InfoHashV2.fromBytes(hash))
    const first = { ...metainfo, infoHash: one.infoHash, infoHashV1: one.infoHash }
    assert.strictEqual(one.infoHash, two.infoHash)
    for (const mine of [one, two, first]) {
      const bytes = ResumeCodec.encode(mine, record)
      for (const asked of [one, two, first]) {
        const read = ResumeCodec.decode(asked, bytes)
        assert.strictEqual(Result.isSuccess(read), asked === mine)
        if (Result.isFailure(read)) assert.strictEqual(read.failure._tag, "OtherTorrent")
      }
    }
    // A hybrid is named by its hash of version 1, under which clients without version 2 have recorded it.
    const hybrid = { ...metainfo, infoHashV2: two.infoHashV2 }
    assert.deepStrictEqual(
      Result.getOrThrow(ResumeCodec.decode(hybrid, ResumeCodec.encode(metainfo, record))),
      record
    )
  })
})

describe("Resume", () => {
  it.prop(
    "counts nothing that was not recorded, nor anything in a file that is gone, cut or moved",
    drawing,
    (input) => {
      const drawn = draw(input)
      const { metainfo, record } = drawn
      const now = present(input, drawn)
      const plan = Resume.plan(metainfo, record, now, (input.flip % 1000) / 1000)
      const good = (file: number) => (input.seed + file) % 3 > 0
      const { have, masks, recheck } = Resume.settle(metainfo, record, plan, now, good)
      for (const { file, piece } of plan.samples) {
        assert.isTrue(Bitfield.has(record.have, piece))
        assert.isTrue(Resume.storedFilesOf(metainfo, piece).some((span) => span.file === file))
      }
      for (let piece = 0; piece < metainfo.layout.pieces; piece++) {
        const spans = Resume.storedFilesOf(metainfo, piece)
        const trusted = Bitfield.has(have, piece)
        if (trusted || Bitfield.has(recheck, piece)) {
          assert.isTrue(Bitfield.has(record.have, piece))
          assert.isFalse(trusted && Bitfield.has(recheck, piece))
          assert.isTrue(spans.every(({ file }) => now.stats[file] !== undefined))
          assert.isTrue(spans.every(({ file }) => now.inPart(file) === Bitfield.has(record.inPart, file)))
        }
        if (!trusted) continue
        for (const { file, length, position } of spans) {
          const closed = Bitfield.has(record.closed.files, file)
          if (closed) assert.strictEqual(now.stats[file]!.mtimeNs, record.closed.mtimes[file])
          else assert.isTrue(good(file))
          assert.isAtLeast(now.stats[file]!.length, position + length)
        }
      }
      for (const piece of masks.keys()) assert.deepStrictEqual(masks.get(piece), record.masks.get(piece))
    },
    { arbitrary: { runs: 500 } }
  )

  it.prop("counts all that was recorded when nothing happened to the files", drawing, (input) => {
    const untouched = { ...input, files: input.files.map((file) => ({ ...file, fate: 8 })) }
    const drawn = draw(untouched)
    const { metainfo, record } = drawn
    const now = present(untouched, drawn)
    const plan = Resume.plan(metainfo, record, now, 0)
    const settled = Resume.settle(metainfo, record, plan, now, () => true)
    assert.deepStrictEqual(settled.have, record.have)
    assert.deepStrictEqual(settled.masks, record.masks)
    assert.strictEqual(Bitfield.count(settled.recheck), 0)
    const open = plan.samples.map(({ file }) => file)
    assert.isTrue(open.every((file) => !Bitfield.has(record.closed.files, file)))
  }, { arbitrary: { runs: 200 } })

  it("rechecks a closed file that was touched, and every recorded piece of a file whose sample is wrong", () => {
    const { metainfo } = Support.torrent([{ length: 2 * PIECE }, { length: 3 * PIECE }], PIECE)
    const closed = Resume.noneClosed(2)
    Bitfield.set(closed.files, 0)
    closed.mtimes[0] = 5n
    const have = Bitfield.full(5)
    Bitfield.clear(have, 4)
    const record = { have, masks: new Map(), closed, inPart: Bitfield.make(2), uploaded: 0, downloaded: 0 }
    const present = {
      stats: [{ length: 2 * PIECE, mtimeNs: 6n }, { length: 2 * PIECE, mtimeNs: 9n }],
      inPart: () => false
    }
    const plan = Resume.plan(metainfo, record, present, 0.999)
    assert.deepStrictEqual(plan, { standings: ["Recheck", "Sample"], samples: [{ file: 1, piece: 3 }] })
    assert.deepStrictEqual(
      Resume.settle(metainfo, record, plan, present, () => true).recheck,
      Uint8Array.of(0b1100_0000)
    )
    assert.deepStrictEqual(Resume.settle(metainfo, record, plan, present, () => true).have, Uint8Array.of(0b0011_0000))
    assert.deepStrictEqual(
      Resume.settle(metainfo, record, plan, present, () => false).recheck,
      Uint8Array.of(0b1111_0000)
    )
  })
})
