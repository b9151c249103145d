/** The files of a torrent as folders in folders, with the size of each. */
import * as Format from "./Format.ts"
import type * as Painter from "./Painter.ts"
import type { ShownTorrent } from "./ShownTorrent.ts"
import * as Text from "./Text.ts"

type File = NonNullable<ShownTorrent["files"]>[number]

interface Folder {
  readonly entries: Map<string, Folder | File>
  length: number
}

const isFolder = (entry: Folder | File): entry is Folder => "entries" in entry

const makeFolder = (): Folder => ({ entries: new Map(), length: 0 })

const treeOf = (files: ReadonlyArray<File>): Folder => {
  const root = makeFolder()
  for (const file of files) {
    const path = file.path.split("/")
    const name = path.pop()!
    let folder = root
    folder.length += file.length
    for (const component of path) {
      let next = folder.entries.get(component)
      if (next === undefined || !isFolder(next)) folder.entries.set(component, next = makeFolder())
      folder = next
      folder.length += file.length
    }
    folder.entries.set(name, file)
  }
  return root
}

interface Row {
  /** The lines from the folders above. */
  readonly guide: string
  /** What goes on under a row that is broken. */
  readonly below: string
  readonly name: string
  readonly entry: Folder | File
}

interface Guides {
  readonly item: string
  readonly last: string
  readonly through: string
}

const UNICODE: Guides = { item: "├─ ", last: "└─ ", through: "│  " }
const ASCII: Guides = { item: "|- ", last: "`- ", through: "|  " }
const BLANK = "   "

/** A folder that holds one folder and nothing else shares its row. */
const collapsed = (name: string, entry: Folder | File): readonly [string, Folder | File] => {
  let path = name
  let at = entry
  while (isFolder(at)) {
    path += "/"
    const [only, second] = at.entries
    if (only === undefined || second !== undefined || !isFolder(only[1])) break
    path += only[0]
    at = only[1]
  }
  return [path, at]
}

function* rowsOf(folder: Folder, above: string, guides: Guides, isTop: boolean): Generator<Row, void> {
  let left = folder.entries.size
  for (const [key, value] of folder.entries) {
    const isLast = --left === 0
    const below = isTop ? "" : above + (isLast ? BLANK : guides.through)
    const [name, entry] = collapsed(key, value)
    yield { guide: isTop ? "" : above + (isLast ? guides.last : guides.item), below, name, entry }
    if (isFolder(entry)) yield* rowsOf(entry, below, guides, false)
  }
}

/** Rows of a tree that a person still reads. */
const MAX_ROWS = 200

/** Width of `99.9 MiB` and of what follows it. */
const SIZE = 8
const GAP = 2

/** Longest name or path of a row, in characters. */
const MOST = 1000

const nameOf = (name: string, entry: Folder | File): string =>
  Format.printable(
    Text.shortened(isFolder(entry) || entry.symlink === undefined ? name : `${name} -> ${entry.symlink}`, MOST)
  )

/** The lines, as many as a person still reads; the last one says what is left out. */
export const lines = (files: ReadonlyArray<File>, columns: number, style: Painter.Style): Array<string> => {
  const stored = files.filter(({ pad }) => !pad)
  const out: Array<string> = []
  let shown = 0
  let rows = 0
  for (const row of rowsOf(treeOf(stored), "", style.unicode ? UNICODE : ASCII, true)) {
    if (rows++ === MAX_ROWS) break
    if (!isFolder(row.entry)) shown++
    // However deep it is, a third of the line is enough to show it.
    const most = Math.floor(columns / 3)
    const guide = row.guide.slice(-most)
    const room = Math.max(1, columns - SIZE - GAP - guide.length)
    const name = nameOf(row.name, row.entry)
    const [first, ...more] = Text.wrap(style.unicode ? name : Format.ascii(name), room)
    out.push(`${Format.bytes(row.entry.length).padStart(SIZE)}${" ".repeat(GAP)}${guide}${first}`)
    for (const line of more) out.push(`${" ".repeat(SIZE + GAP)}${row.below.slice(-most)}${line}`)
  }
  const left = stored.length - shown
  if (left > 0) out.push(...Text.wrap(`and ${left} more file${left === 1 ? "" : "s"}: --files lists them all`, columns))
  return out
}
