/**
 * Reads answers of HTTP/1.1 (RFC 9112) as they come, cut anywhere. Node's own reader makes a buffer for each 64 KiB, which cost
 * more than a third of the CPU time of a download; this one hands over the body where it lies.
 */
import * as Bytes from "../Bytes.ts"

export interface Head {
  readonly status: number
  /** By name in small letters; several of one name are joined by a comma. */
  readonly headers: ReadonlyMap<string, string>
  /** The connection may be used again when the body has ended. */
  readonly keeps: boolean
}

export interface Hooks {
  /** The body begins: until {@link HttpReader.resume} nothing more is read. */
  readonly onHead: (head: Head) => void
  /** Body in `bytes[from, to)`, valid during the call. */
  readonly onBody: (bytes: Uint8Array, from: number, to: number) => void
}

/** Of the first line and all headers, and of a line between chunks (bytes). */
const MAX_HEAD = 32 * 1024
const MAX_LINE = 1024

const CR = 13
const LF = 10

type State = "Head" | "Held" | "Length" | "ToEnd" | "Size" | "Chunk" | "After" | "Trailer" | "End" | "Broken"

const STATUS = /^HTTP\/1\.([01]) (\d{3})(?: .*)?$/
const NAME = /^[!#$%&'*+.^_`|~\w-]+$/
/** RFC 9110, 5.5. */
const FORBIDDEN = /[\0\r]/
const CHUNK_SIZE = /^([\da-f]{1,12})[ \t]*(?:;.*)?$/i

/** For one answer. */
export class HttpReader {
  readonly #hooks: Hooks
  readonly #line = new LineReader(MAX_HEAD)
  #state: State = "Head"
  #next: State = "End"
  #lines: Array<string> = []
  #headBytes = 0
  #left = 0

  constructor(hooks: Hooks) {
    this.#hooks = hooks
  }

  get isEnded(): boolean {
    return this.#state === "End"
  }

  /** The body waits for {@link resume}. */
  get isHeld(): boolean {
    return this.#state === "Held"
  }

  get isBroken(): boolean {
    return this.#state === "Broken"
  }

  /** Whether the end of the connection is the end of the body. */
  get endsWithConnection(): boolean {
    return this.#state === "ToEnd"
  }

  /** The body may be handed over. */
  resume(): void {
    if (this.#state === "Held") this.#state = this.#next
  }

  /** Reads `bytes[from, to)` and returns how far it came: all the way, unless the body is held, has ended or is broken. */
  push(bytes: Uint8Array, from: number, to: number): number {
    let at = from
    while (at < to && this.#state !== "Held" && this.#state !== "End" && this.#state !== "Broken") {
      at = this.#state === "Length" || this.#state === "Chunk" || this.#state === "ToEnd"
        ? this.#body(bytes, at, to)
        : this.#text(bytes, at, to)
    }
    return at
  }

  #body(bytes: Uint8Array, at: number, to: number): number {
    const end = this.#state === "ToEnd" ? to : Math.min(to, at + this.#left)
    this.#left -= end - at
    const isLast = this.#left === 0 && this.#state !== "ToEnd"
    if (isLast) this.#state = this.#state === "Chunk" ? "After" : "End"
    this.#hooks.onBody(bytes, at, end)
    return end
  }

  #text(bytes: Uint8Array, at: number, to: number): number {
    const end = this.#line.push(bytes, at, to)
    const line = this.#line.take()
    if (line === "Oversize") this.#state = "Broken"
    else if (line !== undefined) this.#take(line)
    return end
  }

  #take(line: string): void {
    switch (this.#state) {
      case "Head":
        return this.#headLine(line)
      case "Size": {
        const match = line.length > MAX_LINE ? null : CHUNK_SIZE.exec(line)
        this.#left = match === null ? -1 : Number.parseInt(match[1]!, 16)
        this.#state = this.#left < 0 ? "Broken" : this.#left === 0 ? "Trailer" : "Chunk"
        return
      }
      case "After":
        this.#state = line === "" ? "Size" : "Broken"
        return
      default:
        this.#headBytes += line.length + 2
        this.#state = line === "" ? "End" : this.#headBytes > MAX_HEAD ? "Broken" : "Trailer"
    }
  }

  #headLine(line: string): void {
    this.#headBytes += line.length + 2
    const isForeign = this.#lines.length === 0 && line !== "" && !STATUS.test(line)
    if (isForeign || this.#headBytes > MAX_HEAD) this.#state = "Broken"
    // Before the first line, as after the answer before it, empty ones are to be borne.
    else if (line !== "") this.#lines.push(line)
    else if (this.#lines.length > 0) this.#head()
  }

  #head(): void {
    const lines = this.#lines
    this.#lines = []
    const status = STATUS.exec(lines[0]!)
    const headers = headersOf(lines.slice(1))
    const next = status === null || headers === undefined ? undefined : this.#bodyOf(Number(status[2]), headers)
    if (next === undefined) this.#state = "Broken"
    // What comes before the answer itself, like 103, is of no use here.
    else if (status![2]!.startsWith("1")) this.#state = status![2] === "101" ? "Broken" : "Head"
    else {
      this.#next = next
      this.#state = "Held"
      const connection = headers!.get("connection")?.toLowerCase() ?? (status![1] === "0" ? "close" : "")
      const keeps = next !== "ToEnd" && !/\bclose\b/.test(connection)
      this.#hooks.onHead({ status: Number(status![2]), headers: headers!, keeps })
    }
  }

  /** How the body ends (RFC 9112, 6.3). */
  #bodyOf(status: number, headers: ReadonlyMap<string, string>): State | undefined {
    if (status === 204 || status === 304 || status < 200) return "End"
    const coding = headers.get("transfer-encoding")
    if (coding !== undefined) return coding.toLowerCase() === "chunked" ? "Size" : undefined
    const length = headers.get("content-length")
    if (length === undefined) return "ToEnd"
    this.#left = /^\d{1,15}$/.test(length) ? Number(length) : -1
    return this.#left < 0 ? undefined : this.#left === 0 ? "End" : "Length"
  }
}

const headersOf = (lines: ReadonlyArray<string>): ReadonlyMap<string, string> | undefined => {
  const headers = new Map<string, string>()
  for (const line of lines) {
    // One expression for name and value would take time with the cube of the length, and the server chooses the line.
    const colon = line.indexOf(":")
    const name = line.slice(0, Math.max(0, colon)).toLowerCase()
    const value = line.slice(colon + 1).trim()
    if (!NAME.test(name) || FORBIDDEN.test(value)) return undefined
    const before = headers.get(name)
    // RFC 9110, 8.6: a repeated length that says the same is one.
    if (before !== value) headers.set(name, before === undefined ? value : `${before}, ${value}`)
  }
  return headers
}

/** Collects one line of text, however it is cut. */
class LineReader {
  readonly #most: number
  #text = ""
  #isWhole = false

  constructor(most: number) {
    this.#most = most
  }

  /** Takes bytes up to the end of a line, and returns where that is. */
  push(bytes: Uint8Array, from: number, to: number): number {
    const most = Math.min(to, from + this.#most + 2 - this.#text.length)
    const found = bytes.subarray(from, most).indexOf(LF)
    this.#isWhole = found >= 0
    const end = found < 0 ? most : from + found + 1
    this.#text += Bytes.toLatin1(bytes.subarray(from, end))
    return end
  }

  /** The line without its end; `undefined` when there is more of it to come. */
  take(): string | "Oversize" | undefined {
    if (!this.#isWhole) return this.#text.length > this.#most ? "Oversize" : undefined
    const cut = this.#text.charCodeAt(this.#text.length - 2) === CR ? 2 : 1
    const line = this.#text.slice(0, -cut)
    this.#text = ""
    this.#isWhole = false
    return line
  }
}
