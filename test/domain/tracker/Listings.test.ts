import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as InfoHash from "../../../src/domain/InfoHash.ts"
import * as InfoHashV2 from "../../../src/domain/InfoHashV2.ts"
import * as SafePath from "../../../src/domain/SafePath.ts"
import type { Listing } from "../../../src/domain/tracker/Listing.ts"
import { Listings } from "../../../src/domain/tracker/Listings.ts"
import { int, textOf } from "../generators.ts"

const hashOf = (n: number): InfoHash.InfoHash => n.toString(16).padStart(40, "0") as InfoHash.InfoHash

const listing = (name: string, n: number): Listing => ({
  infoHash: hashOf(n),
  name: SafePath.component(name),
  size: n,
  files: 1,
  publishedAt: n
})

const of = (...names: ReadonlyArray<string>): Listings => {
  const listings = new Listings()
  names.forEach((name, n) => listings.add(listing(name, n)))
  return listings
}

const named = (listings: Listings, text: string): Array<number> => listings.named(text).map(({ size }) => size)

describe("a name finds", () => {
  it("the very name before others that differ by case or go on", () => {
    const listings = of("photos", "Photos", "photos 2026", "PHOTOS")
    assert.deepStrictEqual(named(listings, "photos"), [0])
    assert.deepStrictEqual(named(listings, "Photos"), [1])
    assert.deepStrictEqual(named(listings, "pHoToS"), [3, 1, 0])
    assert.deepStrictEqual(named(listings, "photos 2"), [2])
    assert.deepStrictEqual(named(listings, "pho"), [3, 2, 1, 0])
    assert.deepStrictEqual(named(listings, "hotos"), [])
    assert.deepStrictEqual(named(listings, ""), [])
  })

  it("a hybrid by all its hashes, until it is removed", () => {
    const infoHashV2 = InfoHashV2.parse("ab".repeat(32))!
    const truncated = InfoHash.truncate(infoHashV2)
    const listings = of("a", "b")
    listings.add({ ...listing("c", 2), infoHashV2 })
    for (const text of [hashOf(2), truncated, infoHashV2, infoHashV2.toUpperCase()]) {
      assert.deepStrictEqual(named(listings, text), [2])
    }
    assert.deepStrictEqual(listings.search("abababab").map(({ size }) => size), [2])
    assert.strictEqual(listings.get(truncated), listings.get(hashOf(2)))
    listings.remove(truncated)
    assert.isFalse(listings.has(truncated) || listings.has(hashOf(2)))
    assert.strictEqual(listings.count, 2)
  })

  it("all torrents that bear it, the newest first", () => {
    assert.deepStrictEqual(named(of("a", "b", "a", "ab"), "a"), [2, 0])
  })

  it("what is meant, whatever the normal form, and the beginning of a letter with an accent", () => {
    const listings = of("Cafe\u0301.mkv", "Stra\u00dfe")
    assert.deepStrictEqual(named(listings, "caf\u00e9.mkv"), [0])
    assert.deepStrictEqual(named(listings, "STRASSE"), [1])
    assert.deepStrictEqual(named(listings, "cafe"), [0])
  })

  it("a name that was made safe, by how its publisher wrote it", () => {
    const listings = of("a/b\u202ec", "con", "dots...", "console.log")
    assert.deepStrictEqual(named(listings, "a/b\u202ec"), [0])
    assert.deepStrictEqual(named(listings, "con"), [1])
    assert.deepStrictEqual(named(listings, "cons"), [3])
    assert.deepStrictEqual(named(listings, "dots..."), [2])
    assert.deepStrictEqual(named(of("console.log"), "con"), [0])
    for (const [name, beginning] of [["a.txt", "a."], [".profile", "."], ["..a", ".."], ["a/b", "a/"]] as const) {
      assert.deepStrictEqual(named(of(name), beginning), [0], name)
    }
  })

  it("an info hash too, in any case, unless a torrent is called so", () => {
    const listings = of("a", "b")
    listings.add({ ...listing("c", 0xabc), publishedAt: 9 })
    assert.deepStrictEqual(named(listings, hashOf(0xabc).toUpperCase()), [0xabc])
    listings.add(listing(hashOf(0xabc), 7))
    assert.deepStrictEqual(named(listings, hashOf(0xabc)), [7])
  })
})

const name = textOf(["a", "A", "b", "é", "e\u0301", ".", " ", "/", "ß", "\u200b"], 1, 5)
const names = Arbitrary.array(name, { minLength: 1, maxLength: 12 })

describe("for any names", () => {
  it.prop(
    "every one finds its own torrent, and only torrents of that very name",
    [names, int(0, 11)],
    ([names, at]) => {
      const listings = of(...names)
      const wanted = names[at % names.length]!
      const found = listings.named(wanted)
      assert.isTrue(found.some(({ size }) => size === at % names.length))
      for (const { name } of found) assert.strictEqual(name, SafePath.component(wanted))
    }
  )

  it.prop(
    "the beginning of one finds it, or something nearer",
    [names, int(0, 11), int(1, 5)],
    ([names, at, length]) => {
      const listings = of(...names)
      const whole = SafePath.component(names[at % names.length]!)
      const beginning = whole.slice(0, length)
      const fold = SafePath.fold
      const found = listings.named(beginning)
      const isNearer = found.every(({ name }) => fold(name) === fold(SafePath.component(beginning)))
      assert.isTrue(found.some(({ name }) => name === whole) || (found.length > 0 && isNearer))
    }
  )

  it.prop("what is found is in the order of what is listed", [names, name], ([names, text]) => {
    const listings = of(...names)
    const all = listings.all()
    assert.deepStrictEqual(all.map(({ publishedAt }) => publishedAt), names.map((_, n) => n).toReversed())
    for (const found of [listings.named(text), listings.search(text)]) {
      const places = found.map((listing) => all.indexOf(listing))
      assert.deepStrictEqual(places, places.toSorted((a, b) => a - b))
    }
  })
})

describe("a search", () => {
  const found = (listings: Listings, text: string) => listings.search(text).map(({ size }) => size)

  it("finds all words in any order, in any case", () => {
    const listings = of("Debian 13 netinst", "debian live", "Ubuntu 13")
    assert.deepStrictEqual(found(listings, "13 DEB"), [0])
    assert.deepStrictEqual(found(listings, " deb "), [1, 0])
    assert.deepStrictEqual(found(listings, "deb 14"), [])
    assert.deepStrictEqual(found(listings, " "), [2, 1, 0])
  })

  it("finds the beginning of an info hash", () => {
    const listings = of("a")
    listings.add({ ...listing("b", 1), infoHash: "beef".repeat(10) as InfoHash.InfoHash })
    assert.deepStrictEqual(found(listings, "BEEFBEEFB"), [1])
    assert.deepStrictEqual(found(listings, "beef"), [])
  })
})

describe("listings of one moment", () => {
  it("are in the order in which they came", () => {
    const listings = new Listings()
    for (const n of [1, 2, 3]) listings.add({ ...listing("x", n), publishedAt: 5 })
    assert.deepStrictEqual(named(listings, "x"), [3, 2, 1])
  })
})

describe("a listing", () => {
  it("goes, and comes again in its place", () => {
    const listings = of("a", "b")
    listings.remove(hashOf(1))
    assert.deepStrictEqual([listings.count, listings.has(hashOf(1)), listings.get(hashOf(0))?.name], [1, false, "a"])
    listings.add(listing("c", 2))
    listings.add(listing("b", 1))
    assert.deepStrictEqual(listings.all().map(({ name }) => name), ["c", "b", "a"])
  })
})
