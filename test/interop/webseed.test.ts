/**
 * Web seeds (BEP 19) with what serves the web: nginx, alone and beside libtorrent, and what libtorrent makes of the `url-list`
 * that we write. In a network namespace, which takes root. With FRESHET_INTEROP=required whatever is missing is a failure.
 */
import { assert, describe, layer, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Clients from "./support/Clients.ts"
import * as Fixtures from "./support/Fixtures.ts"
import * as Lacking from "./support/Lacking.ts"
import * as Namespace from "./support/Namespace.ts"
import * as Nginx from "./support/Nginx.ts"
import * as Stage from "./support/Stage.ts"
import {
  assertEqualFiles,
  assertExit,
  assertNothingElse,
  dialled,
  leechAt,
  payload,
  seedAt
} from "./support/Transfer.ts"

vi.setConfig({ testTimeout: 120_000 })

const lacking = [
  Namespace.unavailable(),
  Lacking.debian(Clients.libtorrent),
  Lacking.command("nginx", "nginx-light")
].filter((need) => need !== undefined)

const webAt = { ip: Namespace.address(9), port: 8080 }

const names: ReadonlyArray<Fixtures.Name> = [
  "single file",
  "many files",
  "one piece",
  "odd pieces",
  "hybrid",
  "version 2",
  "version 2, one file",
  "both versions"
]

const sum = (requests: ReadonlyArray<string>): number =>
  requests.reduce((sum, line) => sum + Number(/" (?:200|206) (\d+)/.exec(line)?.[1] ?? 0), 0)

const sizeOf = ({ files }: Fixtures.Fixture): number => files.reduce((sum, [, length]) => sum + length, 0)

const alone = Effect.fnUntraced(function*(name: Fixtures.Name, ...flags: ReadonlyArray<string>) {
  const fixture = (yield* Fixtures.Fixtures)[name]
  yield* Stage.play(Effect.fnUntraced(function*(stage) {
    const web = yield* Nginx.start(stage, { ...webAt, root: fixture.dir })
    const dir = stage.folder("leech")
    const leech = yield* Clients.ours.leech(stage, {
      torrent: fixture.torrent,
      dir,
      ...leechAt,
      flags: ["--no-tracker", `--web-seed=${web.url}`, ...flags]
    })
    yield* assertExit(leech, 0)
    yield* assertEqualFiles(fixture, dir, Clients.ours)
    yield* assertNothingElse(fixture, dir)
    assert.strictEqual(sum(web.requests()), sizeOf(fixture), "every byte once, and no padding")
  }))
})

/** The web seed and the peer are both held back, so that each must give a part. */
const together = Effect.gen(function*() {
  const fixture = (yield* Fixtures.Fixtures)["single file"]
  yield* Stage.play(Effect.fnUntraced(function*(stage) {
    const web = yield* Nginx.start(stage, { ...webAt, root: fixture.dir, more: "limit_rate 1m;" })
    const seed = yield* Clients.libtorrent.seed(stage, {
      torrent: fixture.torrent,
      dir: payload(stage, fixture),
      ...seedAt
    })
    yield* seed.prints(Clients.libtorrent.ready)
    const dir = stage.folder("leech")
    const leech = yield* Clients.ours.leech(stage, {
      torrent: fixture.torrent,
      dir,
      ...leechAt,
      peers: [dialled(seedAt)],
      flags: ["--no-tracker", `--web-seed=${web.url}`, "--max-download-limit=6M"]
    })
    yield* assertExit(leech, 0)
    yield* assertEqualFiles(fixture, dir, Clients.ours)
    yield* seed.prints(Clients.libtorrent.uploading)
    const fromWeb = sum(web.requests())
    assert.isTrue(fromWeb > 0 && fromWeb < sizeOf(fixture), `${fromWeb} bytes from the web`)
  }))
})

const CREATE = path.join(Stage.root, "dist/programs/create.js")

/** libtorrent has nobody but the server that our `create -w` has named. */
const theirs = Effect.fnUntraced(function*(name: Fixtures.Name, ...flags: ReadonlyArray<string>) {
  const fixture = (yield* Fixtures.Fixtures)[name]
  yield* Stage.play(Effect.fnUntraced(function*(stage) {
    const web = yield* Nginx.start(stage, { ...webAt, root: fixture.dir })
    const torrent = path.join(stage.dir, "own.torrent")
    const [top] = fs.readdirSync(fixture.dir)
    execFileSync(Stage.machineNode, [
      CREATE,
      path.join(fixture.dir, top!),
      "-w",
      web.url,
      "-o",
      torrent,
      "--include-hidden",
      ...flags
    ])
    const dir = stage.folder("leech")
    const leech = yield* Clients.libtorrent.leech(stage, { torrent, dir, ...leechAt })
    yield* assertExit(leech, 0)
    yield* assertEqualFiles(fixture, dir, Clients.libtorrent)
    const ourDir = stage.folder("ours")
    const ours = yield* Clients.ours.leech(stage, { torrent, dir: ourDir, ...seedAt })
    yield* assertExit(ours, 0)
    yield* assertEqualFiles(fixture, ourDir, Clients.ours)
  }))
})

/** The password is asked for; a server without ranges is told of; a web page that stands for a file is not taken for it. */
const guarded = Effect.gen(function*() {
  const fixture = (yield* Fixtures.Fixtures)["many files"]
  yield* Stage.play(Effect.fnUntraced(function*(stage) {
    const users = path.join(stage.dir, "users")
    fs.writeFileSync(users, "me:{PLAIN}secret\n")
    const more = `auth_basic "x"; auth_basic_user_file ${users};`
    const web = yield* Nginx.start(stage, { ...webAt, root: fixture.dir, more })
    const part = (name: string, url: string) => ({
      torrent: fixture.torrent,
      dir: stage.folder(name),
      ...leechAt,
      flags: ["--no-tracker", "--stop-timeout=2", `--web-seed=${url}`]
    })
    const stranger = yield* Clients.ours.leech(stage, part("stranger", web.url))
    yield* assertExit(stranger, 2)
    assert.include(stranger.log(), "wants another user or password (HTTP 401)")
    const leech = yield* Clients.ours.leech(stage, part("leech", web.url.replace("//", "//me:secret@")))
    yield* assertExit(leech, 0)
    assert.notInclude(leech.log(), "secret")
    yield* assertEqualFiles(fixture, stage.folder("leech"), Clients.ours)
  }))
})

const withoutRanges = Effect.gen(function*() {
  const fixture = (yield* Fixtures.Fixtures)["single file"]
  yield* Stage.play(Effect.fnUntraced(function*(stage) {
    const web = yield* Nginx.start(stage, { ...webAt, root: fixture.dir, more: "max_ranges 0;" })
    const flags = ["--no-tracker", "--stop-timeout=2", `--web-seed=${web.url}`]
    const dir = stage.folder("leech")
    const leech = yield* Clients.ours.leech(stage, { torrent: fixture.torrent, dir, ...leechAt, flags })
    yield* assertExit(leech, 2)
    assert.include(leech.log(), "sends whole files where a range is asked for")
  }))
})

const clients = layer(Fixtures.Fixtures.layer, { excludeTestServices: true, concurrent: true })

if (lacking.length > 0) describe("web seeds", () => void Lacking.report(lacking))
else {
  clients("web seeds", (it) => {
    for (const name of names) it.effect(`nginx alone: ${name}`, () => alone(name))
    it.effect("nginx alone, in order", () => alone("many files", "--sequential"))
    it.effect("nginx and libtorrent together", () => together)
    it.effect("a server that wants a password", () => guarded)
    it.effect("a server without ranges", () => withoutRanges)
    it.effect("libtorrent and we fetch by our url-list: many files", () => theirs("many files"))
    it.effect("libtorrent and we fetch by our url-list: a single file", () => theirs("single file"))
    it.effect("libtorrent and we fetch by our url-list: hybrid", () => theirs("both versions", "--hybrid"))
  })
}
