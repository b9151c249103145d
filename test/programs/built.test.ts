import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type ChildProcess, spawn } from "node:child_process"
import * as fs from "node:fs"
import type * as http from "node:http"
import * as os from "node:os"
import * as path from "node:path"
import * as Bytes from "../../src/domain/Bytes.ts"
import { serveWeb } from "../support/httpTracker.ts"

const DIST = new URL("../../dist/programs/", import.meta.url).pathname

/** The one that users type, which may be much older than ours: npm puts ours before it in the path. */
const machines = (process.env["PATH"] ?? "").split(path.delimiter)
  .filter((dir) => !dir.includes("node_modules"))
  .map((dir) => path.join(dir, "node"))
  .find((file) => fs.existsSync(file))

const NODES = [process.execPath, ...machines === undefined ? [] : [machines]]

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

const begin = (node: string, program: string, args: ReadonlyArray<string>): ChildProcess =>
  spawn(node, [`${DIST}${program}.js`, ...args], { stdio: ["ignore", "pipe", "pipe"] })

const end = (child: ChildProcess): Effect.Effect<Ended> =>
  Effect.callback((resume) => {
    let out = ""
    let err = ""
    child.stdout?.on("data", (chunk) => out += chunk)
    child.stderr?.on("data", (chunk) => err += chunk)
    child.on("close", (code) => resume(Effect.succeed({ code, out, err })))
  })

const run = (node: string, program: string, ...args: ReadonlyArray<string>) =>
  Effect.suspend(() => end(begin(node, program, args)))

const folder = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "freshet-"))),
  (dir) => Effect.sync(() => fs.rmSync(dir, { recursive: true }))
)

const oneLine = /^freshet: [^\n]+\n$/

for (const node of NODES) {
  describe(`the built programs under ${node}`, () => {
    it.live("tell how to use them", () =>
      Effect.gen(function*() {
        const programs = [["leech"], ["seed"], ["verify"], ["freshet", "leech"], ["freshet", "verify"], [
          "freshet"
        ]] as const
        for (const [program, ...args] of programs) {
          const { code, err, out } = yield* run(node, program, ...args, "--help")
          assert.strictEqual(code, 0, program)
          assert.strictEqual(err, "")
          assert.match(out, /USAGE/)
          assert.match(out, /EXIT CODES[^]* 32 {2}[^]*130 {2}/)
        }
        for (const program of ["show", "edit"]) {
          const { code, out } = yield* run(node, program, "--help")
          assert.strictEqual(code, 0, program)
          assert.match(out, /EXAMPLES[^]*EXIT CODES[^]* 26 {2}[^]* 27 {2}/)
        }
        for (const words of [[], ["seed"]] as const) {
          const asked = yield* run(node, "freshet", "help", ...words)
          assert.deepStrictEqual(asked, yield* run(node, "freshet", ...words, "--help"))
        }
        for (const args of [["help", "lech"], ["lech", "--help"], ["lech"]]) {
          const { code, err, out } = yield* run(node, "freshet", ...args)
          const problem = "freshet: there is no command lech; did you mean leech?; see freshet --help\n"
          assert.deepStrictEqual([code, out, err], [28, "", problem], args.join(" "))
        }
        const version = yield* run(node, "leech", "--version")
        assert.match(version.out, /^freshet \d+\.\d+\.\d+\n$/)
      }))

    it.live("end with aria2's codes and one line", () =>
      Effect.gen(function*() {
        const garbage = path.join(yield* folder, "garbage.torrent")
        fs.writeFileSync(garbage, "<html>")
        const expected: ReadonlyArray<readonly [args: ReadonlyArray<string>, code: number]> = [
          [[], 28],
          [["--nonsense"], 28],
          [["x", "--listen-port", "many"], 28],
          [[`${garbage}.not`], 3],
          [[garbage], 25]
        ]
        for (const [args, code] of expected) {
          const ended = yield* run(node, "leech", ...args)
          assert.deepStrictEqual([ended.code, ended.out], [code, ""], args.join(" "))
          assert.match(ended.err, oneLine)
        }
      }))
  })
}

describe("signals", () => {
  it.live("stop a program that has not got its torrent yet", () =>
    Effect.gen(function*() {
      let asked = () => {}
      const url = yield* serveWeb(() => asked())
      const child = begin(process.execPath, "leech", [`${url}/never.torrent`])
      asked = () => child.kill("SIGINT")
      const { code, err } = yield* end(child)
      assert.deepStrictEqual([code, err], [7, ""])
    }))

  const torrent = (announce: string) =>
    Bytes.concat([
      Bytes.fromUtf8(`d8:announce${announce.length}:${announce}`),
      Bytes.fromUtf8("4:infod6:lengthi3e4:name1:x12:piece lengthi16384e6:pieces20:"),
      new Uint8Array(20),
      Bytes.fromUtf8("ee")
    ])

  /** Stops a leech once it has announced itself, and does `atStopped` while the tracker hears of that. */
  const stopping = (atStopped: (child: ChildProcess, response: http.ServerResponse) => void) =>
    Effect.gen(function*() {
      const dir = yield* folder
      const events: Array<string> = []
      let heard = (_event: string, _response: http.ServerResponse) => {}
      const url = yield* serveWeb((request, response) => {
        const event = /[?&]event=(\w+)/.exec(request.url ?? "")?.[1] ?? "none"
        events.push(event)
        heard(event, response)
      })
      fs.writeFileSync(path.join(dir, "x.torrent"), torrent(`${url}/announce`))
      const child = begin(process.execPath, "leech", [
        path.join(dir, "x.torrent"),
        `--dir=${dir}`,
        `--state-dir=${dir}`,
        "--listen-port=0",
        "--bind=127.0.0.1"
      ])
      heard = (event, response) => {
        if (event === "stopped") return atStopped(child, response)
        response.end("d8:intervali60e5:peers0:e", () => child.kill("SIGTERM"))
      }
      const { code } = yield* end(child)
      return { code, events }
    })

  it.live("once: the tracker hears of it, and the download is unfinished", () =>
    Effect.gen(function*() {
      const { code, events } = yield* stopping((_, response) => response.end("d8:intervali60e5:peers0:e"))
      assert.deepStrictEqual(events, ["started", "stopped"])
      assert.strictEqual(code, 7)
    }))

  it.live("twice: at once, whatever is still to be done", () =>
    Effect.gen(function*() {
      const { code } = yield* stopping((child) => child.kill("SIGINT"))
      assert.strictEqual(code, 130)
    }))
})
