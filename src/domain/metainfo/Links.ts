/** Where a .torrent says that peers and data are to be had (BEP 3, 5, 12, 19). What makes no sense is left out. */
import * as Bencode from "../Bencode.ts"

/** Trackers, web seeds or nodes of one torrent; more are left out, as are longer URLs. */
const MAX_LINKS = 1024
const MAX_URL = 4096

const URL_SHAPE = /^[a-z][a-z\d+.-]*:\/\/[^\s\p{Cc}/][^\s\p{Cc}]*$/iu

/** Whether a text looks like the URL of a tracker or a web seed, of whatever scheme. */
export const isUrl = (text: string): boolean => URL_SHAPE.test(text)

export interface Node {
  readonly host: string
  readonly port: number
}

/** The URLs among some values, once each and not more than there is room for; `seen` spans all calls of one list. */
export const urls = (values: Iterable<Bencode.Value>, seen: Set<string>): Array<string> => {
  const found: Array<string> = []
  for (const value of values) {
    if (seen.size >= MAX_LINKS) break
    if (value.end - value.start > MAX_URL) continue
    const url = Bencode.text(value)?.trim() ?? ""
    if (seen.has(url) || !isUrl(url)) continue
    seen.add(url)
    found.push(url)
  }
  return found
}

export const itemsOrSelf = (value: Bencode.Value | undefined): Iterable<Bencode.Value> =>
  value?.kind === "Bytes" ? [value] : Bencode.items(value)

/** Tiers of `announce-list`, where a bare URL is a tier of its own; `announce` when the list has no URL (BEP 12). */
export const trackers = (
  list: Bencode.Value | undefined,
  announce: Bencode.Value | undefined
): Array<Array<string>> => {
  const seen = new Set<string>()
  const tiers: Array<Array<string>> = []
  for (const tier of Bencode.items(list)) {
    if (seen.size >= MAX_LINKS) break
    const found = urls(itemsOrSelf(tier), seen)
    if (found.length > 0) tiers.push(found)
  }
  if (tiers.length > 0) return tiers
  const single = urls(itemsOrSelf(announce), seen)
  return single.length > 0 ? [single] : []
}

/** DHT nodes: pairs of host and port (BEP 5). */
export const nodes = (list: Bencode.Value | undefined): Array<Node> => {
  const found: Array<Node> = []
  for (const item of Bencode.items(list)) {
    if (found.length >= MAX_LINKS) break
    const [first, second] = Bencode.items(item)
    const host = Bencode.text(first) ?? ""
    const port = Bencode.integer(second) ?? 0
    if (/^[^\s\p{Cc}]{1,255}$/u.test(host) && port >= 1 && port <= 0xffff) found.push({ host, port })
  }
  return found
}
