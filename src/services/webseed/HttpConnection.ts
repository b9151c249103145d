/** One connection to a web server: a request and its answer after the other, read where the bytes lie. */
import type { Socket } from "node:net"
import { type Head, HttpReader } from "../../domain/webseed/HttpReader.ts"
import * as Trouble from "../../domain/webseed/Trouble.ts"

/** `false` when nothing more of the body is wanted: the connection is closed, and that was all. */
export type OnBody = (bytes: Uint8Array) => boolean

type Done = (trouble: Trouble.Trouble | undefined) => void

/** The server had closed the connection before it could answer: nothing is wrong with it. */
export const STALE = Trouble.rest("cut a connection that was at rest")

const BROKEN = Trouble.rest("does not speak HTTP as it should")
const CUT = Trouble.rest("cut the connection in the middle of an answer")
const MUTE = Trouble.rest("cuts connections before it answers")

export class HttpConnection {
  readonly #socket: Socket
  #reader: HttpReader | undefined
  #onHead: ((head: Head) => void) | undefined
  #onBody: OnBody | undefined
  /** Told how the head, or the body, has failed, or that the body has ended. */
  #done: Done | undefined
  /** What came behind the head, before anybody wanted the body. */
  #rest: Uint8Array | undefined
  #keeps = false
  #hasServed = false
  #isHeard = false

  /** @param socket is connected; its bytes come by {@link feed}, or by {@link listen} */
  constructor(socket: Socket) {
    this.#socket = socket
    socket.on("error", () => {}).on("close", () => this.#closed())
  }

  /** Takes what the socket reads, where it was not made to {@link feed} this. */
  listen(): void {
    this.#socket.on("data", (bytes: Uint8Array) => {
      // A plain view, since `slice` of a Node `Buffer` does not copy.
      const view = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
      if (!this.feed(view, view.length)) this.#socket.pause()
    })
  }

  /** Whether a request may be sent. */
  get isIdle(): boolean {
    return this.#reader === undefined && !this.#socket.destroyed
  }

  ask(request: string, onHead: (head: Head) => void, onFailed: (trouble: Trouble.Trouble) => void): void {
    this.#reader = new HttpReader({
      onHead: (head) => {
        this.#keeps = head.keeps
        this.#onHead!(head)
      },
      onBody: (bytes, from, to) => {
        if (this.#onBody === undefined || this.#onBody(bytes.subarray(from, to))) return
        this.#finish(undefined)
        this.destroy()
      }
    })
    this.#isHeard = false
    this.#onHead = onHead
    this.#done = (trouble) => trouble === undefined ? undefined : onFailed(trouble)
    this.#socket.write(request, "latin1")
    this.#socket.resume()
  }

  /** Reads the body; `onDone` is told of trouble, or of the end. */
  read(onBody: OnBody, onDone: Done): void {
    this.#onBody = onBody
    this.#done = onDone
    this.#reader?.resume()
    const rest = this.#rest ?? new Uint8Array(0)
    this.#rest = undefined
    if (this.feed(rest, rest.length)) this.#socket.resume()
    if (this.#socket.destroyed) this.#closed()
  }

  /** Takes what was read, valid during the call; `false` when no more is to be read for now. */
  readonly feed = (bytes: Uint8Array, length: number): boolean => {
    const reader = this.#reader
    if (reader === undefined) {
      // It speaks unasked, or has more to say than it said.
      if (length > 0) this.destroy()
      return false
    }
    this.#isHeard ||= length > 0
    const at = reader.push(bytes, 0, length)
    if (reader.isBroken) {
      this.#finish(BROKEN)
      this.destroy()
      return false
    }
    if (reader.isEnded) {
      this.#hasServed = true
      if (!this.#keeps || at < length) this.destroy()
      this.#finish(undefined)
      return true
    }
    if (!reader.isHeld) return true
    this.#rest = bytes.slice(at, length)
    return false
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #finish(trouble: Trouble.Trouble | undefined): void {
    const done = this.#done
    this.#reader = undefined
    this.#done = undefined
    this.#onBody = undefined
    done?.(trouble)
  }

  #closed(): void {
    const reader = this.#reader
    if (reader === undefined || (reader.isHeld && this.#onBody === undefined)) return
    if (reader.endsWithConnection) return this.#finish(undefined)
    this.#finish(this.#isHeard ? CUT : this.#hasServed ? STALE : MUTE)
  }
}
