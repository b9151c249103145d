/** SOCKS5 (RFC 1928) with a user's name and password (RFC 1929), and the header of its UDP datagrams. */
import * as Bytes from "../Bytes.ts"
import type * as Host from "../Host.ts"
import * as HostBytes from "../HostBytes.ts"
import * as PeerAddress from "../PeerAddress.ts"
import type { Login } from "../Proxy.ts"
import { failed, MORE, type Step, type Talk } from "./Talk.ts"

export type Command = "connect" | "associate"

const VERSION = 5
const LOGIN_VERSION = 1
const COMMANDS: Readonly<Record<Command, number>> = { connect: 1, associate: 3 }
const OPEN_TO_ALL = 0
const PASSWORD = 2
const IP4 = 1
const NAME = 3
const IP6 = 4

/** RFC 1928 has one byte for the length of a name. */
export const MAX_NAME = 255

/** Type, port and the longest host. */
const MAX_PLACE = 1 + 1 + MAX_NAME + 2

/** The longest thing a proxy has to say: a reply with a name. */
const MAX_REPLY = 3 + MAX_PLACE

export const greeting = (hasLogin: boolean): Uint8Array =>
  Uint8Array.from(hasLogin ? [VERSION, 2, OPEN_TO_ALL, PASSWORD] : [VERSION, 1, OPEN_TO_ALL])

export const login = ({ password, user }: Login): Uint8Array => {
  const [name, secret] = [Bytes.fromUtf8(user), Bytes.fromUtf8(password)]
  return Uint8Array.from([LOGIN_VERSION, name.length, ...name, secret.length, ...secret])
}

/** Type, host and port. A name longer than {@link MAX_NAME} bytes is cut, and so leads nowhere. */
const place = ({ host, port }: Host.Host): Uint8Array => {
  const out = new Uint8Array(MAX_PLACE)
  const length = HostBytes.write(host, out, 1)
  let at = 1 + length
  if (length === 0) {
    const name = Bytes.fromUtf8(host).subarray(0, MAX_NAME)
    out[1] = name.length
    out.set(name, 2)
    at = 2 + name.length
  }
  out[0] = length === 4 ? IP4 : length === 16 ? IP6 : NAME
  Bytes.writeUint16(out, at, port)
  return out.subarray(0, at + 2)
}

export const request = (command: Command, to: Host.Host): Uint8Array =>
  Bytes.concat([Uint8Array.of(VERSION, COMMANDS[command], 0), place(to)])

interface Place {
  readonly host: string
  readonly port: number
  readonly family: 4 | 6 | undefined
  /** Where it ends. */
  readonly end: number
}

const textOf = (bytes: Uint8Array, at: number, length: 4 | 16): string =>
  PeerAddress.fromCompact(
    Bytes.concat([bytes.subarray(at, at + length), Uint8Array.of(0, 1)]),
    length === 4 ? 4 : 6
  )[0]!
    .host

/** `undefined` when more must come, `null` when it can never be one. */
const readPlace = (bytes: Uint8Array, at: number): Place | undefined | null => {
  if (bytes.length < at + 2) return undefined
  const type = bytes[at]!
  if (type !== IP4 && type !== IP6 && type !== NAME) return null
  const from = type === NAME ? at + 2 : at + 1
  const length = type === IP4 ? 4 : type === IP6 ? 16 : bytes[at + 1]!
  const end = from + length + 2
  if (bytes.length < end) return undefined
  const host = type === NAME
    ? Bytes.toUtf8(bytes.subarray(from, from + length))
    : textOf(bytes, from, type === IP4 ? 4 : 16)
  return { host, port: Bytes.readUint16(bytes, end - 2), family: type === IP4 ? 4 : type === IP6 ? 6 : undefined, end }
}

/** The codes of RFC 1928, section 6. */
const REFUSALS: Readonly<Record<number, readonly ["proxy" | "target", code: string, detail: string]>> = {
  1: ["target", "EHOSTUNREACH", "says that it has failed"],
  2: ["proxy", "EPROXY", "does not allow this connection by its rules"],
  3: ["target", "ENETUNREACH", "finds no route to the network"],
  4: ["target", "EHOSTUNREACH", "cannot reach the host"],
  5: ["target", "ECONNREFUSED", "was refused the connection"],
  6: ["target", "ETIMEDOUT", "gave up waiting for the host"],
  7: ["proxy", "EPROXY", "does not support this command"],
  8: ["target", "EAFNOSUPPORT", "does not support this kind of address"]
}

const refusal = (command: Command, code: number): Step => {
  if (code === 7 && command === "associate") {
    return failed("target", "EOPNOTSUPP", "passes no UDP on (no UDP ASSOCIATE)")
  }
  return failed(...(REFUSALS[code] ?? ["proxy", "EPROXY", `answers with code ${code}, which means nothing`]))
}

const FOREIGN = failed("proxy", "EPROXY", "does not speak SOCKS5")

/** One talk, from the greeting to the reply. */
export class Dialogue implements Talk {
  readonly #command: Command
  readonly #to: Host.Host
  readonly #login: Login | undefined
  #pending: Uint8Array = Bytes.empty
  #awaits: "method" | "login" | "reply" = "method"

  constructor(command: Command, to: Host.Host, login: Login | undefined) {
    this.#command = command
    this.#to = to
    this.#login = login
  }

  readonly begin = (): Uint8Array => greeting(this.#login !== undefined)

  readonly push = (bytes: Uint8Array): Step => {
    this.#pending = Bytes.concat([this.#pending, bytes])
    if (this.#awaits === "reply") return this.#reply()
    const pending = this.#pending
    const version = this.#awaits === "method" ? VERSION : LOGIN_VERSION
    if (pending.length > 0 && pending[0] !== version) return FOREIGN
    if (pending.length < 2) return MORE
    // Nothing may follow before we have said more.
    if (pending.length > 2) return FOREIGN
    this.#pending = Bytes.empty
    return this.#awaits === "method" ? this.#method(pending[1]!) : this.#loggedIn(pending[1]!)
  }

  #method(method: number): Step {
    if (method === OPEN_TO_ALL) return this.#ask()
    if (method !== PASSWORD && method !== 0xff) return FOREIGN
    if (this.#login === undefined) return failed("proxy", "EPROXY", "wants a user and password")
    if (method === 0xff) return failed("proxy", "EPROXY", "takes no user and password")
    this.#awaits = "login"
    return { _tag: "Say", bytes: login(this.#login) }
  }

  #loggedIn(status: number): Step {
    return status === 0 ? this.#ask() : failed("proxy", "EPROXY", "refuses this user and password")
  }

  #ask(): Step {
    this.#awaits = "reply"
    return { _tag: "Say", bytes: request(this.#command, this.#to) }
  }

  #reply(): Step {
    const pending = this.#pending
    if (pending.length > 0 && pending[0] !== VERSION) return FOREIGN
    if (pending.length < 2) return MORE
    // Some hang up right behind the code.
    if (pending[1] !== 0) return refusal(this.#command, pending[1]!)
    const bound = readPlace(pending, 3)
    if (bound === null || (bound === undefined && pending.length >= MAX_REPLY)) return FOREIGN
    if (bound === undefined) return MORE
    return { _tag: "Open", rest: pending.slice(bound.end), bound: { host: bound.host, port: bound.port } }
  }
}

/** A datagram for `to`, as the proxy's relay takes it. */
export const wrap = (to: Host.Host, payload: Uint8Array): Uint8Array =>
  Bytes.concat([new Uint8Array(3), place(to), payload])

export interface Datagram {
  /** Of the address that it came from; `undefined` where that is a name. */
  readonly family: 4 | 6 | undefined
  /** A view into what was read. */
  readonly payload: Uint8Array
}

/** What the relay has passed on; `undefined` for a fragment, and for what is none of its datagrams. */
export const unwrap = (bytes: Uint8Array): Datagram | undefined => {
  const isWhole = bytes.length > 3 && bytes[0] === 0 && bytes[1] === 0 && bytes[2] === 0
  const from = isWhole ? readPlace(bytes, 3) : undefined
  return from ? { family: from.family, payload: bytes.subarray(from.end) } : undefined
}
