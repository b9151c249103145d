/**
 * Announces and scrapes read straight from the socket. `node:http` makes two streams, a dozen objects and as many events of
 * a request: a server that answers with a constant takes 23 µs of CPU for one, and 10 in this way. Only whole and plain GET
 * requests are read here; a connection on which anything else comes is given to `node:http` for good.
 */
import type { Socket } from "node:net"
import type { Asker, HttpQuestions } from "./HttpQuestions.ts"

export interface FastLaneOptions {
  readonly questions: HttpQuestions
  /** Bytes of a request line's target, and of a whole head. */
  readonly maxTarget: number
  readonly maxHead: number
  /** Until the first request is there, and between requests (ms). */
  readonly headersTimeout: number
  readonly keepAliveTimeout: number
  /** A request has come, and has had its answer. */
  readonly begin: () => void
  readonly end: () => void
  /** Takes the connection over, with all that has not been read of it put back. */
  readonly leave: () => void
}

const ANNOUNCE = "GET /announce?"
const SCRAPE = "GET /scrape?"
const VERSION = " HTTP/1.1"
const LINE_END = "\r\n"
const HEAD_END = "\r\n\r\n"

/**
 * What makes a head more than it seems, or different things to different readers: a body, a wish about the connection,
 * lines that do not end as they should, folded ones, control characters.
 */
const UNUSUAL =
  // oxlint-disable-next-line no-control-regex
  /[^\r]\n|\r[^\n]|\n[ \t]|[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\n(?:content-length|transfer-encoding|expect|upgrade|connection[ \t]*:(?! ?keep-alive\r))/i

/** A request that can be answered here, or `undefined`. */
interface Request {
  readonly isAnnounce: boolean
  readonly query: string
  /** What follows the request line, to the end of its last line. */
  readonly headers: string
  /** Where the next one begins. */
  readonly next: number
}

/** What none of our queries holds: it could end the line for some readers, or the target. */
// oxlint-disable-next-line no-control-regex
const ODD = /[\0-\x20\x7f]/

/** HTTP/1.1 demands it. */
const HOST = /\nhost:/i

/**
 * Reads the request that begins at `at`.
 *
 * @param before the headers of the last request that was read on this connection: a client says the same again and again, and
 * to look at them takes longer than all the rest of this
 */
export const read = (
  text: string,
  at: number,
  { maxHead, maxTarget }: Pick<FastLaneOptions, "maxHead" | "maxTarget">,
  before = ""
): Request | undefined => {
  const isAnnounce = text.startsWith(ANNOUNCE, at)
  if (!isAnnounce && !text.startsWith(SCRAPE, at)) return undefined
  const headEnd = text.indexOf(HEAD_END, at)
  if (headEnd < 0 || headEnd - at > maxHead) return undefined
  const lineEnd = text.indexOf(LINE_END, at)
  const targetEnd = lineEnd - VERSION.length
  const queryStart = at + (isAnnounce ? ANNOUNCE : SCRAPE).length
  if (targetEnd < queryStart || targetEnd - at > maxTarget || !text.startsWith(VERSION, targetEnd)) return undefined
  const query = text.slice(queryStart, targetEnd)
  if (ODD.test(query)) return undefined
  const end = headEnd + LINE_END.length
  const isSame = end - lineEnd === before.length && text.startsWith(before, lineEnd)
  const headers = isSame ? before : text.slice(lineEnd, end)
  if (!isSame && (UNUSUAL.test(headers) || !HOST.test(headers))) return undefined
  return { isAnnounce, query, headers, next: headEnd + HEAD_END.length }
}

/** Of the headers that a connection remembers. */
const MAX_REMEMBERED = 512

/** A copy, since a part of a text keeps all of it in memory. */
const remembered = (headers: string): string =>
  headers.length > MAX_REMEMBERED ? "" : Buffer.from(headers, "latin1").toString("latin1")

const HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: "

/** One connection. Its requests are answered one after another, in order. */
class Lane implements Asker {
  readonly host: string
  readonly #socket: Socket
  readonly #options: FastLaneOptions
  /** What has come and is not read yet, from {@link #at} on. */
  #text = ""
  #at = 0
  /** Of the last request. */
  #headers = ""
  /** A question of it is being answered. */
  #isWaiting = false
  /** It is being asked, further up the stack. */
  #isAsking = false
  #isDraining = false
  #hasEnded = false
  #isFirst = true

  constructor(socket: Socket, host: string, options: FastLaneOptions) {
    this.#socket = socket
    this.host = host
    this.#options = options
    socket.setTimeout(options.headersTimeout, this.#expire)
    socket.on("data", this.#take)
    socket.on("end", this.#ended)
    socket.on("error", this.#ignore)
    socket.on("drain", this.#drained)
  }

  readonly hear = (body: string): void => {
    this.#isWaiting = false
    this.#isDraining = !this.#socket.write(`${HEAD}${body.length}${HEAD_END}${body}`, "latin1")
    this.#options.end()
    // Some answers come while the question is being asked: then the loop that asks it goes on by itself.
    if (!this.#isAsking) this.#advance()
  }

  readonly #take = (chunk: Buffer): void => {
    const more = chunk.toString("latin1")
    this.#text = this.#at === this.#text.length ? more : this.#text.slice(this.#at) + more
    this.#at = 0
    // What comes before this is answered waits in the kernel.
    if (this.#isWaiting || this.#isDraining) this.#socket.pause()
    else this.#advance()
  }

  /** Answers what can be answered, one question at a time. */
  #advance(): void {
    while (!this.#isWaiting && !this.#isDraining && this.#at < this.#text.length) {
      const request = read(this.#text, this.#at, this.#options, this.#headers)
      if (request === undefined) return this.#leave()
      if (request.headers !== this.#headers) this.#headers = remembered(request.headers)
      this.#at = request.next
      this.#isWaiting = true
      if (this.#isFirst) {
        this.#isFirst = false
        this.#socket.setTimeout(this.#options.keepAliveTimeout)
      }
      this.#options.begin()
      this.#isAsking = true
      if (request.isAnnounce) this.#options.questions.announce(request.query, this)
      else this.#options.questions.scrape(request.query, this)
      this.#isAsking = false
    }
    if (this.#isWaiting || this.#isDraining) return
    if (this.#hasEnded) this.#socket.end()
    else if (this.#socket.isPaused()) this.#socket.resume()
  }

  #leave(): void {
    const socket = this.#socket
    socket.setTimeout(0, this.#expire)
    socket.off("data", this.#take)
    socket.off("end", this.#ended)
    socket.off("error", this.#ignore)
    socket.off("drain", this.#drained)
    if (this.#hasEnded) return void socket.end()
    socket.pause()
    socket.unshift(Buffer.from(this.#text.slice(this.#at), "latin1"))
    this.#options.leave()
    socket.resume()
  }

  readonly #drained = (): void => {
    this.#isDraining = false
    this.#advance()
  }

  readonly #ended = (): void => {
    this.#hasEnded = true
    this.#advance()
  }

  /** A store that is slow is no fault of the one that waits for it. */
  readonly #expire = (): void => {
    if (!this.#isWaiting) this.#socket.destroy()
  }

  readonly #ignore = (): void => {}
}

/** Serves a connection that has just been accepted, and on which nothing has been read. */
export const serve = (socket: Socket, host: string, options: FastLaneOptions): void =>
  void new Lane(socket, host, options)
