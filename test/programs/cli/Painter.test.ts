import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { stripVTControlCharacters } from "node:util"
import * as Format from "../../../src/programs/cli/Format.ts"
import * as Painter from "../../../src/programs/cli/Painter.ts"
import { hostileText } from "../../domain/hostile.ts"

const MIB = 1024 * 1024

const sample: Painter.Status = {
  phase: "downloading",
  name: "sample.bin",
  checked: 0,
  done: 18.3 * MIB,
  total: 48 * MIB,
  downRate: 4.5 * MIB,
  upRate: 0,
  downloaded: 18.3 * MIB,
  uploaded: 0,
  peers: 2,
  seeds: 1,
  etaMs: 5200,
  ratio: 0
}

const PLAIN = { color: false, unicode: true }
const ASCII = { color: false, unicode: false }

const between = (minimum: number, maximum: number) =>
  Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum, maximum })))

const size = between(0, Number.MAX_SAFE_INTEGER)

const PHASES = ["checking", "downloading", "seeding", "stopping"] as const

const statuses = Arbitrary.all({
  phase: between(0, PHASES.length - 1),
  name: hostileText,
  checked: size,
  done: size,
  total: size,
  downRate: size,
  upRate: size,
  downloaded: size,
  uploaded: size,
  peers: between(0, 99_999),
  seeds: between(0, 99_999),
  etaMs: Arbitrary.schema(Schema.UndefinedOr(Schema.Natural)),
  ratio: between(0, 99_999)
}).pipe(Arbitrary.map((drawn): Painter.Status => ({
  ...drawn,
  phase: PHASES[drawn.phase]!,
  done: Math.min(drawn.done, drawn.total),
  checked: Math.min(drawn.checked, drawn.total)
})))

const bit = between(0, 1).pipe(Arbitrary.map((n) => n === 1))

const scenes = {
  status: statuses,
  width: between(20, 300),
  style: Arbitrary.all({ color: bit, unicode: bit })
}

const USUAL_WIDTHS = [20, 30, 40, 41, 50, 60, 80, 100, 120]

const FOREIGN = /[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/u

const ESC = "\x1b"

const OWN_COLORS = new RegExp(`${ESC}\\[(0|32|33|36)m`, "g")

const recorder = (isTTY: boolean) => {
  const written: Array<string> = []
  const screen = new Painter.Screen({ write: (text) => written.push(text), isTTY, columns: () => 80 })
  return { screen, written }
}

describe("render", () => {
  it("shows everything where there is room", () => {
    assert.strictEqual(
      Painter.render(sample, 120, PLAIN),
      "sample.bin  ▕█████████▏              ▏ 38.1%  18.3/48.0 MiB  ↓4.5 MiB/s ↑0 B/s  peers 2 (1 seed)  ETA 6s"
    )
    assert.strictEqual(
      Painter.render(sample, 120, ASCII),
      "sample.bin  [#########...............] 38.1%  18.3/48.0 MiB  D:4.5 MiB/s U:0 B/s  peers 2 (1 seed)  ETA 6s"
    )
  })

  it("leaves out the bar, then seeds, peers, time left and sizes, and shortens the name at last", () => {
    const widths = [120, 104, 103, 92, 91, 77, 76, 68, 67, 59, 58, 51, 50, 36, 35, 30, 29, 24]
    assert.deepStrictEqual([...new Set(widths.map((width) => Painter.render(sample, width, PLAIN)))], [
      "sample.bin  ▕█████████▏              ▏ 38.1%  18.3/48.0 MiB  ↓4.5 MiB/s ↑0 B/s  peers 2 (1 seed)  ETA 6s",
      "sample.bin  ▕████▌       ▏ 38.1%  18.3/48.0 MiB  ↓4.5 MiB/s ↑0 B/s  peers 2 (1 seed)  ETA 6s",
      "sample.bin  38.1%  18.3/48.0 MiB  ↓4.5 MiB/s ↑0 B/s  peers 2 (1 seed)  ETA 6s",
      "sample.bin  38.1%  18.3/48.0 MiB  ↓4.5 MiB/s ↑0 B/s  peers 2  ETA 6s",
      "sample.bin  38.1%  18.3/48.0 MiB  ↓4.5 MiB/s ↑0 B/s  ETA 6s",
      "sample.bin  38.1%  18.3/48.0 MiB  ↓4.5 MiB/s ↑0 B/s",
      "sample.bin  38.1%  ↓4.5 MiB/s ↑0 B/s",
      "sample.b…  38.1%  ↓4.5 MiB/s ↑0 B/s",
      "sam…  38.1%  ↓4.5 MiB/s ↑0 B/s",
      "38.1%  ↓4.5 MiB/s ↑0 B/s"
    ])
  })

  it("has room for the longest numbers in 40 columns", () => {
    const worst = { ...sample, done: sample.total - 1, downRate: 999 * MIB, upRate: 999 * MIB, ratio: 1e6 }
    assert.strictEqual(
      Painter.render({ ...worst, phase: "stopping" }, 40, ASCII),
      "sampl...  99.9%  D:999 MiB/s U:999 MiB/s"
    )
    assert.strictEqual(
      Painter.render({ ...worst, phase: "seeding" }, 40, ASCII),
      "seeding  99.9%  ratio >999  U:999 MiB/s"
    )
  })

  it("keeps the details and shortens a long name", () => {
    const line = Painter.render({ ...sample, name: "n".repeat(500) }, 120, PLAIN)
    assert.strictEqual(Format.width(line), 120)
    assert.include(line, "n…  ▕███")
  })

  it("tells how fast the hashing is, and what is left of it, once that is known", () => {
    const hashing = { ...sample, phase: "hashing", checked: 29.72 * MIB, checkRate: 9.9 * MIB, etaMs: 1900 } as const
    assert.strictEqual(
      Painter.render(hashing, 100, PLAIN),
      "sample.bin  ▕██████████████▊         ▏ hashing 61.9%  29.7/48.0 MiB  9.9 MiB/s  ETA 2s"
    )
  })

  it("tells checking, seeding and stopping apart", () => {
    assert.strictEqual(
      Painter.render({ ...sample, phase: "checking", checked: 29.72 * MIB }, 100, PLAIN),
      "sample.bin  ▕██████████████▊         ▏ checking 61.9%  29.7/48.0 MiB"
    )
    const seeding = { ...sample, phase: "seeding", done: sample.total, upRate: 4.8 * MIB, uploaded: 25 * MIB } as const
    assert.strictEqual(
      Painter.render({ ...seeding, ratio: 0.525 }, 100, PLAIN),
      "sample.bin  seeding  ratio 0.52  ↑4.8 MiB/s (25.0 MiB)  peers 2 (1 seed)"
    )
    assert.strictEqual(
      Painter.render({ ...seeding, done: 1, ratio: Infinity, peers: 1, seeds: 0 }, 100, PLAIN),
      "sample.bin  seeding  0.0%  ratio inf  ↑4.8 MiB/s (25.0 MiB)  peers 1"
    )
    assert.match(
      Painter.render({ ...sample, phase: "stopping" }, 80, PLAIN),
      /^sample\.bin {2}stopping {2}38\.1% .*seed\)$/
    )
  })

  it("fills the bar when all is there and not before", () => {
    const almost = Painter.render({ ...sample, done: sample.total - 1 }, 120, PLAIN)
    assert.include(almost, `▕${"█".repeat(23)}▉▏ 99.9%`)
    assert.include(Painter.render({ ...sample, done: sample.total }, 120, PLAIN), `▕${"█".repeat(24)}▏  100%`)
  })

  it("colors as aria2 does", () => {
    const line = Painter.render(sample, 80, { color: true, unicode: true })
    assert.include(line, "\x1b[36m38.1%\x1b[0m")
    assert.include(line, "\x1b[32m↓4.5 MiB/s\x1b[0m \x1b[36m↑0 B/s\x1b[0m")
    assert.include(line, "ETA \x1b[33m6s\x1b[0m")
    assert.strictEqual(stripVTControlCharacters(line), Painter.render(sample, 80, PLAIN))
  })

  it.prop("is never wider than the terminal", scenes, ({ status, style, width }) => {
    for (const columns of [...USUAL_WIDTHS, width]) {
      assert.isAtMost(Format.width(stripVTControlCharacters(Painter.render(status, columns, style))), columns)
    }
  }, { arbitrary: { runs: 500 } })

  it.prop("lets nothing foreign move the cursor", scenes, ({ status, style, width }) => {
    const line = Painter.render(status, width, style)
    assert.notMatch(style.color ? line.replace(OWN_COLORS, "") : line, FOREIGN)
    if (!style.unicode) assert.match(line.replace(OWN_COLORS, ""), /^[\x20-\x7e]*$/)
  }, { arbitrary: { runs: 500 } })

  it.prop("always tells the percent and the rates from 40 columns on", scenes, ({ status, style, width }) => {
    const { checked, done, downRate, phase, total, upRate } = status
    for (const columns of [...USUAL_WIDTHS, width]) {
      if (columns < 40) continue
      const line = stripVTControlCharacters(Painter.render(status, columns, style))
      if (phase === "checking") {
        assert.include(line, `checking ${Format.percent(checked, total)}`)
        continue
      }
      assert.include(line, `${style.unicode ? "↑" : "U:"}${Format.rate(upRate)}`)
      if (phase === "seeding") continue
      assert.include(line, `${Format.percent(done, total)}  `)
      assert.include(line, `${style.unicode ? "↓" : "D:"}${Format.rate(downRate)}`)
    }
  }, { arbitrary: { runs: 500 } })
})

describe("summary", () => {
  const outcome: Painter.Outcome = {
    name: "sample.bin",
    path: "/home/me/sample.bin",
    done: 48 * MIB,
    total: 48 * MIB,
    downloaded: 48 * MIB,
    uploaded: 24 * MIB,
    ratio: 0.5,
    downloadMs: 10_000,
    elapsedMs: 60_000
  }

  it("tells bytes, mean rates, ratio, time and place", () => {
    assert.strictEqual(
      Painter.summary(outcome),
      "sample.bin: complete, downloaded 48.0 MiB in 10s (4.8 MiB/s), uploaded 24.0 MiB (410 KiB/s), ratio 0.50, " +
        "1m00s in all\nsaved in /home/me/sample.bin"
    )
  })

  it("says how many of the files are complete, when not all were wanted", () => {
    const some = { ...outcome, files: { chosen: 1, all: 3 } }
    assert.match(Painter.summary(some), /^sample\.bin: 1 of 3 files complete, downloaded 48/)
    assert.match(Painter.summary({ ...some, done: 0 }), /^sample\.bin: incomplete, 0\.0% of 48/)
  })

  it("does not speak of a download where nothing was missing", () => {
    assert.strictEqual(
      Painter.summary({ ...outcome, downloaded: 0, downloadMs: 0 }),
      "sample.bin: complete, uploaded 24.0 MiB (410 KiB/s), ratio 0.50, 1m00s in all\nit lies in /home/me/sample.bin"
    )
  })

  it("says how to go on", () => {
    const stopped = { ...outcome, done: 12 * MIB, downloaded: 0, uploaded: 0, ratio: 0, name: "a\x1bc" }
    assert.strictEqual(
      Painter.summary(stopped),
      "a\\x1bc: incomplete, 25.0% of 48.0 MiB, downloaded 0 B, uploaded 0 B, ratio 0.00, 1m00s in all\n" +
        "run it again to go on; what is there lies in /home/me/sample.bin"
    )
    const [, nothing] = Painter.summary({ ...stopped, done: 0 }).split("\n")
    assert.strictEqual(nothing, "nothing was fetched yet; run it again to go on")
    const [, little] = Painter.summary({ ...stopped, done: 0, downloaded: 9 }).split("\n")
    assert.strictEqual(little, "no piece of it is whole yet; run it again to go on")
  })
})

describe("Screen", () => {
  it("rewrites one line on a terminal, with notices above it", () => {
    const { screen, written } = recorder(true)
    screen.notice("before")
    screen.paint("10%")
    screen.paint("10%")
    screen.notice("tracker: \x1b[2J\nretry")
    screen.paint("20%")
    screen.done()
    screen.done()
    screen.notice("after")
    assert.deepStrictEqual(written, [
      "before\n",
      "\r\x1b[K10%",
      "\r\x1b[Ktracker: \\x1b[2J\nretry\n10%",
      "\r\x1b[K20%",
      "\n",
      "after\n"
    ])
    assert.strictEqual(screen.width, 79)
  })

  it("keeps the cursor on the first of two lines, where others may write", () => {
    const { screen, written } = recorder(true)
    screen.paint("10%", "stalled")
    screen.paint("10%", "stalled")
    screen.notice("retry")
    screen.paint("20%")
    screen.paint("20%", "stalled")
    screen.clear()
    screen.paint("30%", "stalled")
    screen.done()
    assert.deepStrictEqual(written, [
      "\r\x1b[K10%\nstalled\x1b[A\r",
      "\r\x1b[Jretry\n10%\nstalled\x1b[A\r",
      "\r\x1b[J20%",
      "\r\x1b[K20%\nstalled\x1b[A\r",
      "\r\x1b[J",
      "\r\x1b[K30%\nstalled\x1b[A\r",
      "\n\n"
    ])
  })

  it("breaks a long notice between words, and prints it whole elsewhere", () => {
    const notice = `${"word ".repeat(20)}/a/${"long".repeat(30)}/path end`
    const [terminal, file] = [recorder(true), recorder(false)]
    terminal.screen.notice(notice)
    file.screen.notice(notice)
    const path = `/a/${"long".repeat(30)}/path`
    const lines = ["word ".repeat(16).slice(0, 79), `  ${"word ".repeat(4).trim()}`, `  ${path}`, "  end", ""]
    assert.strictEqual(terminal.written.join(""), lines.join("\n"))
    assert.strictEqual(file.written.join(""), `${notice}\n`)
  })

  it("prints plain lines elsewhere", () => {
    const { screen, written } = recorder(false)
    screen.paint("10%")
    screen.notice("retry")
    screen.paint("20%")
    screen.done()
    assert.strictEqual(written.join(""), "10%\nretry\n20%\n")
    assert.strictEqual(screen.width, 80)
  })
})
