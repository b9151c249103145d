import { assert, describe, it } from "@effect/vitest"
import { BlocklistReader, MAX_LINE } from "../../src/domain/BlocklistReader.ts"
import * as Bytes from "../../src/domain/Bytes.ts"
import { Builder } from "../../src/domain/IpFilter.ts"
import { textOf } from "./generators.ts"
import { below, randomOf, seed } from "./swarm/seeded.ts"

const read = (text: string, cut: (bytes: Uint8Array) => ReadonlyArray<Uint8Array> = (bytes) => [bytes]) => {
  const builder = new Builder()
  const reader = new BlocklistReader(builder)
  for (const part of cut(Bytes.fromUtf8(text))) reader.push(part)
  return { findings: reader.end(), filter: builder.build() }
}

/** One line, what it blocks and what lies right beside that. */
const lines: ReadonlyArray<readonly [line: string, inside: ReadonlyArray<string>, outside: ReadonlyArray<string>]> = [
  ["Bogon:1.2.4.0-1.2.4.255", ["1.2.4.0", "1.2.4.255"], ["1.2.3.255", "1.2.5.0"]],
  ["A, B: C-D (x):001.002.003.004-001.002.003.009", ["1.2.3.4", "1.2.3.9"], ["1.2.3.3", "1.2.3.10"]],
  ["Nämé:1.2.3.4-1.2.3.4", ["1.2.3.4"], ["1.2.3.5"]],
  [":1.2.3.4-1.2.3.4", ["1.2.3.4"], ["1.2.3.5"]],
  ["000.000.000.000 - 000.255.255.255 , 000 , IANA, and others", ["0.0.0.0", "0.255.255.255"], ["1.0.0.0"]],
  ["1.2.3.4 - 1.2.3.9 , 127 , last level", ["1.2.3.4"], ["1.2.3.10"]],
  ["1.2.3.4-1.2.3.9,100", ["1.2.3.4"], ["1.2.3.10"]],
  ["1.2.3.4 - 1.2.3.9 , 128 , to be talked to", [], ["1.2.3.4"]],
  ["10.0.0.0/8", ["10.0.0.0", "10.255.255.255"], ["9.255.255.255", "11.0.0.0"]],
  ["10.1.2.3/31 ; SBL123", ["10.1.2.2", "10.1.2.3"], ["10.1.2.1", "10.1.2.4"]],
  ["0.0.0.0/0", ["0.0.0.0", "255.255.255.255"], ["::1"]],
  ["  192.0.2.1\t\r", ["192.0.2.1"], ["192.0.2.2"]],
  ["192.0.2.1 # me", ["192.0.2.1"], ["192.0.2.2"]],
  ["192.0.2.1-192.0.2.3", ["192.0.2.2"], ["192.0.2.4"]],
  ["2001:db8::/32", ["2001:db8::", "2001:db8:ffff::1"], ["2001:db9::", "2001:db7:ffff::"]],
  ["2001:db8::1", ["2001:db8::1"], ["2001:db8::2"]],
  ["2001:db8::1 - 2001:db8::f", ["2001:db8::f"], ["2001:db8::10"]],
  ["Some: name:2001:db8::1-2001:db8::f", ["2001:db8::1", "2001:db8::f"], ["2001:db8::10", "::1"]],
  ["2001:db8::1 - 2001:db8::f , 50 , name", ["2001:db8::f"], ["2001:db8::10"]],
  ["::ffff:192.0.2.0/120", ["192.0.2.255", "::ffff:192.0.2.1"], ["192.0.3.0"]],
  ["::ffff:192.0.2.1-::ffff:192.0.2.9", ["192.0.2.9"], ["192.0.2.10"]],
  ["::/0", ["::1", "ffff::"], ["1.2.3.4"]]
]

const comments = ["", "   ", "# 1.2.3.4", "; 1.2.3.4", "// 1.2.3.4", "\r"]

const malformed = [
  "name",
  "1.2.3",
  "1.2.3.4.5",
  "1.2.3.256",
  "1.2.3.4-",
  "1.2.3.9-1.2.3.4",
  "name:1.2.3.9-1.2.3.4",
  "1.2.3.4/33",
  "1.2.3.4/",
  "1.2.3.4/-1",
  "1.2.3.4/8x",
  "1.2.3.4 - 2001:db8::1",
  "2001:db8::f-2001:db8::1",
  "2001:db8::/129",
  "::ffff:1.2.3.4/95",
  "1.2.3.4 - 1.2.3.9 , much , name",
  "<html>",
  "x".repeat(MAX_LINE + 1)
]

describe("BlocklistReader", () => {
  it("reads every way of writing a range", () => {
    for (const [line, inside, outside] of lines) {
      const { filter, findings } = read(line)
      assert.deepStrictEqual([findings.ranges, findings.malformed], [1, 0], line)
      for (const host of inside) assert.isTrue(filter.isBlocked(host), `${line}: ${host}`)
      for (const host of outside) assert.isFalse(filter.isBlocked(host), `${line}: ${host}`)
    }
  })

  it("reads none into a comment, nor into what makes no sense", () => {
    for (const line of comments) assert.deepStrictEqual(read(line).findings.malformed, 0, line)
    for (const line of malformed) {
      const { filter, findings } = read(`# list\n${line}\n1.1.1.1`)
      assert.deepStrictEqual(findings, { ranges: 1, malformed: 1, firstMalformed: 2, isTooLong: false }, line)
      assert.strictEqual(filter.size, 1)
    }
  })

  it("takes a mark of UTF-8 for nothing", () => {
    assert.strictEqual(read("\ufeff1.2.3.4\n").findings.ranges, 1)
  })

  it.prop("reads the same however the bytes are cut", [seed], ([seed]) => {
    const random = randomOf(seed)
    const all = [...lines.map(([line]) => line), ...comments, ...malformed]
    const text = Array.from({ length: 30 }, () => all[below(random, all.length)]!).join("\n")
    const cut = (bytes: Uint8Array) => {
      const parts: Array<Uint8Array> = []
      for (let at = 0; at < bytes.length;) {
        const end = at + 1 + below(random, 40)
        parts.push(bytes.subarray(at, end))
        at = end
      }
      return parts
    }
    const whole = read(text)
    const parts = read(text, cut)
    assert.deepStrictEqual(parts.findings, whole.findings)
    assert.strictEqual(parts.filter.size, whole.filter.size)
  })

  const alphabet = [
    "1",
    "255",
    ".",
    "-",
    "/",
    ":",
    ",",
    " ",
    "::",
    "name",
    "\n",
    "\r\n",
    "1.2.3.4",
    "2001:db8::1",
    "#",
    "é"
  ]

  it.prop("never throws, and every line is a range, malformed or a comment", {
    text: textOf(alphabet, 0, 60)
  }, ({ text }) => {
    const { findings } = read(text)
    assert.isAtMost(findings.ranges + findings.malformed, text.split("\n").length)
  })
})
