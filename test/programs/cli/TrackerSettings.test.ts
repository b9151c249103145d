import { assert, describe, it } from "@effect/vitest"
import * as Toml from "effect/encoding/Toml"
import * as Result from "effect/Result"
import * as TrackerSettings from "../../../src/programs/cli/TrackerSettings.ts"

const source = (name: string, texts: TrackerSettings.Texts): TrackerSettings.Source => ({
  texts,
  nameOf: (setting) => `${name} ${setting}`
})

describe("TrackerSettings", () => {
  it("takes each setting from the first source that has it", () => {
    const settings = Result.getOrThrow(TrackerSettings.resolve([
      source("flag", { port: "1", "no-udp": "false" }),
      source("env", { port: "2", interval: "60", "no-udp": "true" }),
      source("file", { port: "3", interval: "70", store: "redis://db:6379", bind: "127.0.0.1,::1" })
    ]))
    assert.strictEqual(settings.port, 1)
    assert.strictEqual(settings["no-udp"], false)
    assert.strictEqual(settings.interval, 60)
    assert.strictEqual(settings.store, "redis://db:6379")
    assert.deepStrictEqual(settings.bind, ["127.0.0.1", "::1"])
    assert.strictEqual(settings["max-connections"], 8192)
  })

  it("says where a wrong value stands, and never shows a secret", () => {
    for (
      const [texts, problem] of [
        [{ port: "65536" }, `file port: "65536" is not a number from 0 to 65535`],
        [{ bind: "localhost" }, `file bind: "localhost" is not an IP address`],
        [{ "no-udp": "perhaps" }, `file no-udp: "perhaps" is not true or false`],
        [{ store: "mysql://x" }, `file store: "mysql://x" is not memory or a URL like redis://localhost:6379`],
        [{ "publish-token": "two words" }, `file publish-token: "***" is not a token without spaces`],
        [
          { store: "redsi://me:s3cret@x" },
          `file store: "redsi://***@x" is not memory or a URL like redis://localhost:6379`
        ],
        [{ store: "me:s3c@ret@x" }, `file store: "***@x" is not memory or a URL like redis://localhost:6379`]
      ] as const
    ) assert.deepStrictEqual(TrackerSettings.resolve([source("file", texts)]), Result.fail(problem))
  })

  it("reads variables by their names, and knows no others", () => {
    const env = { PATH: "/bin", FRESHET_TRACKER_NO_UDP: "yes", FRESHET_TRACKER_MAX_PEERS: "10" }
    assert.deepStrictEqual(TrackerSettings.ofEnvironment(env), Result.succeed({ "no-udp": "yes", "max-peers": "10" }))
    assert.deepStrictEqual(
      TrackerSettings.ofEnvironment({ FRESHET_TRACKER_PROT: "1" }),
      Result.fail(`FRESHET_TRACKER_PROT: there is no setting "prot"`)
    )
    for (const name of TrackerSettings.NAMES) {
      const variable = TrackerSettings.variableOf(name)
      assert.deepStrictEqual(TrackerSettings.ofEnvironment({ [variable]: "x" }), Result.succeed({ [name]: "x" }))
    }
  })

  it("names a key of the file that is none, or has no such value", () => {
    const read = (toml: string) => Result.flatMap(Toml.parse(toml), TrackerSettings.ofFile)
    assert.deepStrictEqual(read("prot = 1"), Result.fail(`there is no setting "prot"`))
    assert.deepStrictEqual(read("__proto__ = 1\n"), Result.fail(`there is no setting "__proto__"`))
    assert.deepStrictEqual(read("[port]\nx = 1"), Result.fail("port is not a number from 0 to 65535"))
  })

  it("takes an address once, however it is written", () => {
    const settings = TrackerSettings.resolve([source("file", { bind: "::1,127.0.0.1,0:0::1,127.0.0.1" })])
    assert.deepStrictEqual(Result.getOrThrow(settings).bind, ["::1", "127.0.0.1"])
  })

  it("prints what stands for a setting that is not there, as a comment", () => {
    const settings = Result.getOrThrow(TrackerSettings.resolve([]))
    const printed = TrackerSettings.print(settings, { "data-dir": "/var/lib/a\nport = 1" })
    assert.include(printed, `# data-dir is not set, which means "/var/lib/a\\nport = 1"\n`)
    const back = Result.getOrThrow(Result.flatMap(Toml.parse(printed), TrackerSettings.ofFile))
    assert.deepStrictEqual(Result.getOrThrow(TrackerSettings.resolve([source("file", back)])), settings)
  })

  it("prints what it reads back, but for secrets", () => {
    const texts = {
      port: "7000",
      bind: "127.0.0.1,::1",
      "no-http": "on",
      "data-dir": "/a \"b\"\n",
      "publish-token": "s3cret-words"
    }
    const settings = Result.getOrThrow(TrackerSettings.resolve([source("x", texts)]))
    const printed = TrackerSettings.print(settings)
    assert.notInclude(printed, "s3cret")
    const shared = Result.getOrThrow(TrackerSettings.resolve([source("x", { store: "redis://me:s3cret@host:1/0" })]))
    assert.include(TrackerSettings.print(shared), `store = "redis://***@host:1/0"\n`)
    const back = Result.getOrThrow(Result.flatMap(Toml.parse(printed), TrackerSettings.ofFile))
    const again = Result.getOrThrow(TrackerSettings.resolve([source("file", back)]))
    assert.deepStrictEqual(again, { ...settings, "publish-token": undefined })
  })
})
