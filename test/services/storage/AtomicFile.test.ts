import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Bytes from "../../../src/domain/Bytes.ts"
import * as AtomicFile from "../../../src/services/storage/AtomicFile.ts"
import { codeOf } from "../../../src/services/storage/FileStoreError.ts"
import { temporary } from "../../support/payload.ts"

describe("AtomicFile", () => {
  it.live("puts chunks end to end in the place of what was there", () =>
    Effect.gen(function*() {
      const file = path.join(yield* temporary, "file")
      for (const words of [["a longer ", "text ", "of old"], ["new"], []]) {
        yield* Effect.promise(() => AtomicFile.replace(file, words.map(Bytes.fromUtf8).values()))
        assert.strictEqual(fs.readFileSync(file, "utf8"), words.join(""))
        assert.strictEqual(fs.statSync(file).mode & 0o777, 0o600)
        assert.deepStrictEqual(fs.readdirSync(path.dirname(file)), ["file"])
      }
    }).pipe(Effect.scoped))

  it.live("leaves the old file when not all chunks can be made", () =>
    Effect.gen(function*() {
      const file = path.join(yield* temporary, "file")
      fs.writeFileSync(file, "old")
      const chunks = function*() {
        yield Bytes.fromUtf8("half of the n")
        throw new Error("no more")
      }
      const cause = yield* Effect.flip(Effect.tryPromise(() => AtomicFile.replace(file, chunks())))
      assert.include(String(cause.cause), "no more")
      assert.strictEqual(fs.readFileSync(file, "utf8"), "old")
    }).pipe(Effect.scoped))

  it.live("publishes with the usual permissions, or those it is told", () =>
    Effect.gen(function*() {
      const file = path.join(yield* temporary, "file")
      const modeAfter = (mode?: number) =>
        Effect.map(
          Effect.promise(() => AtomicFile.publish(file, Bytes.fromUtf8("x"), true, mode)),
          () => fs.statSync(file).mode & 0o777
        )
      assert.strictEqual(yield* modeAfter(), 0o666 & ~process.umask())
      assert.strictEqual(yield* modeAfter(0o646), 0o646)
      assert.strictEqual(yield* modeAfter(0o400), 0o400)
      assert.deepStrictEqual(fs.readdirSync(path.dirname(file)), ["file"])
    }).pipe(Effect.scoped))

  it.live("publishes a file under a new name, and over another one only when told", () =>
    Effect.gen(function*() {
      const folder = yield* temporary
      const file = path.join(folder, "file")
      const publish = (text: string, overwrite: boolean) =>
        Effect.tryPromise(() => AtomicFile.publish(file, Bytes.fromUtf8(text), overwrite))
      yield* publish("first", false)
      assert.strictEqual(fs.readFileSync(file, "utf8"), "first")
      assert.strictEqual(fs.statSync(file).mode & 0o777, 0o666 & ~process.umask())
      const refused = yield* Effect.flip(publish("second", false))
      assert.strictEqual(codeOf(refused.cause), "EEXIST")
      assert.strictEqual(fs.readFileSync(file, "utf8"), "first")
      yield* publish("third", true)
      assert.strictEqual(fs.readFileSync(file, "utf8"), "third")
      assert.deepStrictEqual(fs.readdirSync(folder), ["file"])
    }).pipe(Effect.scoped))

  it.live("publishes nothing where a folder is in the way, and leaves nothing behind", () =>
    Effect.gen(function*() {
      const folder = yield* temporary
      fs.mkdirSync(path.join(folder, "file"))
      for (const overwrite of [false, true]) {
        yield* Effect.flip(
          Effect.tryPromise(() => AtomicFile.publish(path.join(folder, "file"), Bytes.empty, overwrite))
        )
        assert.deepStrictEqual(fs.readdirSync(folder), ["file"])
      }
    }).pipe(Effect.scoped))

  it.live("publishes beside what a killed process with its id has left", () =>
    Effect.gen(function*() {
      const folder = yield* temporary
      const left = [0, 1].map((n) => `.freshet-${process.pid}-${n}.new`)
      for (const name of left) fs.writeFileSync(path.join(folder, name), "half")
      yield* Effect.promise(() => AtomicFile.publish(path.join(folder, "file"), Bytes.fromUtf8("x"), false))
      assert.deepStrictEqual(fs.readdirSync(folder).sort(), [...left, "file"])
      for (const name of left) assert.strictEqual(fs.readFileSync(path.join(folder, name), "utf8"), "half")
    }).pipe(Effect.scoped))
})
