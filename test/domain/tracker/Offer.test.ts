import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as InfoHash from "../../../src/domain/InfoHash.ts"
import * as InfoHashV2 from "../../../src/domain/InfoHashV2.ts"
import type * as Listing from "../../../src/domain/tracker/Listing.ts"
import * as Offer from "../../../src/domain/tracker/Offer.ts"
import { int, textOf } from "../generators.ts"

const infoHash = InfoHash.parse("0123456789abcdef0123456789abcdef01234567")!

const offer = Arbitrary.all({
  name: textOf(["a", "\"", "\\", "\u2028", "ü", "<"], 1, 8),
  size: int(0, 2 ** 50),
  publishedAt: int(0, 2 ** 53 - 1),
  lastSeedAt: int(0, 2 ** 53 - 1),
  seeders: int(0, 99)
}).pipe(Arbitrary.map(({ lastSeedAt, name, publishedAt, seeders, size }) =>
  Offer.make(
    { infoHash, name, size, files: 3, publishedAt },
    { seeders, leechers: 2, completed: 1, lastSeedAt: seeders % 2 === 0 ? lastSeedAt : undefined }
  )
))

describe("offers", () => {
  it.prop("come back from their JSON", [Arbitrary.array(offer, { minLength: 0, maxLength: 3 })], ([offers]) => {
    assert.deepStrictEqual(Offer.decodeAll(Offer.encodeAll(offers)), offers)
  })

  it("say what is known", () => {
    const counts = { seeders: 1, leechers: 2, completed: 3, lastSeedAt: 1_700_000_000_000 }
    const made = Offer.make({ infoHash, name: "n", size: 5, files: 6, publishedAt: 0 }, counts)
    assert.deepStrictEqual(made, {
      infoHash,
      infoHashV2: null,
      name: "n",
      size: 5,
      files: 6,
      seeds: 1,
      leeches: 2,
      completed: 3,
      lastSeen: "2023-11-14T22:13:20.000Z",
      publishedAt: "1970-01-01T00:00:00.000Z"
    })
    assert.strictEqual(Offer.infoHashOf(made), infoHash)
  })

  it("tell of what hashes a torrent has", () => {
    const infoHashV2 = InfoHashV2.parse("ab".repeat(32))!
    const counts = { seeders: 0, leechers: 0, completed: 0, lastSeedAt: undefined }
    const offer = (listing: Pick<Listing.Listing, "infoHash" | "infoHashV2">) =>
      Offer.make({ ...listing, name: "n", size: 5, files: 6, publishedAt: 0 }, counts)
    const { infoHashV2: _, ...old } = offer({ infoHash })
    const hashes = [
      [offer({ infoHash }), infoHash, undefined],
      [old, infoHash, undefined],
      [offer({ infoHash, infoHashV2 }), infoHash, infoHashV2],
      [offer({ infoHash: InfoHash.truncate(infoHashV2), infoHashV2 }), undefined, infoHashV2]
    ] as const
    for (const [made, infoHashV1, infoHashV2] of hashes) {
      const [read] = Offer.decodeAll(JSON.stringify([made]))!
      assert.deepStrictEqual(Offer.hashesOf(read!), { infoHashV1, infoHashV2 })
    }
  })

  it("are nothing else", () => {
    const good = Offer.make({ infoHash, name: "n", size: 5, files: 6, publishedAt: 0 }, {
      seeders: 0,
      leechers: 0,
      completed: 0,
      lastSeedAt: undefined
    })
    const wrong: ReadonlyArray<unknown> = [
      { ...good, infoHash: "../../etc/passwd" },
      { ...good, infoHash: infoHash.toUpperCase() },
      { ...good, infoHashV2: "ab" },
      { ...good, size: -1 },
      { ...good, seeds: 1.5 },
      { ...good, lastSeen: "yesterday" },
      { ...good, name: undefined },
      "text"
    ]
    assert.isDefined(Offer.decodeAll(JSON.stringify([good])))
    for (const one of wrong) assert.isUndefined(Offer.decodeAll(JSON.stringify([one])), JSON.stringify(one))
    for (const text of ["", "{}", "<html>", "[", "null"]) assert.isUndefined(Offer.decodeAll(text), text)
  })
})
