/** The address of a web seed (BEP 19), apart from its user and password, which are never shown. */
import * as Bytes from "../Bytes.ts"
import * as Percent from "../tracker/Percent.ts"

export interface SeedUrl {
  /** Without user and password. */
  readonly base: string
  /** For messages. */
  readonly shown: string
  readonly origin: string
  /** What `Authorization` says (RFC 7617), when the URL has a user or a password. */
  readonly authorization: string | undefined
}

const authorizationOf = ({ password, username }: URL): string | undefined =>
  username === "" && password === ""
    ? undefined
    : `Basic ${btoa(`${Percent.decode(username)}:${Percent.decode(password)}`)}`

/** A text with a user or password hidden, whether it is a URL or not. */
export const hidden = (text: string): string => text.replace(/(\/\/)[^/?#]*@/, "$1")

const PRINTABLE = /[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

/** `undefined` for what is no http(s) URL: BEP 19 has other kinds ignored. */
export const parse = (text: string): SeedUrl | undefined => {
  if (!URL.canParse(text)) return undefined
  const url = new URL(text)
  if (url.protocol !== "http:" && url.protocol !== "https:") return undefined
  const authorization = authorizationOf(url)
  url.username = url.password = url.hash = ""
  const base = url.href
  return { base, shown: (base.match(PRINTABLE) ?? []).join(""), origin: url.origin, authorization }
}

/** Names as they stand in a path of a URL; `undefined` where one would lead elsewhere. */
export const pathOf = (names: ReadonlyArray<Uint8Array>): string | undefined => {
  const parts: Array<string> = []
  for (const name of names) {
    const part = Percent.encode(Bytes.toLatin1(name))
    if (part === "" || part === "." || part === "..") return undefined
    parts.push(part)
  }
  return parts.length === 0 ? undefined : parts.join("/")
}

/**
 * Where a file is, by what {@link pathOf} made of its names. A URL of a single file is used as it is unless it ends in a slash.
 */
export const fileUrl = (base: string, path: string, multiFile: boolean): string =>
  base.endsWith("/") ? base + path : multiFile ? `${base}/${path}` : base
