/**
 * File names from strangers, made safe component by component (BEP 52: names "must be sanitized"). A torrent is never
 * refused for an ugly name, and no name leads out of the download folder, hides its direction or its control characters,
 * or meets another file of the torrent on any file system.
 */

/**
 * How much is changed. `raw`: only what no path can have, so that data is found by the names it has on this disk, whatever
 * they hold; nothing may be made or shown by them. `posix`: only what is a danger or impossible on every system. `portable`: also what Windows cannot store under that name (device names, dots and spaces at the end).
 * `windows`: also the characters that Windows forbids or gives a meaning.
 */
export type Rules = "raw" | "posix" | "portable" | "windows"

/** Longest component, in bytes of UTF-8. */
export const MAX_COMPONENT = 255

/** Longest path below the download folder, in bytes of UTF-8 with its separators. */
export const MAX_PATH = 3072

/** Room kept for `.1234567` when a name needs a number. */
const SUFFIX = 8

/** Longest extension that survives a cut. */
const MAX_EXTENSION = 32

// Separators, C0, C1, line and paragraph separators, everything that changes the direction of text, half surrogates.
const DANGEROUS = /[/\\\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|\p{Surrogate}/gu // oxlint-disable-line no-control-regex

const WINDOWS_FORBIDDEN = /[<>:"|?*]/g

const DEVICE = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$) *(?:\.|$)/i

/** Without dots and spaces at the end; a pattern would look at each run of them from its every place. */
const withoutTrailing = (name: string): string => {
  let end = name.length
  while (end > 0 && (name[end - 1] === "." || name[end - 1] === " ")) end--
  return name.slice(0, end)
}

const NON_ASCII = /[^\u0000-\u007f]/ // oxlint-disable-line no-control-regex

const byteLength = (text: string): number => {
  let length = 0
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    // Each half of a surrogate pair counts for two of its four bytes.
    length += unit < 0x80 ? 1 : unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 2 : 3
  }
  return length
}

/** As many whole characters from the start as fit. */
const head = (text: string, maxBytes: number): string => {
  let length = 0
  let end = 0
  for (const character of text) {
    length += byteLength(character)
    if (length > maxBytes) break
    end += character.length
  }
  return text.slice(0, end)
}

/** Stem and extension, dot included; a name that starts with its only dot, or ends in a long run, is all stem. */
const split = (name: string): readonly [stem: string, extension: string] => {
  const dot = name.lastIndexOf(".")
  if (dot <= 0 || name.length - dot > MAX_EXTENSION || byteLength(name.slice(dot)) > MAX_EXTENSION) return [name, ""]
  return [name.slice(0, dot), name.slice(dot)]
}

const cut = (name: string, maxBytes: number): string => {
  if (byteLength(name) <= maxBytes) return name
  const [stem, extension] = split(name)
  return head(stem, maxBytes - byteLength(extension)) + extension
}

/** The beginning of safe components out of the beginning of any text: characters are replaced, whole names are not judged. */
export const beginning = (text: string): string => cut(text.replace(DANGEROUS, "_"), MAX_COMPONENT)

const IMPOSSIBLE = /^\.{0,2}$|[/\u0000]|\p{Surrogate}/u // oxlint-disable-line no-control-regex

/** One safe component out of any text; a safe one stays as it is. */
export const component = (name: string, rules: Rules = "portable"): string => {
  if (rules === "raw" && !IMPOSSIBLE.test(name)) return name
  let safe = name.replace(DANGEROUS, "_")
  if (rules === "windows") safe = safe.replace(WINDOWS_FORBIDDEN, "_")
  safe = cut(safe, MAX_COMPONENT)
  if (rules === "portable" || rules === "windows") {
    safe = withoutTrailing(safe)
    if (DEVICE.test(safe)) safe = withoutTrailing(cut(`_${safe}`, MAX_COMPONENT))
  }
  return safe === "" || safe === "." || safe === ".." ? "_" : safe
}

/** Equal for all names that some file system takes for one: by case, by normal form, by invisible characters. */
export const fold = (name: string): string =>
  NON_ASCII.test(name)
    ? name.normalize("NFD").replace(/\p{Default_Ignorable_Code_Point}/gu, "").toUpperCase().toLowerCase()
    : name.toLowerCase()

interface Folder {
  readonly folders: Map<string, Folder>
  /** Folded names that are given away, to folders and files. */
  readonly names: Set<string>
  /** The last number given to each name. */
  readonly numbers: Map<string, number>
}

const makeFolder = (): Folder => ({ folders: new Map(), names: new Set(), numbers: new Map() })

/** A name as it will be, its bytes, and what is equal for equal names. */
interface SafeName {
  readonly name: string
  readonly bytes: number
  readonly key: string
}

const once = <A>(make: (text: string) => A): (text: string) => A => {
  const known = new Map<string, A>()
  return (text) => {
    const before = known.get(text)
    if (before !== undefined) return before
    const made = make(text)
    known.set(text, made)
    return made
  }
}

/** What is equal for names that are one: on this disk only equal ones are. */
const keyOf = (name: string, rules: Rules): string => rules === "raw" ? name : fold(name)

/** Folders stand in the path of every file of theirs: each name is made safe once. */
const safeNames = (rules: Rules): (raw: string) => SafeName =>
  once((raw) => {
    const name = component(raw, rules)
    return { name, bytes: byteLength(name), key: keyOf(name, rules) }
  })

const enter = (folder: Folder, key: string): Folder => {
  const known = folder.folders.get(key)
  if (known !== undefined) return known
  const made = makeFolder()
  folder.folders.set(key, made)
  folder.names.add(key)
  return made
}

const claim = (folder: Folder, key: string): boolean => {
  if (folder.names.has(key)) return false
  folder.names.add(key)
  return true
}

/** Where the number of a name goes. Names that would try the same candidates have one counter. */
interface Numbered {
  readonly base: string
  readonly extension: string
  readonly counter: string
}

const numberedOf = (name: string): Numbered => {
  const [stem, extension] = split(name)
  const base = head(stem, MAX_COMPONENT - byteLength(extension) - SUFFIX)
  return { base, extension, counter: fold(`${base}/${extension}`) }
}

/**
 * The first free `stem.1.ext`, `stem.2.ext`, …. Counters only rise, so that any number of equal names costs linear time.
 */
const claimNumbered = (folder: Folder, { base, counter, extension }: Numbered, rules: Rules): string => {
  let number = folder.numbers.get(counter) ?? 0
  let candidate: string
  do candidate = component(`${base}.${++number}${extension}`, rules)
  while (!claim(folder, keyOf(candidate, rules)))
  folder.numbers.set(counter, number)
  return candidate
}

/** The folders of a path that leave room for a name behind them, then its last name. */
const fitting = (path: ReadonlyArray<string>, nameOf: (raw: string) => SafeName): Array<SafeName> => {
  const names: Array<SafeName> = []
  let length = 0
  for (let i = 0; i < path.length - 1; i++) {
    const safe = nameOf(path[i]!)
    length += safe.bytes + 1
    if (length + MAX_COMPONENT > MAX_PATH) break
    names.push(safe)
  }
  names.push(nameOf(path.at(-1) ?? ""))
  return names
}

const namesOf = (names: ReadonlyArray<SafeName>): Array<string> => names.map(({ name }) => name)

/**
 * Makes paths safe like {@link all}, but each without a look at the others: for paths that nothing is written to. One such
 * function serves all paths of a torrent, since they share most of their names.
 */
export const alone = (rules: Rules = "portable"): (path: ReadonlyArray<string>) => Array<string> => {
  const nameOf = safeNames(rules)
  return (path) => namesOf(fitting(path, nameOf))
}

/**
 * Safe paths for all files of a torrent, in the same order, no two of them equal on any file system. Folders whose names
 * differ only by case stay one folder and are never renamed; a file that meets a folder or an earlier file gets a number
 * before its extension. Folders too deep for {@link MAX_PATH} are left out of the path. Safe paths stay as they are.
 */
export const all = (
  paths: ReadonlyArray<ReadonlyArray<string>>,
  rules: Rules = "portable"
): Array<Array<string>> => allWithin(paths, rules, Infinity)!

/** The same, unless more than `maxNumbered` files need a number: each takes as long as reading three names. */
export const allWithin = (
  paths: ReadonlyArray<ReadonlyArray<string>>,
  rules: Rules,
  maxNumbered: number
): Array<Array<string>> | undefined => {
  const root = makeFolder()
  const nameOf = safeNames(rules)
  const numbered = once(numberedOf)
  const homes: Array<Folder> = []
  const safe = paths.map((path) => {
    const names = fitting(path, nameOf)
    let folder = root
    for (let i = 0; i < names.length - 1; i++) folder = enter(folder, names[i]!.key)
    homes.push(folder)
    return namesOf(names)
  })
  // Folders are all known now. Names as given come first, so that no number takes a name that a later file has.
  const late = safe.flatMap((_, i) => claim(homes[i]!, nameOf(paths[i]!.at(-1) ?? "").key) ? [] : [i])
  if (late.length > maxNumbered) return undefined
  for (const i of late) safe[i]!.push(claimNumbered(homes[i]!, numbered(safe[i]!.pop()!), rules))
  return safe
}
