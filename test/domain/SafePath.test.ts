import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as nodePath from "node:path"
import * as Bytes from "../../src/domain/Bytes.ts"
import * as SafePath from "../../src/domain/SafePath.ts"
import { int, textOf } from "./generators.ts"

const rules = int(0, 2).pipe(Arbitrary.map((i): SafePath.Rules => (["posix", "portable", "windows"] as const)[i]!))

const nasty = textOf(
  [
    ..."aAbB.. /\\:*\0\n\u0085\u202e\u2066\u200b",
    "é",
    "e\u0301",
    "ß",
    "ss",
    "\ud800",
    "😀",
    "\ufffd",
    "con",
    "NUL",
    "com1",
    "..",
    ".txt",
    ".1",
    ".tar.gz",
    " ".repeat(60),
    ".".repeat(60),
    "x".repeat(100),
    "あ".repeat(40)
  ],
  0,
  7
)

/** Few distinct names, so that collisions are the rule. */
const crowded = textOf(["a", "A", "b", "é", "e\u0301", ".1", ".2", ".txt", "ß", "SS"], 0, 2)

const paths = Arbitrary.array(
  Arbitrary.all([int(0, 4), Arbitrary.array(nasty, { maxLength: 4 }), Arbitrary.array(crowded, { maxLength: 3 })]).pipe(
    Arbitrary.map(([kind, ugly, common]) => kind === 0 ? ugly : common)
  ),
  { maxLength: 12 }
)

const size = (text: string) => Bytes.fromUtf8(text).length

const assertSafe = (name: string, rules: SafePath.Rules) => {
  assert.notInclude(["", ".", ".."], name)
  assert.isAtMost(size(name), SafePath.MAX_COMPONENT)
  assert.notMatch(name, /[/\\\p{Cc}\u202a-\u202e\u2066-\u2069\u2028\u2029]/u)
  assert.notMatch(name, /\p{Surrogate}/u)
  if (rules === "posix") return
  assert.notMatch(name, /[. ]$/)
  assert.notMatch(name.split(".")[0]!.trimEnd(), /^(con|prn|aux|nul|com\d|lpt\d)$/i)
  if (rules === "windows") assert.notMatch(name, /[<>:"|?*]/)
}

/** How the least discerning file system compares names. */
const insensitive = (path: ReadonlyArray<string>) => path.join("/").normalize("NFC").toUpperCase().normalize("NFC")

describe("SafePath.component", () => {
  it.prop("is safe, and leaves a safe one alone", [nasty, rules], ([name, rules]) => {
    const safe = SafePath.component(name, rules)
    assertSafe(safe, rules)
    assert.strictEqual(SafePath.component(safe, rules), safe)
  }, { arbitrary: { runs: 1000 } })

  it("changes what it must and nothing else", () => {
    const names: ReadonlyArray<readonly [given: string, safe: string]> = [
      ["Show: S01E01 “Pilot”? (1080p).mkv", "Show: S01E01 “Pilot”? (1080p).mkv"],
      [".bashrc", ".bashrc"],
      ["👩‍👩‍👧.jpg", "👩‍👩‍👧.jpg"],
      ["", "_"],
      [".", "_"],
      ["..", "_"],
      ["... ", "_"],
      ["/etc/passwd", "_etc_passwd"],
      ["..\\..\\boot.ini", ".._.._boot.ini"],
      ["a\0b\u001b[31m", "a_b_[31m"],
      ["photo\u202egpj.exe", "photo_gpj.exe"],
      ["half \ud83d.txt", "half _.txt"],
      ["Vol. 1. ", "Vol. 1"],
      ["aux", "_aux"],
      ["Aux.c", "_Aux.c"],
      ["com¹ .x", "_com¹ .x"],
      ["auxiliary.c", "auxiliary.c"],
      ["com10", "com10"]
    ]
    for (const [given, safe] of names) assert.strictEqual(SafePath.component(given), safe)
    assert.strictEqual(SafePath.component("aux.c. ", "posix"), "aux.c. ")
    assert.strictEqual(SafePath.component("C:", "windows"), "C_")
  })

  it("cuts long names between characters and keeps the extension", () => {
    const name = SafePath.component(`${"😀".repeat(100)}.mkv`)
    assert.strictEqual(name, `${"😀".repeat(62)}.mkv`)
    assert.strictEqual(SafePath.component("x".repeat(300)), "x".repeat(255))
    assert.strictEqual(SafePath.component(`a.${"x".repeat(300)}`), `a.${"x".repeat(253)}`)
    assert.strictEqual(SafePath.component(`con${" ".repeat(300)}x`), "_con")
  })
})

describe("SafePath.all", () => {
  it.prop("never leaves the folder", [paths, rules], ([paths, rules]) => {
    const safe = SafePath.all(paths, rules)
    assert.strictEqual(safe.length, paths.length)
    for (const path of safe) {
      assert.isAbove(path.length, 0)
      for (const name of path) assertSafe(name, rules)
      assert.isAtMost(size(path.join("/")), SafePath.MAX_PATH)
      assert.isTrue(nodePath.posix.join("/top", ...path).startsWith("/top/"))
      assert.isTrue(nodePath.win32.join("D:\\top", ...path).startsWith("D:\\top\\"))
    }
  }, { arbitrary: { runs: 300 } })

  it.prop("no two files meet, nor a file and a folder", [paths, rules], ([paths, rules]) => {
    const safe = SafePath.all(paths, rules)
    const files = new Set(safe.map(insensitive))
    assert.strictEqual(files.size, safe.length)
    for (const path of safe) {
      for (let depth = 1; depth < path.length; depth++) {
        assert.isFalse(files.has(insensitive(path.slice(0, depth))), JSON.stringify(safe))
      }
    }
  }, { arbitrary: { runs: 500 } })

  it.prop("leaves safe paths alone", [paths, rules], ([paths, rules]) => {
    const safe = SafePath.all(paths, rules)
    assert.deepStrictEqual(SafePath.all(safe, rules), safe)
  }, { arbitrary: { runs: 500 } })

  it.prop("a path alone is what it is as the only one of all", [paths, rules], ([paths, rules]) => {
    const alone = SafePath.alone(rules)
    for (const path of paths) assert.deepStrictEqual(alone(path), SafePath.all([path], rules)[0])
  })

  it.prop("never leaves the folder by raw names either, and keeps what a disk can have", [paths], ([paths]) => {
    const found = SafePath.all(paths, "raw")
    assert.strictEqual(new Set(found.map((path) => path.join("/"))).size, paths.length)
    for (const path of found) for (const name of path) assert.notMatch(name, /^\.{0,2}$|[/\0]/)
    const odd = [["F", "a"], ["f", "a"], ["f", "A"], ["f", "a\\b"], ["f", "tab\t"], ["f", "\u202e"], ["con"], [
      "e\u0301"
    ], ["é"]]
    assert.deepStrictEqual(SafePath.all(odd, "raw"), odd)
  })

  it("numbers the later file, and takes no name that another file has", () => {
    const given = [
      "a.txt",
      "A.txt",
      "a.1.txt",
      "a.txt",
      "b",
      "b/c",
      "é",
      "e\u0301",
      ".x",
      ".X",
      "D/1",
      "d/2",
      "vi\u200bp",
      "vip"
    ]
    assert.deepStrictEqual(
      SafePath.all(given.map((path) => path.split("/"))).map((path) => path.join("/")),
      [
        "a.txt",
        "A.2.txt",
        "a.1.txt",
        "a.3.txt",
        "b.1",
        "b/c",
        "é",
        "e\u0301.1",
        ".x",
        ".X.1",
        "D/1",
        "d/2",
        "vi\u200bp",
        "vip.1"
      ]
    )
  })

  it("leaves out folders that are too deep, not the file", () => {
    const deep = [...Array.from({ length: 5000 }, (_, i) => `d${i}`), "file.txt"]
    const [path] = SafePath.all([deep])
    assert.strictEqual(path!.at(-1), "file.txt")
    assert.strictEqual(path![0], "d0")
    assert.isAtMost(size(path!.join("/")), SafePath.MAX_PATH)
    assert.deepStrictEqual(SafePath.all([[]]), [["_"]])
  })

  it("numbers long names within the limit", () => {
    const long = ["x".repeat(300), "x".repeat(301), `${"あ".repeat(100)}.mkv`, `${"あ".repeat(101)}.mkv`].map((
      name
    ) => [name])
    const [, second, third, fourth] = SafePath.all(long).map((path) => path[0]!)
    assert.match(second!, /^x{247}\.1$/)
    assert.match(third!, /^あ+\.mkv$/)
    assert.match(fourth!, /^あ+\.1\.mkv$/)
    assert.isAtMost(size(fourth!), SafePath.MAX_COMPONENT)
  })

  it("takes hundreds of thousands of colliding names in linear time", { timeout: 10_000 }, () => {
    const count = 100_000
    const equal = SafePath.all(Array.from({ length: count }, () => ["t", "name.ext"]))
    assert.deepStrictEqual(equal.at(-1), ["t", `name.${count - 1}.ext`])
    const taken = SafePath.all(Array.from({ length: 2 * count }, (_, i) => [i < count ? `a.${i}` : "A"]))
    assert.deepStrictEqual(taken.at(-1), [`A.${2 * count - 2}`])
    // Different names that are equal once they are cut to make room for the number.
    const cut = SafePath.all(Array.from({ length: count }, (_, i) => [`${"x".repeat(250)}${i % 1000}`]))
    assert.strictEqual(new Set(cut.map(insensitive)).size, count)
  })
})
