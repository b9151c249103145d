/** How a run ends, what the trackers hear of it, and what the next one finds. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import type * as http from "node:http"
import * as path from "node:path"
import * as HttpTracker from "../support/httpTracker.ts"
import * as Payload from "../support/payload.ts"
import * as Programs from "../support/programs.ts"
import { publish, wrongFiles } from "../support/published.ts"
import * as RawPeer from "../support/rawPeer.ts"
import { leech, placeIn } from "../support/stage.ts"

const KIB = 1024
const BLOCK = 16 * KIB
const PIECE = 4 * BLOCK

const SPECS = [{ length: 5 * PIECE }, { length: 3 * PIECE - 1 }]

const stageWith = Effect.fnUntraced(function*(hangs: ReadonlySet<string> = new Set()) {
  const tracker = yield* HttpTracker.make(hangs)
  const torrent = publish(SPECS, PIECE, { trackers: [[tracker.url]] })
  return { tracker, torrent, place: placeIn(yield* Payload.temporary, torrent) }
})

const events = (tracker: HttpTracker.HttpTracker): Array<string> => tracker.announces.map(({ event }) => event)

const isAnswered = (record: { readonly type: string }): boolean => record.type === "tracker"

/** Gives away blocks until it has given so many, then nothing more. */
const stingy = Effect.fnUntraced(function*(torrent: ReturnType<typeof publish>, blocks: number) {
  const given = new Set<string>()
  let onLast = () => {}
  const peer = yield* RawPeer.listen(
    torrent.metainfo.infoHash,
    RawPeer.seed(torrent, {
      answer: (piece, begin, right) => {
        if (given.size === blocks) return undefined
        given.add(`${piece}/${begin}`)
        if (given.size === blocks) queueMicrotask(() => onLast())
        return right
      }
    })
  )
  const allGiven = Effect.callback<void>((resume) => {
    onLast = () => resume(Effect.void)
    if (given.size === blocks) onLast()
  })
  /** The other end has taken all blocks: it answers what was sent after them. */
  const taken = Effect.gen(function*() {
    yield* allGiven
    const wire = yield* peer.wire
    const unchoked = wire.next(RawPeer.Id.unchoke)
    wire.send(RawPeer.interested)
    yield* unchoked
  })
  return { address: peer.address, given, taken }
})

describe("a signal", () => {
  for (
    const [signal, what, hangs] of [
      ["SIGINT", "", []],
      ["SIGTERM", ", even if the tracker does not answer", ["stopped"]]
    ] as const
  ) {
    it.live(`${signal} ends a download soon, and nothing that came is lost${what}`, () =>
      Effect.gen(function*() {
        const { place, torrent, tracker } = yield* stageWith(new Set(hangs))
        const source = yield* stingy(torrent, 10)
        const running = yield* leech(place, [source.address])
        yield* running.until(isAnswered)
        yield* source.taken
        yield* running.until(Programs.isLanded, 2)
        const before = performance.now()
        yield* running.kill(signal)
        const ended = yield* running.ended
        assert.isBelow(performance.now() - before, 3000)
        assert.deepStrictEqual([ended.code, ended.err], [7, ""])
        assert.strictEqual(Programs.summaryOf(ended).exitCode, 7)
        assert.deepStrictEqual(events(tracker), ["started", "stopped"])

        const asked: Array<string> = []
        const whole = yield* RawPeer.listen(
          torrent.metainfo.infoHash,
          RawPeer.seed(torrent, {
            answer: (piece, begin, right) => {
              asked.push(`${piece}/${begin}`)
              return right
            }
          })
        )
        const next = yield* (yield* leech(place, [whole.address], "--no-tracker")).ended
        assert.strictEqual(next.code, 0, next.err)
        assert.deepStrictEqual(wrongFiles(torrent, place.dir), [])
        assert.deepStrictEqual(asked.filter((block) => source.given.has(block)), [])
        assert.deepStrictEqual(next.records.filter(({ type }) => type === "checking"), [])
      }))
  }

  it.live("ends a leech that has everything, and all is well", () =>
    Effect.gen(function*() {
      const { place, torrent, tracker } = yield* stageWith()
      const source = yield* RawPeer.listen(torrent.metainfo.infoHash, RawPeer.seed(torrent))
      const running = yield* leech(place, [source.address], "--keep-seeding")
      yield* running.until(({ type }) => type === "complete")
      yield* tracker.heard("started")
      yield* running.kill("SIGTERM")
      const ended = yield* running.ended
      assert.deepStrictEqual([ended.code, ended.err], [0, ""])
      assert.deepStrictEqual(wrongFiles(torrent, place.dir), [])
    }))
})

describe("a reader of stdout that goes away", () => {
  it.live("ends the program as a signal would", () =>
    Effect.gen(function*() {
      const { place, torrent, tracker } = yield* stageWith()
      const source = yield* stingy(torrent, 6)
      const running = yield* leech(place, [source.address])
      yield* running.until(isAnswered)
      yield* running.hangUp
      const ended = yield* running.ended
      assert.deepStrictEqual([ended.code, ended.err], [7, ""])
      assert.deepStrictEqual(events(tracker), ["started", "stopped"])
    }))
})

describe("trackers", () => {
  it.live("hear once that a download is complete, and not before", () =>
    Effect.gen(function*() {
      const { place, torrent, tracker } = yield* stageWith()
      const held: Array<() => void> = []
      let isOpen = false
      const source = yield* RawPeer.listen(torrent.metainfo.infoHash, (wire) => {
        const open = () => RawPeer.seed(torrent)(wire)
        if (isOpen) open()
        else held.push(open)
      })
      const first = yield* leech(place, [source.address], "--select-file=1")
      yield* first.until(isAnswered)
      isOpen = true
      yield* source.wire
      for (const open of held.splice(0)) open()
      assert.strictEqual((yield* first.ended).code, 0)
      assert.deepStrictEqual(events(tracker), ["started", "stopped"], "a part of the files")

      isOpen = false
      const second = yield* leech(place, [source.address])
      yield* second.until(isAnswered)
      isOpen = true
      for (const open of held) open()
      assert.strictEqual((yield* second.ended).code, 0)
      assert.deepStrictEqual(events(tracker).slice(2), ["started", "completed", "stopped"], "all files")
      assert.strictEqual(tracker.announces[3]!.query.get("left"), "0")

      const third = yield* leech(place, [], "--seed-time=0.02")
      yield* third.until(isAnswered)
      assert.strictEqual((yield* third.ended).code, 0)
      assert.deepStrictEqual(events(tracker).slice(5), ["started", "stopped"], "nothing left")
    }))
})

describe("trackers in trouble", () => {
  const endless: http.RequestListener = (_request, response) => {
    const more = () => {
      while (response.write(Buffer.alloc(65_536, "d")));
    }
    response.on("drain", more)
    more()
  }
  for (
    const [what, listener, fails] of [
      ["hangs", () => {}, false],
      ["talks nonsense", (_request, response) => response.end("<html>"), true],
      ["talks without end", endless, true],
      ["hangs up", (request) => request.socket.destroy(), true],
      ["refuses", (_request, response) => response.end("d14:failure reason2:noe"), true]
    ] satisfies ReadonlyArray<readonly [string, http.RequestListener, boolean]>
  ) {
    it.live(`do not keep a download from its end: one that ${what}`, () =>
      Effect.gen(function*() {
        const url = `${yield* HttpTracker.serveWeb(listener)}/announce`
        const torrent = publish(SPECS, PIECE, { trackers: [[url]] })
        const place = placeIn(yield* Payload.temporary, torrent)
        const held: Array<() => void> = []
        const source = yield* RawPeer.listen(torrent.metainfo.infoHash, (wire) => {
          held.push(() => RawPeer.seed(torrent)(wire))
        })
        const running = yield* leech(place, [source.address])
        if (fails) yield* running.until((record) => record.type === "tracker" && record.state === "failed")
        yield* source.wire
        for (const open of held) open()
        yield* running.until(({ type }) => type === "complete")
        const before = performance.now()
        const ended = yield* running.ended
        assert.isBelow(performance.now() - before, 3000)
        assert.deepStrictEqual([ended.code, ended.err], [0, ""])
        assert.deepStrictEqual(wrongFiles(torrent, place.dir), [])
      }))
  }
})

describe("a leech", () => {
  it.live("gives up when nothing comes for --stop-timeout", () =>
    Effect.gen(function*() {
      const { place, torrent } = yield* stageWith()
      const source = yield* stingy(torrent, 6)
      const ended = yield* (yield* leech(place, [source.address], "--stop-timeout=1")).ended
      assert.strictEqual(ended.code, 2)
      assert.match(ended.err, Programs.ONE_LINE)
    }))

  it.live("runs the program of --on-complete, and tells it about the torrent", () =>
    Effect.gen(function*() {
      const { place, torrent } = yield* stageWith()
      const source = yield* RawPeer.listen(torrent.metainfo.infoHash, RawPeer.seed(torrent))
      const told = path.join(place.state, "told.json")
      const script = path.join(path.dirname(place.dir), "hook.mjs")
      fs.writeFileSync(
        script,
        `import fs from "node:fs"; fs.writeFileSync(process.argv[2], JSON.stringify(process.env))`
      )
      const hook = `--on-complete="${process.execPath}" '${script}' '${told}'`
      assert.strictEqual((yield* (yield* leech(place, [source.address], hook)).ended).code, 0)
      const env: Record<string, string> = JSON.parse(fs.readFileSync(told, "utf8"))
      assert.strictEqual(env["TR_TORRENT_DIR"], place.dir)
      assert.strictEqual(env["TR_TORRENT_HASH"], torrent.metainfo.infoHash)
      assert.strictEqual(env["TR_TORRENT_NAME"], torrent.metainfo.name)
      assert.strictEqual(env["TR_TORRENT_BYTES_DOWNLOADED"], String(torrent.payload.length))
    }))

  it.live("stays until --seed-ratio is reached", () =>
    Effect.gen(function*() {
      const { place, torrent } = yield* stageWith()
      const { infoHash, layout } = torrent.metainfo
      const source = yield* RawPeer.listen(infoHash, RawPeer.seed(torrent))
      const taker = yield* RawPeer.listen(infoHash, (wire) => {
        wire.send(RawPeer.bitfieldOf(layout.pieces, () => false))
        wire.send(RawPeer.interested)
      })
      const running = yield* leech(place, [source.address, taker.address], "--seed-ratio=0.25")
      const wire = yield* taker.wire
      yield* wire.next(RawPeer.Id.unchoke)
      yield* running.until(({ type }) => type === "complete")
      for (let piece = 0; piece < 2; piece++) {
        for (let begin = 0; begin < PIECE; begin += BLOCK) yield* RawPeer.fetchBlock(wire, piece, begin, BLOCK)
      }
      const ended = yield* running.ended
      assert.strictEqual(ended.code, 0, ended.err)
      assert.strictEqual(Programs.summaryOf(ended).uploaded, 2 * PIECE)
    }))

  it.live("stays for --seed-time", () =>
    Effect.gen(function*() {
      const { place, torrent } = yield* stageWith()
      const source = yield* RawPeer.listen(torrent.metainfo.infoHash, RawPeer.seed(torrent))
      const ended = yield* (yield* leech(place, [source.address], "--seed-time=0.02")).ended
      assert.strictEqual(ended.code, 0, ended.err)
      const complete = ended.records.find(({ type }) => type === "complete")!
      const end = Programs.summaryOf(ended).time - complete.time
      assert.isAtLeast(end, 1150)
      assert.isBelow(end, 5000)
    }))
})
