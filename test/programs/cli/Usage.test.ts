import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as CliOutput from "effect/cli/CliOutput"
import type * as HelpDoc from "effect/cli/HelpDoc"
import * as Effect from "effect/Effect"
import * as Commands from "../../../src/programs/cli/Commands.ts"
import * as Format from "../../../src/programs/cli/Format.ts"
import { runWith } from "../../../src/programs/cli/Main.ts"
import * as Usage from "../../../src/programs/cli/Usage.ts"

/** What `--help` shows, before it is laid out. */
const docs = Effect.gen(function*() {
  const docs: Array<HelpDoc.HelpDoc> = []
  const presenter = CliOutput.layerPresenter({
    present: (event) => Effect.sync(() => void (event._tag === "Help" && docs.push(event.helpDoc)))
  })
  const ask = [
    runWith(Commands.leech, ["--help"], Effect.never),
    runWith(Commands.create, ["--help"], Effect.never),
    runWith(Commands.tracker, ["--help"], Effect.never)
  ]
  for (const asking of ask) yield* Effect.ignore(Effect.provide(asking, [NodeServices.layer, presenter]))
  assert.strictEqual(docs.length, ask.length)
  return docs
})

const words = (help: string): ReadonlyArray<string> => help.split(/[\s#]+/)

/** Lines that are one word, an example to be copied, or narrow enough. */
const isFit = (columns: number) => (line: string, at: number, lines: ReadonlyArray<string>): boolean =>
  Format.width(line) <= columns || !line.trim().includes(" ") || lines[at - 1]!.startsWith("  # ")

describe("help", () => {
  it.effect("keeps every description on the line of its flag where there is no terminal", () =>
    Effect.gen(function*() {
      const [leech] = yield* docs
      assert.match(Usage.help(leech!), /^ {2}--listen-port, -p N {13}the port to listen on, [^\n]{40,}6881-6889\)$/m)
    }))

  it.effect("says the same on a terminal, and is no wider than that", () =>
    Effect.gen(function*() {
      for (const doc of yield* docs) {
        for (const columns of [200, 100, 79, 64, 49, 30]) {
          const help = Usage.help(doc, columns)
          assert.deepStrictEqual(words(help), words(Usage.help(doc)))
          const lines = help.split("\n")
          assert.deepStrictEqual(lines.filter((...line) => !isFit(columns)(...line)), [])
          assert.deepStrictEqual(lines.filter((line) => line.endsWith(" ")), [])
        }
      }
    }))

  it.effect("goes on below a description, or has all of them below their flags", () =>
    Effect.gen(function*() {
      const [leech] = yield* docs
      const beside = `
  --listen-port, -p N             the port to listen on, 0 for any (default:
                                  the first free one of 6881-6889)
`
      const below = `
  --listen-port, -p N
      the port to listen on, 0 for any (default:
      the first free one of 6881-6889)
`
      assert.include(Usage.help(leech!, 79), beside)
      assert.include(Usage.help(leech!, 49), below)
      assert.include(Usage.help(leech!, 49), "\n  --no-tracker\n      ask no tracker at all\n")
      assert.include(Usage.help(leech!, 49), "\n   13  a file in the way is not this torrent's\n")
      const comment = "\n  # fetch into a folder; the same again goes on\n  # after a break\n"
      assert.include(Usage.help(leech!, 49), comment)
    }))
})
