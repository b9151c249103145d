/** CONNECT (RFC 9110, section 9.3.6): how an HTTP proxy is asked for a connection. */
import * as Bytes from "../Bytes.ts"
import * as Host from "../Host.ts"
import { printable } from "../Printable.ts"
import type { Login } from "../Proxy.ts"
import { failed, MORE, type Step, type Talk } from "./Talk.ts"

/** Bytes of the head of an answer, with those of interim answers before it. */
export const MAX_HEAD = 16 * 1024

/** Characters of what a proxy says that users are shown. */
const MAX_WORDS = 80

/** Basic authentication (RFC 7617). */
const credentials = ({ password, user }: Login): string =>
  `Proxy-Authorization: Basic ${btoa(Bytes.toLatin1(Bytes.fromUtf8(`${user}:${password}`)))}\r\n`

/** @param to a host of printable ASCII without spaces */
export const request = (to: Host.Host, login: Login | undefined): Uint8Array => {
  const target = Host.format(to)
  return Bytes.fromUtf8(
    `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n${login === undefined ? "" : credentials(login)}\r\n`
  )
}

const CR = 0x0d
const LF = 0x0a

/** Where the empty line behind a head ends; -1 when it has not come. */
const endOfHead = (bytes: Uint8Array, from: number): number => {
  for (let at = bytes.indexOf(LF, from); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    const next = bytes[at + 1] === CR ? at + 2 : at + 1
    if (bytes[next] === LF) return next + 1
  }
  return -1
}

const refusal = (status: number, words: string, hasLogin: boolean): Step => {
  if (status === 407) {
    const detail = hasLogin ? "refuses this user and password" : "wants a user and password"
    return failed("proxy", "EPROXY", detail)
  }
  const said = words === "" ? String(status) : `${status} ${printable(words).slice(0, MAX_WORDS)}`
  if (status === 504) return failed("target", "ETIMEDOUT", `gave up waiting for the host (${said})`)
  if (status >= 500) return failed("target", "EHOSTUNREACH", `cannot reach the host (${said})`)
  return failed("proxy", "EPROXY", `does not allow this connection (${said})`)
}

const FOREIGN = failed("proxy", "EPROXY", "does not speak HTTP")

export class Dialogue implements Talk {
  readonly #to: Host.Host
  readonly #login: Login | undefined
  #pending: Uint8Array = Bytes.empty

  constructor(to: Host.Host, login: Login | undefined) {
    this.#to = to
    this.#login = login
  }

  readonly begin = (): Uint8Array => request(this.#to, this.#login)

  readonly push = (bytes: Uint8Array): Step => {
    const pending = this.#pending = Bytes.concat([this.#pending, bytes])
    for (let from = 0;;) {
      const end = endOfHead(pending.subarray(0, MAX_HEAD), from)
      if (end < 0) break
      const [line = ""] = Bytes.toLatin1(pending.subarray(from, end)).split(/\r?\n/, 1)
      const match = /^HTTP\/1\.[01] (\d{3})(?: (.*))?$/.exec(line)
      if (match === null) return FOREIGN
      const status = Number(match[1])
      if (status >= 200 && status < 300) return { _tag: "Open", rest: pending.slice(end), bound: undefined }
      if (status < 100 || status >= 200) return refusal(status, match[2] ?? "", this.#login !== undefined)
      from = end
    }
    const isForeign = !"HTTP/1.".startsWith(Bytes.toLatin1(pending.subarray(0, 7)))
    return isForeign || pending.length >= MAX_HEAD ? FOREIGN : MORE
  }
}
