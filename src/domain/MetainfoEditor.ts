/**
 * Changes a .torrent where it was asked to and nowhere else: every other key keeps its bytes and its place, whatever it
 * is. `info`, and with it the info hash, stays as it is unless a changed field lies in it.
 */
import * as Result from "effect/Result"
import * as Bencode from "./Bencode.ts"
import * as Bytes from "./Bytes.ts"
import * as Metainfo from "./Metainfo.ts"

/** First all are taken away, then some, then others are put at the end. */
export interface ListEdit {
  readonly clear?: boolean | undefined
  readonly remove?: ReadonlyArray<string> | undefined
  /** Tiers, of which what is there already is not added again. */
  readonly add?: ReadonlyArray<ReadonlyArray<string>> | undefined
}

/** What is `undefined` stays; `null` takes a text away. */
export interface Edits {
  /** Announce URLs (BEP 12). */
  readonly trackers?: ListEdit | undefined
  /** Tiers mean nothing here. */
  readonly webSeeds?: ListEdit | undefined
  readonly comment?: string | null | undefined
  /** In `info`. */
  readonly source?: string | null | undefined
  /** In `info` (BEP 27). */
  readonly private?: boolean | undefined
  /** In `info`. */
  readonly name?: string | undefined
}

export interface Edited {
  /** The document; the same bytes when nothing had to be changed. */
  readonly bytes: Uint8Array
  readonly before: Metainfo.Metainfo
  readonly after: Metainfo.Metainfo
  /** URLs that were to be removed and were not there. */
  readonly absent: ReadonlyArray<string>
}

/** New values by key, encoded; `undefined` for a key to be taken away. */
type Changes = Map<string, Uint8Array | undefined>

const encoded = (value: Bencode.Encodable | undefined): Uint8Array | undefined =>
  value === undefined ? undefined : Bencode.encode(value)

const START = Bytes.fromUtf8("d")
const END = Bytes.fromUtf8("e")

/**
 * The dictionary with these changes. A new key goes before the first one that is greater; of a repeated key, which counts
 * where it stands first, nothing stays that would count in its place.
 */
const withChanges = (dictionary: Bencode.Value, changes: Changes): Uint8Array => {
  const fieldOf = (key: Uint8Array, value: Uint8Array | undefined) =>
    value === undefined ? Bytes.empty : Bytes.concat([Bencode.encode(key), value])
  const present = new Set(Array.from(Bencode.entries(dictionary), ([key]) => Bytes.toLatin1(key)))
  const added = Array.from(changes, ([name, value]) => ({ name, key: Bytes.fromLatin1(name), value }))
    .filter(({ name }) => !present.has(name))
    .sort((a, b) => Bytes.compare(a.key, b.key))
  const replaced = new Set<string>()
  const parts = [START]
  let at = dictionary.start + 1
  for (const [key, value] of Bencode.entries(dictionary)) {
    while (added.length > 0 && Bytes.compare(added[0]!.key, key) < 0) {
      const { key, value } = added.shift()!
      parts.push(fieldOf(key, value))
    }
    const name = Bytes.toLatin1(key)
    if (!changes.has(name)) parts.push(dictionary.document.subarray(at, value.end))
    else if (!replaced.has(name)) parts.push(fieldOf(key, changes.get(name)))
    replaced.add(name)
    at = value.end
  }
  return Bytes.concat([...parts, ...added.map(({ key, value }) => fieldOf(key, value)), END])
}

/** URLs as they stand, in tiers. */
type Tiers = ReadonlyArray<ReadonlyArray<Uint8Array>>

const stringsOf = (value: Bencode.Value | undefined): Array<Uint8Array> =>
  value?.kind === "Bytes"
    ? [Bencode.bytes(value)!]
    : Array.from(Bencode.items(value)).flatMap((item) => Bencode.bytes(item) ?? [])

const urlOf = (bytes: Uint8Array): string => Bytes.toUtf8(bytes).trim()

const isUnwanted = ({ clear = false, remove = [] }: ListEdit): (url: Uint8Array) => boolean => {
  const unwanted = new Set(remove)
  return (url) => clear || unwanted.has(urlOf(url))
}

/** What is taken away and put back in the same place is no change, and the same tiers are given back. */
const editTiers = (tiers: Tiers, edit: ListEdit): Tiers => {
  const away = isUnwanted(edit)
  const kept = tiers.map((tier) => tier.filter((url) => !away(url)))
  const there = new Set(kept.flat().map(urlOf))
  const isNew = (url: string): boolean => {
    const isKnown = there.has(url)
    there.add(url)
    return !isKnown
  }
  const added = (edit.add ?? []).map((tier) => tier.filter(isNew).map(Bytes.fromUtf8))
  const after = [...kept, ...added].filter((tier) => tier.length > 0)
  const isSame = after.length === tiers.length &&
    after.every((tier, i) =>
      tier.length === tiers[i]!.length && tier.every((url, j) => Bytes.equals(url, tiers[i]![j]!))
    )
  return isSame ? tiers : after
}

const absentFrom = (present: Iterable<Uint8Array>, { remove = [] }: ListEdit): ReadonlyArray<string> => {
  const urls = new Set(Array.from(present, urlOf))
  return remove.filter((url) => !urls.has(url))
}

type Root = { readonly [N in "announce" | "announce-list" | "url-list"]?: Bencode.Value }

/**
 * Whoever follows BEP 12 does not look at an `announce` that is not in the list as well. It is kept all the same, until
 * it is removed.
 */
const changeTrackers = (changes: Changes, root: Root, edit: ListEdit): ReadonlyArray<string> => {
  const announce = Bencode.bytes(root.announce)
  const listed: Tiers = Array.from(Bencode.items(root["announce-list"]), stringsOf).filter((tier) => tier.length > 0)
  const before: Tiers = listed.length > 0 || announce === undefined || announce.length === 0 ? listed : [[announce]]
  const after = editTiers(before, edit)
  const first = after[0]?.[0]
  const isLost = announce !== undefined && isUnwanted(edit)(announce) &&
    !after.flat().some((url) => Bytes.equals(url, announce))
  if (isLost || (after !== before && announce === undefined)) changes.set("announce", encoded(first))
  if (after !== before) {
    const needsList = listed.length > 0 || after.flat().length > 1
    changes.set("announce-list", encoded(needsList ? orNothing(after) : undefined))
  }
  return absentFrom([...before.flat(), ...stringsOf(root.announce)], edit)
}

const orNothing = <A>(list: ReadonlyArray<A>): ReadonlyArray<A> | undefined => list.length === 0 ? undefined : list

const changeWebSeeds = (changes: Changes, root: Root, edit: ListEdit): ReadonlyArray<string> => {
  // An empty text stands for no web seed in what some programs write.
  const before = stringsOf(root["url-list"]).filter((url) => url.length > 0).map((url) => [url])
  const after = editTiers(before, { ...edit, add: (edit.add ?? []).flat().map((url) => [url]) })
  if (after !== before) changes.set("url-list", encoded(orNothing(after.flat())))
  return absentFrom(before.flat(), edit)
}

/** Programs that write a text twice, once as `key.utf-8`, are read by the second. */
const changeText = (
  changes: Changes,
  dictionary: Bencode.Value,
  key: string,
  text: string | null | undefined
): void => {
  const twin = `${key}.utf-8`
  const fields = Bencode.pick(dictionary, [key, twin])
  if (text === undefined || text === (Bencode.text(fields[twin]) ?? Bencode.text(fields[key]))) return
  if (text !== null || fields[key] !== undefined) changes.set(key, encoded(text ?? undefined))
  if (fields[twin] !== undefined) changes.set(twin, encoded(text ?? undefined))
}

const changePrivate = (changes: Changes, info: Bencode.Value, wanted: boolean | undefined): void => {
  const isPrivate = (Bencode.integer(Bencode.pick(info, ["private"]).private) ?? 0) !== 0
  if (wanted !== undefined && wanted !== isPrivate) changes.set("private", encoded(wanted ? 1 : undefined))
}

/** In version 2 the one file has its name in the file tree as well (BEP 52). */
const namedTwice = ({ multiFile, version }: Metainfo.Metainfo): Result.Result<void, Metainfo.MetainfoError> =>
  version === "1" || multiFile ? Result.void : Result.fail(
    new Metainfo.MetainfoError({
      reason: "Invalid",
      message: "the name of a single file of version 2 cannot be changed: make the torrent anew"
    })
  )

/** Fails when the document is no torrent, or would not be one any more. Bytes after its end are kept. */
export const edit = (
  document: Uint8Array,
  edits: Edits,
  options: Metainfo.ParseOptions = {}
): Result.Result<Edited, Metainfo.MetainfoError> =>
  Result.gen(function*() {
    const before = yield* Metainfo.parse(document, options)
    const root = Result.getOrThrow(Bencode.read(document, { ...Bencode.DOCUMENT, maxBytes: document.length }))
    const fields = Bencode.pick(root, ["announce", "announce-list", "url-list", "info"])
    const info = fields.info!
    const inInfo: Changes = new Map()
    changeText(inInfo, info, "name", edits.name)
    if (inInfo.size > 0) yield* namedTwice(before)
    changeText(inInfo, info, "source", edits.source)
    changePrivate(inInfo, info, edits.private)
    const changes: Changes = new Map()
    const absent = [
      ...edits.trackers === undefined ? [] : changeTrackers(changes, fields, edits.trackers),
      ...edits.webSeeds === undefined ? [] : changeWebSeeds(changes, fields, edits.webSeeds)
    ]
    changeText(changes, root, "comment", edits.comment)
    if (inInfo.size > 0) changes.set("info", withChanges(info, inInfo))
    if (changes.size === 0) return { bytes: document, before, after: before, absent }
    const bytes = Bytes.concat([withChanges(root, changes), document.subarray(root.end)])
    const after = yield* Metainfo.parse(bytes, options)
    return { bytes, before, after, absent }
  })
