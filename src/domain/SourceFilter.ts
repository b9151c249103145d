/** What of a folder goes into a torrent of it, by names alone. */

/** Why a file or folder is left out. `Link` and `Special`: it is no file that could be read. */
export type Why = "Junk" | "Hidden" | "Excluded" | "Link" | "Special"

/** What desktops write into folders for themselves; nobody who fetches the folder wants it. */
const JUNK = new Set([
  ".ds_store",
  ".localized",
  ".spotlight-v100",
  ".trashes",
  ".fseventsd",
  ".temporaryitems",
  ".directory",
  "thumbs.db",
  "ehthumbs.db",
  "ehthumbs_vista.db",
  "desktop.ini",
  "$recycle.bin",
  "system volume information"
])

export interface Options {
  /** Patterns that take paths below the folder; whatever lies in an excluded folder is excluded. */
  readonly exclude?: ReadonlyArray<(path: string) => boolean> | undefined
  /** Takes what begins with a dot. */
  readonly includeHidden?: boolean | undefined
}

/**
 * Why the file or folder at a path is left out, `undefined` when it is taken. Folders above it are known to be taken.
 *
 * @param path below the folder, with `/` between its parts
 */
export const reject = (path: string, { exclude = [], includeHidden = false }: Options): Why | undefined => {
  const name = path.slice(path.lastIndexOf("/") + 1)
  if (exclude.some((matches) => matches(path))) return "Excluded"
  if (JUNK.has(name.toLowerCase()) || name.startsWith("._")) return "Junk"
  return name.startsWith(".") && !includeHidden ? "Hidden" : undefined
}
