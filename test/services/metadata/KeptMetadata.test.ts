import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import * as InfoHash from "../../../src/domain/InfoHash.ts"
import * as InfoHashV2 from "../../../src/domain/InfoHashV2.ts"
import * as KeptMetadata from "../../../src/services/metadata/KeptMetadata.ts"
import * as Payload from "../../support/payload.ts"

const hashesOf = (seed: number) => ({
  infoHashV1: InfoHash.fromBytes(Payload.noise(20, seed + 1)),
  infoHashV2: undefined
})

const document = Payload.noise(1000)

describe("KeptMetadata", () => {
  it.live("gives back what was kept, for the same hash and within the limit", () =>
    Effect.gen(function*() {
      const dir = path.join(yield* Payload.temporary, "state")
      assert.isUndefined(yield* KeptMetadata.load(dir, hashesOf(1), 1000))
      assert.isUndefined(yield* KeptMetadata.save(dir, hashesOf(1), document))
      assert.deepStrictEqual(new Uint8Array((yield* KeptMetadata.load(dir, hashesOf(1), 1000))!), document)
      assert.isUndefined(yield* KeptMetadata.load(dir, hashesOf(2), 1000))
      assert.strictEqual((yield* KeptMetadata.load(dir, hashesOf(1), 999))?.length, 0)
      const second = { infoHashV1: undefined, infoHashV2: InfoHashV2.fromBytes(Payload.noise(32)) }
      assert.isUndefined(yield* KeptMetadata.save(dir, second, document))
      assert.isDefined(yield* KeptMetadata.load(dir, second, 1000))
    }))

  it.live("keeps a bounded number, those last that were used last", () =>
    Effect.gen(function*() {
      const dir = yield* Payload.temporary
      yield* KeptMetadata.save(dir, hashesOf(0), document)
      const folder = path.join(dir, "magnets")
      for (let i = 1; i < 64; i++) {
        yield* KeptMetadata.save(dir, hashesOf(i), document)
        const file = path.join(folder, `${hashesOf(i).infoHashV1}.torrent`)
        fs.utimesSync(file, 1000 + i, 1000 + i)
      }
      yield* KeptMetadata.save(dir, hashesOf(64), document)
      assert.strictEqual(fs.readdirSync(folder).length, 64)
      assert.isUndefined(yield* KeptMetadata.load(dir, hashesOf(1), 1000))
      for (const i of [0, 2, 64]) assert.isDefined(yield* KeptMetadata.load(dir, hashesOf(i), 1000))
    }))

  it.live("says where it cannot", () =>
    Effect.gen(function*() {
      const dir = yield* Payload.temporary
      fs.writeFileSync(path.join(dir, "magnets"), "")
      assert.include(yield* KeptMetadata.save(dir, hashesOf(1), document), "--state-dir")
    }))
})
