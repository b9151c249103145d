import { assert, describe, it } from "@effect/vitest"
import * as Answer from "../../../src/domain/webseed/Answer.ts"
import * as Trouble from "../../../src/domain/webseed/Trouble.ts"
import { int, textOf } from "../generators.ts"

const NOW = Date.parse("Sat, 21 Nov 2026 12:00:00 GMT")

const range: Answer.Range = { position: 1000, length: 500, fileLength: 5_000_000 }

const judge = (status: number, headers: Record<string, string> = {}, asked = range) =>
  Answer.judge({ status, header: (name) => headers[name] }, asked, NOW)

const consequence = (judged: ReturnType<typeof judge>): string =>
  judged._tag === "Trouble" ? judged.consequence : judged._tag

describe("Answer", () => {
  it("takes the range that was asked for", () => {
    const judged = judge(206, { "content-range": "bytes 1000-1499/5000000", "content-length": "500" })
    assert.deepStrictEqual(judged, { _tag: "Usable", skip: 0, length: 500, body: 500 })
    assert.strictEqual(Answer.rangeHeader(range), "bytes=1000-1499")
  })

  it("takes less than was asked for, an unknown total and no length", () => {
    const judged = judge(206, { "content-range": "bytes 1000-1099/*" })
    assert.deepStrictEqual(judged, { _tag: "Usable", skip: 0, length: 100, body: 100 })
  })

  it("takes a whole file where that was asked for, or little of it is read in vain", () => {
    const whole = { position: 0, length: 9_000_000, fileLength: 9_000_000 }
    assert.deepStrictEqual(judge(200, {}, whole), { _tag: "Usable", skip: 0, length: 9_000_000, body: 9_000_000 })
    const small = { position: 20, length: 30, fileLength: 1000 }
    assert.deepStrictEqual(judge(200, {}, small), { _tag: "Usable", skip: 20, length: 30, body: 1000 })
    assert.strictEqual(consequence(judge(200)), "Drop")
  })

  const cases: ReadonlyArray<readonly [string, number, Record<string, string>, Trouble.Consequence]> = [
    ["another start", 206, { "content-range": "bytes 999-1499/5000000" }, "File"],
    ["more than asked for", 206, { "content-range": "bytes 1000-1500/5000000" }, "File"],
    ["a range that ends before it begins", 206, { "content-range": "bytes 1000-999/5000000" }, "File"],
    ["another length of the file", 206, { "content-range": "bytes 1000-1499/4999999" }, "File"],
    ["no Content-Range", 206, {}, "File"],
    ["several ranges at once", 206, { "content-type": "multipart/byteranges; boundary=x" }, "File"],
    ["a Content-Range of other units", 206, { "content-range": "pages 1000-1499/5000000" }, "File"],
    ["two lengths", 206, { "content-range": "bytes 1000-1499/5000000", "content-length": "501" }, "File"],
    ["compressed", 206, { "content-range": "bytes 1000-1499/5000000", "content-encoding": "gzip" }, "File"],
    ["a page instead", 200, { "content-length": "17" }, "File"],
    ["not found", 404, {}, "File"],
    ["gone", 410, {}, "File"],
    ["not satisfiable", 416, {}, "File"],
    ["forbidden", 403, {}, "File"],
    ["not modified", 304, {}, "File"],
    ["unauthorized", 401, {}, "Drop"],
    ["a time-out", 408, {}, "Rest"],
    ["too many", 429, {}, "Rest"],
    ["an error", 500, {}, "Rest"],
    ["a gateway's", 502, {}, "Rest"],
    ["unavailable", 503, {}, "Rest"]
  ]
  for (const [what, status, headers, expected] of cases) {
    it(`${what} (${status}): ${expected}`, () => assert.strictEqual(consequence(judge(status, headers)), expected))
  }

  it("reads when to come again: seconds or a date", () => {
    const after = (text: string) => Answer.retryAfter(text, NOW)
    assert.strictEqual(after(" 120 "), 120_000)
    assert.strictEqual(after("Sat, 21 Nov 2026 12:01:30 GMT"), 90_000)
    assert.strictEqual(after("Sat, 21 Nov 2026 11:00:00 GMT"), 0)
    for (const text of ["", "soon", "-3", "1e9", "99999999999"]) assert.isUndefined(after(text))
    const judged = judge(503, { "retry-after": "7" })
    assert.strictEqual(judged._tag === "Trouble" ? judged.retryAfter : undefined, 7000)
  })

  const header = textOf(["bytes ", "0", "9", "1000", "-", "/", "*", " ", "x", "500"], 0, 10)

  it.prop("whatever the headers say, what is taken lies in the range", [int(0, 599), header, header, int(0, 9000)], (
    [status, contentRange, contentLength, length]
  ) => {
    const asked = { position: 1000, length: Math.max(1, length), fileLength: 10_000 }
    const judged = judge(status, { "content-range": contentRange, "content-length": contentLength }, asked)
    if (judged._tag === "Trouble") return assert.match(judged.message, /^[^\n]{1,100}$/)
    assert.isTrue(judged.length >= 1 && judged.length <= asked.length)
    assert.isTrue(judged.skip + judged.length <= judged.body && judged.body <= asked.fileLength)
  })
})

describe("Trouble", () => {
  it("rests longer each time, and for as long as the server says, within bounds", () => {
    const rests = [1, 2, 3, 20].map((failures) => Trouble.restOf(Trouble.rest("x"), failures))
    assert.deepStrictEqual(rests, [2000, 4000, 8000, 600_000])
    const wished = [0, 5000, 1e12].map((retryAfter) => Trouble.restOf(Trouble.rest("x", retryAfter), 9))
    assert.deepStrictEqual(wished, [1000, 5000, 3_600_000])
  })
})
