import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import type { State } from "../../src/domain/Findings.ts"
import type { Version } from "../../src/domain/Metainfo.ts"
import { BLOCK, piecesOf } from "../../src/domain/PieceLayout.ts"
import * as Runs from "../../src/domain/Runs.ts"
import * as DataVerifier from "../../src/services/DataVerifier.ts"
import { PieceHasher } from "../../src/services/PieceHasher.ts"
import { int } from "../domain/generators.ts"
import * as Payload from "../support/payload.ts"
import { type Versioned, versioned } from "../support/versions.ts"

const VERSIONS: ReadonlyArray<Version> = ["1", "2", "hybrid"]

const PIECE = 2 * BLOCK

/** Puts all files that are stored into the folder. */
const placeAll = (torrent: Versioned, dir: string): void =>
  torrent.metainfo.files.forEach((file, index) => {
    if (!file.padding && file.symlink === undefined) Payload.place(torrent, dir, index)
  })

const verify = ({ metainfo }: Versioned, dir: string) =>
  Effect.provide(DataVerifier.verify({ metainfo, dir }), PieceHasher.layerHere)

const placeOf = ({ metainfo }: Versioned, dir: string, file: number): string =>
  path.join(dir, ...metainfo.files[file]!.path)

const flip = (file: string, at: number): void => {
  const bytes = fs.readFileSync(file)
  bytes[at]! ^= 1
  fs.writeFileSync(file, bytes)
}

/** Files of one piece and more, on and beside the borders of pieces and blocks. */
const SIZES = [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 3 * PIECE + 5]

const damage = Arbitrary.all({
  version: int(0, 2),
  sizes: Arbitrary.array(int(0, SIZES.length - 1), { minLength: 1, maxLength: 5 }),
  seed: int(1, 1000),
  kinds: Arbitrary.array(int(0, 5), { minLength: 5, maxLength: 5 }),
  at: int(0, 1_000_000)
})

describe("DataVerifier", () => {
  it.effect.prop(
    "finds exactly what is wrong",
    [damage],
    ([{ at, kinds, seed, sizes, version }]) =>
      Effect.gen(function*() {
        const files = sizes.map((size, i) => ({ path: [`f${i}`], length: SIZES[size]! }))
        if (files.every(({ length }) => length === 0)) files.push({ path: ["more"], length: 1 })
        const torrent = versioned(VERSIONS[version]!, files, PIECE, { seed })
        const dir = yield* Payload.temporary
        placeAll(torrent, dir)
        const { files: entries, layout } = torrent.metainfo
        const badPieces = new Set<number>()
        const unreadPieces = new Set<number>()
        const harmed = new Map<number, "flip" | "cut" | "remove" | "lengthen">()
        entries.forEach((entry, index) => {
          const kind = kinds[index % kinds.length]!
          if (entry.padding || kind > 3) return
          const place = placeOf(torrent, dir, index)
          const from = entry.length === 0 ? 0 : at % entry.length
          const touch = (into: Set<number>, position: number, last: number) => {
            for (let byte = position; byte <= last; byte += BLOCK) {
              into.add(Math.floor((entry.offset + byte) / layout.pieceLength))
            }
            if (position <= last) into.add(Math.floor((entry.offset + last) / layout.pieceLength))
          }
          if (kind === 0 && entry.length > 0) {
            flip(place, from)
            touch(badPieces, from, from)
            harmed.set(index, "flip")
          } else if (kind === 1 && entry.length > 0) {
            fs.truncateSync(place, from)
            touch(unreadPieces, from, entry.length - 1)
            harmed.set(index, "cut")
          } else if (kind === 2) {
            fs.rmSync(place)
            touch(unreadPieces, 0, entry.length - 1)
            harmed.set(index, "remove")
          } else if (kind === 3) {
            fs.appendFileSync(place, "more")
            harmed.set(index, "lengthen")
          }
        })
        for (const piece of unreadPieces) badPieces.delete(piece)
        const found = yield* verify(torrent, dir)
        const members = (runs: Runs.Runs) =>
          new Set(runs.flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, i) => first + i)))
        assert.deepStrictEqual(members(found.bad), new Set([...badPieces].sort((a, b) => a - b)))
        assert.deepStrictEqual(members(found.unread), new Set([...unreadPieces].sort((a, b) => a - b)))
        assert.deepStrictEqual(found.contradictory, [])
        assert.strictEqual(found.isWhole, harmed.size === 0)
        const wrong = new Set([...badPieces, ...unreadPieces])
        for (const { file, pieces, state } of found.files) {
          const entry = entries[file]!
          const range = piecesOf(layout, entry)
          const own = [...wrong].filter((piece) => range !== undefined && piece >= range.first && piece <= range.last)
          assert.deepStrictEqual(members(pieces), new Set(own.sort((a, b) => a - b)))
          const expected: Record<string, ReadonlyArray<State>> = {
            none: own.length === 0 ? ["Right"] : ["Suspect"],
            flip: ["Damaged", "Suspect"],
            cut: ["WrongLength"],
            remove: ["Missing"],
            lengthen: ["WrongLength"]
          }
          assert.isTrue(expected[harmed.get(file) ?? "none"]!.includes(state), `${file} is ${state}`)
          // Where every piece has one file, none is suspected for another's fault.
          if (version > 0) assert.notStrictEqual(state, "Suspect")
        }
      }),
    { arbitrary: { runs: 150 } }
  )

  it.effect("names the blocks that it can be sure of", () =>
    Effect.gen(function*() {
      const files = [{ path: ["a"], length: 2 * PIECE + 10 }, { path: ["b"], length: 3 * PIECE }, {
        path: ["c"],
        length: 5
      }]
      for (const version of VERSIONS) {
        const torrent = versioned(version, files, PIECE)
        const dir = yield* Payload.temporary
        placeAll(torrent, dir)
        const [a, b, c] = torrent.metainfo.files.flatMap(({ padding }, i) => padding ? [] : [placeOf(torrent, dir, i)])
        flip(a!, 0)
        flip(a!, 2 * PIECE)
        fs.truncateSync(b!, PIECE + BLOCK + 3)
        flip(c!, 0)
        const { files: found } = yield* verify(torrent, dir)
        assert.deepStrictEqual(
          found.map(({ blocks }) => Runs.format(blocks)),
          version === "1" ? ["", "", ""] : ["4", "3-5", "0"],
          version
        )
      }
    }))

  it.effect("follows no link, and reads nothing but files", () =>
    Effect.gen(function*() {
      const torrent = versioned("1", ["a", "b", "c", "d"].map((name) => ({ path: [name, "x"], length: PIECE })), PIECE)
      const dir = yield* Payload.temporary
      placeAll(torrent, dir)
      const top = path.join(dir, "top")
      fs.renameSync(path.join(top, "a"), path.join(dir, "elsewhere"))
      fs.symlinkSync(path.join(dir, "elsewhere"), path.join(top, "a"))
      fs.renameSync(path.join(top, "b", "x"), path.join(dir, "x"))
      fs.symlinkSync(path.join(dir, "x"), path.join(top, "b", "x"))
      fs.rmSync(path.join(top, "c", "x"))
      fs.mkdirSync(path.join(top, "c", "x"))
      const { files, unread } = yield* verify(torrent, dir)
      assert.deepStrictEqual(files.map(({ state }) => state), ["Unusable", "Unusable", "Unusable", "Right"])
      assert.strictEqual(Runs.format(unread), "0-2")
    }))

  it.effect("ignores what is not the torrent's: other files, and the targets of its links", () =>
    Effect.gen(function*() {
      const torrent = versioned("2", [{ path: ["a"], length: 5 }, { path: ["l"], length: 0, symlink: ["a"] }], PIECE)
      const dir = yield* Payload.temporary
      placeAll(torrent, dir)
      fs.writeFileSync(path.join(dir, "top", "other"), "x")
      const { files, isWhole } = yield* verify(torrent, dir)
      assert.isTrue(isWhole)
      assert.strictEqual(files.length, 1)
    }))

  it.effect("tells a torrent that contradicts itself from data that is wrong", () =>
    Effect.gen(function*() {
      const torrent = versioned("hybrid", [{ path: ["a"], length: 2 * PIECE }], PIECE)
      const dir = yield* Payload.temporary
      placeAll(torrent, dir)
      const pieceHashes = torrent.metainfo.pieceHashes.slice()
      pieceHashes[20]! ^= 1
      const lying = { ...torrent, metainfo: { ...torrent.metainfo, pieceHashes } }
      const { bad, contradictory, isWhole } = yield* verify(lying, dir)
      assert.deepStrictEqual([Runs.format(bad), Runs.format(contradictory), isWhole], ["1", "1", false])
    }))

  it.effect("says how far it is", () =>
    Effect.gen(function*() {
      const torrent = versioned("1", [{ path: ["a"], length: 300 * BLOCK }], PIECE)
      const dir = yield* Payload.temporary
      placeAll(torrent, dir)
      const seen: Array<readonly [number, number]> = []
      const { metainfo } = torrent
      const onProgress = (checked: number, total: number) => void seen.push([checked, total])
      yield* Effect.provide(DataVerifier.verify({ metainfo, dir, onProgress }), PieceHasher.layerHere)
      assert.isAbove(seen.length, 1)
      assert.deepStrictEqual(seen.at(-1), [300 * BLOCK, 300 * BLOCK])
      seen.forEach(([checked], i) => i > 0 && assert.isAbove(checked, seen[i - 1]![0]))
    }))
})
