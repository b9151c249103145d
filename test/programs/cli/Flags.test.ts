import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Flags from "../../../src/programs/cli/Flags.ts"
import * as Usage from "../../../src/programs/cli/Usage.ts"

/** What a command line means to `leech`, or the one line that says what is wrong with it. */
const leech = Effect.fnUntraced(function*(...args: ReadonlyArray<string>) {
  let seen: Flags.LeechOptions | undefined
  let complaint = ""
  const command = Command.make("leech", Flags.leech, (options) => Effect.sync(() => seen = options))
  yield* Command.runWith(command, { version: "1" })(Usage.expand(args)).pipe(
    Effect.provideService(CliOutput.Presenter, {
      present: (event) =>
        Effect.sync(() => complaint = event._tag === "InvalidInvocation" ? Usage.problem(event.errors[0]!) : event._tag)
    }),
    Effect.provide(NodeServices.layer),
    (effect) => Effect.ignore(effect)
  )
  return seen ?? complaint
})

const accepted = Effect.fnUntraced(function*(...args: ReadonlyArray<string>) {
  const options = yield* leech("x.torrent", ...args)
  if (typeof options === "string") return yield* Effect.die(options)
  return options
})

describe("defaults", () => {
  it.effect("of a bare torrent", () =>
    Effect.gen(function*() {
      const options = yield* accepted()
      assert.strictEqual(options.torrent, "x.torrent")
      assert.strictEqual(options.dir, ".")
      assert.deepStrictEqual(options.listenPort, Option.none())
      assert.deepStrictEqual([options.bind, options.peer, options.tracker], [[], [], []])
      assert.deepStrictEqual([options.maxDownload, options.maxUpload], [Infinity, Infinity])
      assert.deepStrictEqual([options.seedTime, options.seedRatio], [Option.none(), Option.none()])
      assert.deepStrictEqual(
        [options.json, options.quiet, options.noTracker, options.keepSeeding, options.sequential],
        [false, false, false, false, false]
      )
    }))
})

describe("aria2's names", () => {
  it.effect("mean what they mean there", () =>
    Effect.gen(function*() {
      const limits = yield* accepted("--max-overall-download-limit=2K", "--max-overall-upload-limit=1K")
      assert.deepStrictEqual([limits.maxDownload, limits.maxUpload], [2048, 1024])
      for (const [arg, noPex] of [["", false], ["=true", false], ["=false", true]] as const) {
        assert.strictEqual((yield* accepted(`--enable-peer-exchange${arg}`)).noPex, noPex)
      }
      const { keepMetadata, onComplete } = yield* accepted("--bt-save-metadata=true", "--on-download-complete=x")
      assert.deepStrictEqual([keepMetadata, onComplete], [true, Option.some("x")])
    }))
})

describe("encryption", () => {
  it.effect("in our words and in those of Transmission and aria2", () =>
    Effect.gen(function*() {
      const meanings = {
        require: [["--encryption", "require"], ["-er"], ["--encryption-required"], ["--bt-require-crypto"], [
          "--bt-require-crypto=true"
        ], ["--bt-force-encryption"]],
        prefer: [["--encryption=prefer"], ["-ep"], ["--encryption-preferred"]],
        allow: [[], ["--encryption=allow"], ["-et"], ["--encryption-tolerated"], ["--bt-require-crypto=false"]],
        off: [["--encryption=off"]]
      }
      for (const [meaning, lines] of Object.entries(meanings)) {
        for (const args of lines) assert.strictEqual((yield* accepted(...args)).encryption, meaning, args.join(" "))
      }
    }))

  it.effect("and nothing else", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        yield* leech("x.torrent", "--encryption=always"),
        `--encryption: "always" is not require, prefer, allow or off`
      )
    }))
})

describe("values", () => {
  it.effect("in every way of writing them", () =>
    Effect.gen(function*() {
      for (const args of [["--dir", "/d"], ["--dir=/d"], ["-d", "/d"], ["-d=/d"], ["-d/d"], ["--download-dir", "/d"]]) {
        assert.strictEqual((yield* accepted(...args)).dir, "/d", args.join(" "))
      }
    }))

  it.effect("of all kinds", () =>
    Effect.gen(function*() {
      const options = yield* accepted(
        ..."--bind 192.0.2.1 --bind 2001:db8::1 -p6881 --peer 192.0.2.7:1 --peer [2001:db8::2]:2".split(" "),
        ..."-t http://a -t https://c/p?k -t udp://b:1 --no-tracker --select-file 1-3,7 --max-peers 9".split(" "),
        ..."--max-download-limit 2M -u 500K --seed-time 1.5 --seed-ratio 0 -V -q --stop-timeout 60".split(" ")
      )
      assert.deepStrictEqual(options.bind.map(({ host }) => host), ["192.0.2.1", "2001:db8::1"])
      assert.deepStrictEqual(options.listenPort, Option.some(6881))
      assert.deepStrictEqual(options.peer.map(({ host, port }) => [host, port]), [["192.0.2.7", 1], ["2001:db8::2", 2]])
      assert.deepStrictEqual(options.tracker, ["http://a/announce", "https://c/p?k", "udp://b:1"])
      assert.isTrue(options.noTracker)
      assert.deepStrictEqual(options.selectFile, Option.some(new Set([0, 1, 2, 6])))
      assert.deepStrictEqual([options.maxDownload, options.maxUpload], [2 * 1024 ** 2, 500 * 1024])
      assert.deepStrictEqual([options.seedTime, options.seedRatio], [Option.some(1.5), Option.some(0)])
      assert.deepStrictEqual([options.maxPeers, options.checkIntegrity, options.quiet], [9, true, true])
      assert.deepStrictEqual(options.stopTimeout, Option.some(60))
    }))

  it.effect("a switch takes no word for its value", () =>
    Effect.gen(function*() {
      const options = yield* leech("--quiet", "yes")
      if (typeof options === "string") assert.fail(options)
      assert.strictEqual(options.torrent, "yes")
      assert.isTrue(options.quiet)
    }))

  it.effect("0 is no limit", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* accepted("--max-upload-limit", "0")).maxUpload, Infinity)
    }))
})

describe("the token of a tracker", () => {
  const seed = Effect.fnUntraced(function*(env: Record<string, string>, ...args: ReadonlyArray<string>) {
    let seen: Option.Option<string> | undefined
    const command = Command.make("seed", Flags.seed, (options) => Effect.sync(() => seen = options.publishToken))
    yield* Command.runWith(command, { version: "1" })(["x", ...args]).pipe(
      Effect.provideService(CliOutput.Presenter, { present: () => Effect.void }),
      Effect.provide(NodeServices.layer),
      Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env })),
      (effect) => Effect.ignore(effect)
    )
    return seen
  })

  it.effect("is that of the command line, else of the environment, else none", () =>
    Effect.gen(function*() {
      const env = { FRESHET_PUBLISH_TOKEN: "of-env" }
      assert.deepStrictEqual(yield* seed({}), Option.none())
      assert.deepStrictEqual(yield* seed(env), Option.some("of-env"))
      assert.deepStrictEqual(yield* seed(env, "--publish-token", "own"), Option.some("own"))
      assert.isUndefined(yield* seed({}, "--publish-token", "two words"))
    }))
})

describe("the proxy", () => {
  const proxyOf = Effect.fnUntraced(function*(env: Record<string, string>, ...args: ReadonlyArray<string>) {
    const options = yield* leech("x.torrent", ...args).pipe(
      Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromEnv({ env }))
    )
    return typeof options === "string" ? options : Option.map(options.proxy, ({ host }) => host)
  })

  it.effect("is that of the command line, else that of our own variable, and no other", () =>
    Effect.gen(function*() {
      const env = { FRESHET_PROXY: "socks5://me:secret@of-env" }
      assert.deepStrictEqual(yield* proxyOf({ all_proxy: "socks5://a", http_proxy: "http://b" }), Option.none())
      assert.deepStrictEqual(yield* proxyOf(env), Option.some("of-env"))
      assert.deepStrictEqual(yield* proxyOf(env, "--proxy", "http://own:1"), Option.some("own"))
      assert.deepStrictEqual(yield* proxyOf({ FRESHET_PROXY: "" }), Option.none())
      assert.match(String(yield* proxyOf({}, "--proxy=")), /^--proxy: /)
    }))

  it.effect("that makes no sense ends the program, wherever it comes from, and its password is not shown", () =>
    Effect.gen(function*() {
      for (
        const text of ["https://me:secret@h", "socks4://me:secret@h", "me:secret@h:1", "socks5://me:sec\nret@h"]
      ) {
        for (const complaint of [yield* proxyOf({ FRESHET_PROXY: text }), yield* proxyOf({}, `--proxy=${text}`)]) {
          if (typeof complaint !== "string") return assert.fail(text)
          assert.match(complaint, /^--proxy: .* is not a URL like socks5:/)
          assert.notMatch(complaint, /secret|ret@/)
        }
      }
    }))
})

describe("complaints are one line that names the flag", () => {
  const wrong: ReadonlyArray<readonly [args: string, complaint: string]> = [
    ["", "no torrent is given"],
    ["a b", "one argument is enough; leave out b"],
    ["a --jsn", "there is no --jsn; did you mean --json?"],
    ["a --no-pex=foo", "--no-pex takes no value"],
    ["a --quiet=", "--quiet takes no value"],
    ["a --pex", "there is no --pex: peers are exchanged by themselves, and --no-pex ends it; leave it out"],
    ["a --enable-dht=true", "there is no --enable-dht: there is no DHT yet; leave it out"],
    ["a --file-allocation=none", "there is no --file-allocation: files grow as pieces come; leave it out"],
    ["a --continue", "there is no --continue: a download goes on by itself; leave it out"],
    ["-c a", "there is no -c: a download goes on by itself; leave it out"],
    ["a --listen-port 65536", "--listen-port: \"65536\" is not a port from 0 to 65535"],
    ["a --listen-port", "--listen-port needs a value: N"],
    ["a --dir x --dir y", "--dir is given 2 times; it takes at most 1 value"],
    [
      "a --bind 192.0.2.1 --bind 192.0.2.2",
      "--bind: \"192.0.2.1, 192.0.2.2\" is not one address for each of IPv4 and IPv6"
    ],
    ["a --bind eth0", "--bind: \"eth0\" is not an IP address"],
    [
      "a --peer 192.0.2.1",
      "--peer: \"192.0.2.1\" is not an address like host:6881, 192.0.2.1:6881 or [2001:db8::1]:6881"
    ],
    ["a -t ftp://b", "--tracker: \"ftp://b\" is not a tracker's URL like http://host:6969/announce"],
    ["a --select-file 3-1", "--select-file: \"3-1\" is not a list of file numbers like 1-3,7"],
    ["a --max-download-limit fast", "--max-download-limit: \"fast\" is not a speed like 500K or 2M; 0 is no limit"],
    ["a --from host:6969", "--from: \"host:6969\" is not a tracker's address like http://host:6969"],
    ["a --from udp://host:6969", "--from: \"udp://host:6969\" is not a tracker's address like http://host:6969"],
    ["a --seed-ratio -1", "--seed-ratio: \"-1\" is not a ratio like 1.5"],
    ["a --blocklist=", "--blocklist needs a value: a file or an http(s) URL"],
    ["a -bftp://h/list.gz", "--blocklist: \"ftp://h/list.gz\" is not a file or an http(s) URL"],
    ["a --blocklist http://", "--blocklist: \"http://\" is not a file or an http(s) URL"],
    ["a --sequential=maybe", "--sequential takes no value"]
  ]
  for (const [args, complaint] of wrong) {
    it.effect(args === "" ? "nothing at all" : args, () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* leech(...args.split(" ").filter((arg) => arg !== "")), complaint)
      }))
  }
})

describe("sizes", () => {
  it("take the letters of aria2", () => {
    assert.deepStrictEqual(
      ["0", "17", "2M", "500K", "1.5m", "1GiB", "64MB"].map(Flags.parseSize),
      [0, 17, 2 * 1024 ** 2, 500 * 1024, 1.5 * 1024 ** 2, 1024 ** 3, 64 * 1024 ** 2]
    )
  })
  it("refuse the rest", () => {
    assert.deepStrictEqual(
      ["", "M", "-1", "1e3", "2X", "1 M", "0x10", "1.M"].map(Flags.parseSize),
      Array(8).fill(undefined)
    )
  })
})

const files = Arbitrary.array(Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 60 }))), {
  minLength: 1,
  maxLength: 20
})

describe("selections", () => {
  it.prop("numbers mean the files before them", [files], ([numbers]) => {
    assert.deepStrictEqual(Flags.parseSelection(numbers.join(",")), new Set(numbers.map((n) => n - 1)))
  })
  it.prop("a range is all its numbers", [files], ([numbers]) => {
    const [from, to] = [Math.min(...numbers), Math.max(...numbers)]
    const all = Array.from({ length: to - from + 1 }, (_, i) => from + i)
    assert.deepStrictEqual(Flags.parseSelection(`${from}-${to}`), Flags.parseSelection(all.join(",")))
  })
  it("refuse what is none", () => {
    for (const text of ["", ",", "0", "1-", "-1", "2-1", "a", "1;2", "1-9999999", "99999999"]) {
      assert.isUndefined(Flags.parseSelection(text), text)
    }
  })
})

describe("a command line is taken apart", () => {
  it("where a letter is glued to its value, and nowhere else", () => {
    assert.deepStrictEqual(
      Usage.expand(["-d/data", "-blist.gz", "-p6881", "-d=/x", "-qV", "-", "-d", "--dir", "--", "-d/data"]),
      ["-d=/data", "-b=list.gz", "-p=6881", "-d=/x", "-qV", "-", "-d", "--dir", "--", "-d/data"]
    )
  })
})
