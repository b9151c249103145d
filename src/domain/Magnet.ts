/**
 * Links that name a torrent by its hash (BEP 9, 52, 53): `magnet:?xt=urn:btih:…&dn=…&tr=…`. Only a hash makes one; all the
 * rest are hints, and a hint that makes no sense is left out.
 */
import * as Data from "effect/Data"
import * as Result from "effect/Result"
import * as Bytes from "./Bytes.ts"
import * as Host from "./Host.ts"
import * as InfoHash from "./InfoHash.ts"
import * as InfoHashV2 from "./InfoHashV2.ts"
import { isUrl } from "./metainfo/Links.ts"
import * as Runs from "./Runs.ts"
import * as Percent from "./tracker/Percent.ts"

/** At least one of the hashes is there; a hybrid torrent has both. */
export interface Magnet {
  readonly infoHashV1: InfoHash.InfoHash | undefined
  readonly infoHashV2: InfoHashV2.InfoHashV2 | undefined
  /** What to call the torrent until it is there: a stranger's text, of any characters. */
  readonly name: string | undefined
  /** Announce URLs, each a tier of its own. */
  readonly trackers: ReadonlyArray<string>
  readonly webSeeds: ReadonlyArray<string>
  readonly peers: ReadonlyArray<Host.Host>
  /** Indices of the files to fetch (BEP 53), in order, the runs apart from each other; `undefined` for all. */
  readonly selected: Runs.Runs | undefined
}

/** Longest link that is read, in characters. The longest that {@link format} makes of a {@link Magnet} has less. */
export const MAX_LENGTH = 4 * 1024 * 1024

/** Trackers, web seeds or peers; more are left out. */
export const MAX_HINTS = 100

/** Longest URL, in characters. */
const MAX_URL = 2048

/** Longest name, in characters. */
const MAX_NAME = 1024

const MAX_RANGES = 1024

/** Fields that are looked at: each takes a few µs. */
const MAX_FIELDS = 1024

/** The last index of the largest torrent. */
const MAX_INDEX = 1_048_575

/** Why a text is no magnet link; `message` is one line. */
export class MagnetError extends Data.TaggedError("MagnetError")<{
  readonly reason: "NotMagnet" | "TooLong" | "NoHash" | "BadHash" | "TwoTorrents"
  readonly message: string
}> {}

const fail = (reason: MagnetError["reason"], message: string): Result.Result<never, MagnetError> =>
  Result.fail(new MagnetError({ reason, message }))

const BASE32 = "abcdefghijklmnopqrstuvwxyz234567"

/** The 20 bytes of 32 digits (RFC 4648). */
const fromBase32 = (text: string): Uint8Array | undefined => {
  if (!/^[a-z2-7]{32}$/i.test(text)) return undefined
  const out = new Uint8Array(InfoHash.BYTES)
  for (let digit = 0; digit < text.length; digit++) {
    const value = BASE32.indexOf(text[digit]!.toLowerCase())
    for (let bit = 0; bit < 5; bit++) {
      const at = digit * 5 + bit
      if ((value & (16 >>> bit)) !== 0) out[at >>> 3]! |= 0x80 >>> (at & 7)
    }
  }
  return out
}

const parseV1 = (text: string): InfoHash.InfoHash | undefined => {
  const bytes = fromBase32(text)
  return bytes === undefined ? InfoHash.parse(text) : InfoHash.fromBytes(bytes)
}

/** Multihash: the code of SHA-256, and its length. */
const SHA256 = "1220"

const bare = (hashes: Pick<Magnet, "infoHashV1" | "infoHashV2">): Magnet => ({
  ...hashes,
  name: undefined,
  trackers: [],
  webSeeds: [],
  peers: [],
  selected: undefined
})

/** A hash alone, as people paste it: 40 hex or 32 base32 digits (version 1), 64 hex digits (version 2), of any case. */
export const fromHash = (text: string): Magnet | undefined => {
  const infoHashV1 = parseV1(text)
  const infoHashV2 = InfoHashV2.parse(text)
  return infoHashV1 === undefined && infoHashV2 === undefined ? undefined : bare({ infoHashV1, infoHashV2 })
}

/** Each escape a byte, all bytes UTF-8. */
const decode = (text: string): string =>
  Bytes.toUtf8(Bytes.fromLatin1(Percent.decode(Bytes.toLatin1(Bytes.fromUtf8(text)))))

const encode = (text: string): string => Percent.encode(Bytes.toLatin1(Bytes.fromUtf8(text)))

interface Field {
  readonly key: string
  /** Not decoded. */
  readonly value: string
}

/** `tr.1` is `tr`; `&amp;` is what a link copied from the source of a page has for `&`. */
const fieldsOf = (query: string): Array<Field> =>
  query.split(/&(?:amp;)?/, MAX_FIELDS).map((part) => {
    const at = part.indexOf("=")
    return at < 0 ? { key: "", value: "" } : {
      key: part.slice(0, at).toLowerCase().replace(/\.\d+$/, ""),
      value: part.slice(at + 1)
    }
  })

const valuesOf = (fields: ReadonlyArray<Field>, key: string): Array<string> =>
  fields.flatMap((field) => field.key === key ? [decode(field.value).trim()] : [])

/** The one hash of all topics that begin with a prefix; `undefined` when there are none. */
const oneHash = <A>(
  topics: ReadonlyArray<string>,
  prefix: string,
  read: (text: string) => A | undefined,
  expected: string
): Result.Result<A | undefined, MagnetError> => {
  let found: A | undefined
  for (const topic of topics) {
    if (topic.slice(0, prefix.length).toLowerCase() !== prefix) continue
    const hash = read(topic.slice(prefix.length))
    if (hash === undefined) return fail("BadHash", `what follows xt=${prefix} in the magnet link is not ${expected}`)
    if (found !== undefined && found !== hash) {
      return fail(
        "TwoTorrents",
        `the magnet link has two different hashes with xt=${prefix}, and only one can be meant`
      )
    }
    found = hash
  }
  return Result.succeed(found)
}

/** Each value once, where it came first, and no more than there is room for. */
const distinct = <A>(values: Iterable<A>, key: (value: A) => string): Array<A> => {
  const found = new Map<string, A>()
  for (const value of values) {
    if (found.size === MAX_HINTS) break
    if (!found.has(key(value))) found.set(key(value), value)
  }
  return Array.from(found.values())
}

const urls = (values: ReadonlyArray<string>): Array<string> =>
  distinct(values.filter((url) => url.length <= MAX_URL && isUrl(url)), (url) => url)

const parseSelection = (lists: ReadonlyArray<string>): Runs.Runs | undefined => {
  const ranges: Array<Runs.Run> = []
  for (const part of lists.join(",").split(",", MAX_RANGES)) {
    const match = /^(\d{1,7})(?:-(\d{1,7}))?$/.exec(part)
    if (match === null) continue
    const first = Number(match[1])
    const last = Number(match[2] ?? match[1])
    if (first <= last && last <= MAX_INDEX) ranges.push({ first, last })
  }
  return ranges.length === 0 ? undefined : Runs.merged(ranges)
}

/** A `+` is a space in names, as forms and older programs write it; in URLs it is itself. */
const nameOf = (fields: ReadonlyArray<Field>): string | undefined => {
  const names = fields.flatMap(({ key, value }) => key === "dn" ? [decode(value.replaceAll("+", " ")).trim()] : [])
  return named(names.find((name) => name !== ""))
}

/** Not longer than a name may be, and without half a character at its end. */
const named = (text: string | undefined): string | undefined =>
  text?.slice(0, MAX_NAME).replace(/[\ud800-\udbff]$/, "").trim() || undefined

/**
 * Reads a link. Scheme, keys and hashes may be of any case, keys may be numbered, and unknown keys and topics are passed
 * over. Of a repeated name the first counts.
 */
export const parse = (text: string): Result.Result<Magnet, MagnetError> =>
  Result.gen(function*() {
    const link = text.trim()
    if (!/^magnet:\?/i.test(link)) return yield* fail("NotMagnet", "a magnet link begins with magnet:?")
    if (link.length > MAX_LENGTH) {
      return yield* fail("TooLong", `the magnet link has more than ${MAX_LENGTH} characters`)
    }
    const fields = fieldsOf(link.slice("magnet:?".length))
    const topics = valuesOf(fields, "xt")
    const infoHashV1 = yield* oneHash(topics, "urn:btih:", parseV1, "40 hex or 32 base32 digits")
    const infoHashV2 = yield* oneHash(
      topics,
      "urn:btmh:",
      (hash) => hash.startsWith(SHA256) ? InfoHashV2.parse(hash.slice(SHA256.length)) : undefined,
      `${SHA256} and 64 hex digits`
    )
    if (infoHashV1 === undefined && infoHashV2 === undefined) {
      return yield* fail("NoHash", "the magnet link names no torrent: it has neither xt=urn:btih: nor xt=urn:btmh:")
    }
    return {
      infoHashV1,
      infoHashV2,
      name: nameOf(fields),
      trackers: urls(valuesOf(fields, "tr")),
      webSeeds: urls(valuesOf(fields, "ws")),
      peers: distinct(
        valuesOf(fields, "x.pe").flatMap((peer) => Host.parse(peer) ?? []),
        Host.format
      ),
      selected: parseSelection(valuesOf(fields, "so"))
    }
  })

/** The link. What {@link parse} or {@link fromMetainfo} gave comes back from it as it was. */
export const format = (magnet: Magnet): string => {
  const fields = [
    ...magnet.infoHashV1 === undefined ? [] : [`xt=urn:btih:${magnet.infoHashV1}`],
    ...magnet.infoHashV2 === undefined ? [] : [`xt=urn:btmh:${SHA256}${magnet.infoHashV2}`],
    ...magnet.name === undefined ? [] : [`dn=${encode(magnet.name)}`],
    ...magnet.trackers.map((url) => `tr=${encode(url)}`),
    ...magnet.webSeeds.map((url) => `ws=${encode(url)}`),
    // libtorrent does not decode these.
    ...magnet.peers.map((peer) => `x.pe=${Host.format(peer)}`),
    ...magnet.selected === undefined
      ? []
      : [`so=${Runs.format(magnet.selected).replaceAll(" ", "")}`]
  ]
  return `magnet:?${fields.join("&")}`
}

/** What a {@link Metainfo} says that a link can say too. */
export interface Source extends Pick<Magnet, "infoHashV1" | "infoHashV2"> {
  readonly name: string
  readonly trackers: ReadonlyArray<ReadonlyArray<string>>
  readonly webSeeds: ReadonlyArray<string>
}

export interface FromOptions {
  readonly peers?: ReadonlyArray<Host.Host> | undefined
  readonly selected?: Runs.Runs | undefined
}

/** The link to a torrent, with as many of its trackers and web seeds as a link may have. */
export const fromMetainfo = (metainfo: Source, options: FromOptions = {}): Magnet => ({
  infoHashV1: metainfo.infoHashV1,
  infoHashV2: metainfo.infoHashV2,
  name: named(metainfo.name.trim()),
  trackers: urls(metainfo.trackers.flat()),
  webSeeds: urls(metainfo.webSeeds),
  peers: distinct((options.peers ?? []).flatMap((peer) => Host.parse(Host.format(peer)) ?? []), Host.format),
  selected: options.selected === undefined || options.selected.length === 0 ? undefined : Runs.merged(options.selected)
})
