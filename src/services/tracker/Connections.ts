/**
 * The open TCP connections of a tracker, bounded. At the bound the one that has done nothing for longest, of a few chosen
 * by chance, gives way: thousands of half-open connections then cost only each other.
 */
import type { Socket } from "node:net"

export interface Connection {
  readonly socket: Socket
  /** The address of the other end. */
  readonly host: string
  /** Requests that are not answered yet; {@link Connections} counts them. */
  busy: number
  /** When it was opened or last answered, ms. */
  idleSince: number
  /** Where it stands in the table. */
  index: number
}

/** How many are looked at to find one that may go. */
const SAMPLES = 16

/** What has been idle for less is likely a client about to ask. */
const GRACE_MS = 1000

export class Connections {
  readonly #open: Array<Connection> = []
  readonly #bySocket = new WeakMap<Socket, Connection>()
  readonly #max: number
  readonly #random: () => number
  #busy = 0
  #onQuiet: (() => void) | undefined

  /** @param random gives numbers in [0, 1) */
  constructor(max: number, random: () => number) {
    this.#max = max
    this.#random = random
  }

  get size(): number {
    return this.#open.length
  }

  /** Takes a connection in; `undefined` when all are in use. */
  admit(socket: Socket, now: number): { readonly connection: Connection; readonly gaveWay: boolean } | undefined {
    const gaveWay = this.#open.length >= this.#max
    if (gaveWay && !this.#dropIdle(now)) return undefined
    const host = socket.remoteAddress ?? ""
    const connection: Connection = { socket, host, busy: 0, idleSince: now, index: this.#open.length }
    this.#open.push(connection)
    this.#bySocket.set(socket, connection)
    socket.once("close", () => this.#leave(connection))
    return { connection, gaveWay }
  }

  /** A request has come. */
  begin(connection: Connection): void {
    connection.busy++
    this.#busy++
  }

  /** A request has had its answer, or its connection is gone. */
  end(connection: Connection, now: number): void {
    connection.busy--
    connection.idleSince = now
    if (--this.#busy === 0) this.#onQuiet?.()
  }

  /** Calls once, as soon as no request waits for its answer. */
  whenQuiet(call: () => void): void {
    this.#onQuiet = call
    if (this.#busy === 0) call()
  }

  /** Ends those that wait for no answer. */
  closeIdle(): void {
    for (const { busy, socket } of this.#open.slice()) if (busy === 0) socket.destroy()
  }

  closeAll(): void {
    for (const { socket } of this.#open.slice()) socket.destroy()
  }

  of(socket: Socket): Connection | undefined {
    return this.#bySocket.get(socket)
  }

  #dropIdle(now: number): boolean {
    let oldest: Connection | undefined
    for (let i = 0; i < SAMPLES; i++) {
      const seen = this.#open[Math.floor(this.#random() * this.#open.length)]
      if (seen === undefined || seen.busy > 0 || seen.idleSince > now - GRACE_MS) continue
      if (oldest === undefined || seen.idleSince < oldest.idleSince) oldest = seen
    }
    if (oldest === undefined) return false
    this.#leave(oldest)
    oldest.socket.destroy()
    return true
  }

  #leave(connection: Connection): void {
    if (this.#open[connection.index] !== connection) return
    const last = this.#open.pop()!
    if (last === connection) return
    last.index = connection.index
    this.#open[connection.index] = last
  }
}
