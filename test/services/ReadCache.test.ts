import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as ReadCache from "../../src/services/ReadCache.ts"
import { below, int, randomOf, seed } from "../domain/swarm/seeded.ts"
import { noise } from "../support/payload.ts"

const { LINE } = ReadCache

interface Read {
  readonly offset: number
  readonly into: Uint8Array
  readonly done: Deferred.Deferred<void, string>
}

/** A source of random bytes; reads wait for `finish` unless they are `instant`. */
const sourceOf = (length: number, options: { readonly key?: string; readonly instant?: boolean } = {}) => {
  const payload = noise(length, length)
  const reads: Array<Read> = []
  const state = { extent: (_at: number, from: number, to: number): readonly [number, number] => [from, to] }
  const source: ReadCache.Source<string> = {
    key: options.key ?? "source",
    length,
    extent: (at, from, to) => state.extent(at, from, to),
    read: (offset, into) =>
      Effect.suspend(() => {
        const done = Deferred.makeUnsafe<void, string>()
        reads.push({ offset, into, done })
        if (options.instant) into.set(payload.subarray(offset, offset + into.length))
        return options.instant ? Effect.void : Deferred.await(done)
      })
  }
  const finish = (read: Read) => {
    read.into.set(payload.subarray(read.offset, read.offset + read.into.length))
    Deferred.doneUnsafe(read.done, Exit.void)
  }
  return { payload, reads, source, finish, state }
}

const check = (payload: Uint8Array, line: ReadCache.Line<string>, from: number, to: number) => {
  const bytes = line.buffer.subarray(from - line.from, to - line.from)
  assert.strictEqual(Buffer.compare(bytes, payload.subarray(from, to)), 0)
}

describe("ReadCache", () => {
  it.effect("reads a line once for all who wait, and never again while it is kept", () =>
    Effect.gen(function*() {
      const cache = yield* ReadCache.make<string>()
      const { finish, payload, reads, source } = sourceOf(3 * LINE)
      const a = cache.pin(source, LINE + 5, LINE + 50)
      const b = cache.pin(source, 2 * LINE - 7, 2 * LINE)
      assert.strictEqual(a, b)
      assert.lengthOf(reads, 1)
      assert.strictEqual(reads[0]!.offset, LINE)
      assert.isFalse(a.ready)
      finish(reads[0]!)
      yield* Deferred.await(a.loaded)
      assert.isTrue(b.ready)
      check(payload, a, LINE + 5, 2 * LINE)
      cache.release(a)
      cache.release(b)
      assert.strictEqual(cache.pin(source, LINE, LINE + 1), a)
      assert.lengthOf(reads, 1)
    }))

  it.effect("reads no further than the source goes, and no further than may be read", () =>
    Effect.gen(function*() {
      const cache = yield* ReadCache.make<string>()
      const { finish, payload, reads, source, state } = sourceOf(LINE + 100)
      const last = cache.pin(source, LINE + 10, LINE + 20)
      assert.strictEqual(reads[0]!.into.length, 100)
      finish(reads[0]!)
      yield* Deferred.await(last.loaded)
      check(payload, last, LINE + 10, LINE + 20)
      state.extent = () => [1000, 3000]
      const part = cache.pin(source, 1000, 2000)
      finish(reads[1]!)
      yield* Deferred.await(part.loaded)
      check(payload, part, 1000, 3000)
      state.extent = () => [0, 5000]
      const more = cache.pin(source, 2500, 3500)
      assert.notStrictEqual(more, part)
      assert.notStrictEqual(more.buffer, part.buffer)
      finish(reads[2]!)
      yield* Deferred.await(more.loaded)
      check(payload, more, 0, 5000)
      check(payload, part, 1000, 3000)
      cache.release(part)
      assert.strictEqual(cache.pin(source, 1000, 2000), more)
    }))

  it.effect("forgets a failed read, tells all who wait, and tries again for the next", () =>
    Effect.gen(function*() {
      const cache = yield* ReadCache.make<string>()
      const { finish, payload, reads, source } = sourceOf(LINE)
      const line = cache.pin(source, 0, 10)
      Deferred.doneUnsafe(reads[0]!.done, Exit.fail("broken"))
      assert.strictEqual(yield* Effect.flip(Deferred.await(line.loaded)), "broken")
      assert.isFalse(line.ready)
      const again = cache.pin(source, 0, 10)
      assert.notStrictEqual(again, line)
      finish(reads[1]!)
      yield* Deferred.await(again.loaded)
      check(payload, again, 0, 10)
    }))

  it.effect("does so, too, when the source answers at once", () =>
    Effect.gen(function*() {
      const cache = yield* ReadCache.make<string>()
      const { payload, source } = sourceOf(4 * LINE, { instant: true })
      const lines = [0, 1, 2, 3].map((i) => cache.pin(source, i * LINE, i * LINE + 1))
      assert.strictEqual(new Set(lines.map((line) => line.buffer)).size, 4, "a buffer was lent twice")
      lines.forEach((line, i) => check(payload, line, i * LINE, (i + 1) * LINE))
      let fails = true
      const flaky: ReadCache.Source<string> = {
        ...source,
        key: "flaky",
        read: (offset, into) => Effect.suspend(() => fails ? Effect.fail("broken") : source.read(offset, into))
      }
      const failed = cache.pin(flaky, 0, 1)
      assert.isFalse(failed.ready)
      cache.release(failed)
      fails = false
      const good = cache.pin(flaky, 0, 1)
      assert.isTrue(good.ready)
      check(payload, good, 0, LINE)
    }))

  it.effect("drops the lines of one source, and leaves the pinned ones intact", () =>
    Effect.gen(function*() {
      const cache = yield* ReadCache.make<string>()
      const one = sourceOf(2 * LINE, { key: "a", instant: true })
      const other = sourceOf(LINE, { key: "ab", instant: true })
      const pinned = cache.pin(one.source, 0, 1)
      const free = cache.pin(one.source, LINE, LINE + 1)
      cache.release(free)
      const kept = cache.pin(other.source, 0, 1)
      cache.drop(one.source)
      assert.strictEqual(cache.pin(other.source, 0, 1), kept)
      const anew = cache.pin(one.source, 0, 1)
      assert.notStrictEqual(anew.buffer, pinned.buffer)
      check(one.payload, pinned, 0, LINE)
      assert.lengthOf(one.reads, 3)
    }))

  it.effect.prop("gives the right bytes to all who hold a line, and keeps 64 of the last used", [seed, int(1, 100)], (
    [seed, lines]
  ) =>
    Effect.gen(function*() {
      const random = randomOf(seed)
      const cache = yield* ReadCache.make<string>()
      const instant = random() < 0.5
      const length = lines * 1000
      const { finish, payload, reads, source } = sourceOf(length * LINE / 1000 - below(random, 1000), { instant })
      const held: Array<{ readonly line: ReadCache.Line<string>; readonly from: number; readonly to: number }> = []
      const buffers = new Set<Uint8Array>()
      let finished = 0
      for (let step = 0; step < 300; step++) {
        const dice = random()
        if (dice < 0.5 && held.length < 40) {
          const from = below(random, payload.length)
          const to = Math.min(payload.length, from + 1 + below(random, 1000), from - from % LINE + LINE)
          const line = cache.pin(source, from, to)
          buffers.add(line.buffer)
          held.push({ line, from, to })
        } else if (dice < 0.8 && held.length > 0) {
          const [{ line }] = held.splice(below(random, held.length), 1) as [typeof held[number]]
          cache.release(line)
        } else if (dice < 0.98 && !instant && finished < reads.length) finish(reads[finished++]!)
        else if (dice > 0.99) cache.drop(source)
        for (const { from, line, to } of held) if (line.ready) check(payload, line, from, to)
      }
      assert.isAtMost(buffers.size, 64 + 40 + 64)
    }).pipe(Effect.scoped), { arbitrary: { runs: 10 } })

  it.effect("evicts the line unused for longest, and reads it again when it is wanted", () =>
    Effect.gen(function*() {
      const cache = yield* ReadCache.make<string>()
      const { reads, source } = sourceOf(70 * LINE, { instant: true })
      const touch = (line: number) => cache.release(cache.pin(source, line * LINE, line * LINE + 1))
      for (let line = 0; line < 64; line++) touch(line)
      touch(0)
      touch(64)
      assert.lengthOf(reads, 65)
      touch(0)
      assert.lengthOf(reads, 65)
      touch(1)
      assert.lengthOf(reads, 66)
    }))

  it.effect("ends its reads with the scope", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const cache = yield* Scope.provide(ReadCache.make<string>(), scope)
      const { source } = sourceOf(LINE)
      const line = cache.pin(source, 0, 1)
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(Exit.isFailure(yield* Effect.exit(Deferred.await(line.loaded))))
    }))
})
