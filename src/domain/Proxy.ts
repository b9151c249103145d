/** A proxy through which everything goes: SOCKS5 (RFC 1928), or HTTP with CONNECT (RFC 9110). */
import * as Host from "./Host.ts"

export interface Proxy extends Host.Host {
  readonly kind: "socks5" | "http"
  /** Both or neither; 1 to 255 bytes of UTF-8 each (RFC 1929). */
  readonly login?: Login | undefined
}

export interface Login {
  readonly user: string
  readonly password: string
}

/** Names are always for the proxy to resolve, so `socks5h` says nothing more than `socks5`. */
const KINDS: Readonly<Record<string, { readonly kind: Proxy["kind"]; readonly port: number }>> = {
  "socks5:": { kind: "socks5", port: 1080 },
  "socks5h:": { kind: "socks5", port: 1080 },
  "http:": { kind: "http", port: 80 }
}

const MAX_LOGIN = 255

const MAX_URL = 2048

const encoder = new TextEncoder()

const word = (text: string): string | undefined => {
  try {
    const decoded = decodeURIComponent(text)
    const { length } = encoder.encode(decoded)
    return length >= 1 && length <= MAX_LOGIN && !/\p{Cc}/u.test(decoded) ? decoded : undefined
  } catch {
    return undefined
  }
}

const loginOf = ({ password, username }: URL): Login | undefined | "Wrong" => {
  if (username === "" && password === "") return undefined
  const user = word(username)
  const secret = word(password)
  // A colon would end the user's name in the header of HTTP (RFC 7617).
  return user === undefined || secret === undefined || user.includes(":") ? "Wrong" : { user, password: secret }
}

/**
 * Reads `socks5://host:1080`, `socks5h://user:password@host` or `http://host:3128`; `undefined` for anything else, a proxy
 * that is spoken to over TLS among it.
 */
export const parse = (text: string): Proxy | undefined => {
  if (text.length > MAX_URL || /[\s\p{Cc}]/u.test(text)) return undefined
  const [, scheme = "", rest = ""] = /^([a-z\d]+:)\/\/([^/?#]+)\/?$/i.exec(text) ?? []
  const known = KINDS[scheme.toLowerCase()]
  // The host as http reads it: names in ASCII, numbers of any form as an address.
  if (known === undefined || !URL.canParse(`http://${rest}`)) return undefined
  const url = new URL(`http://${rest}`)
  const given = /:(\d+)$/.exec(rest.slice(rest.lastIndexOf("@") + 1))
  const port = given === null ? known.port : Number(given[1])
  const host = Host.parse(`${url.hostname}:${port}`)
  const login = loginOf(url)
  return host === undefined || login === "Wrong" ? undefined : { kind: known.kind, ...host, login }
}

/** For users to read: without what only the proxy may know. */
export const format = (proxy: Proxy): string => `${proxy.kind}://${Host.format(proxy)}`

/** What was meant for {@link parse}, as far as it may be shown: where the password is in it nobody can know. */
export const conceal = (text: string): string => `${/^[a-z\d]{1,16}:\/\//i.exec(text)?.[0] ?? ""}***`
