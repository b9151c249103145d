/** The files of a torrent by the numbers that `--select-file` takes: a line for each, padding left out. */
import * as Format from "./Format.ts"

interface Listed {
  readonly length: number
  /** Parts separated by `/`. */
  readonly path: string
  readonly pad: boolean
}

const lines = (files: ReadonlyArray<Listed>, line: (file: Listed, number: number) => string): string =>
  files.flatMap((file, index) => file.pad ? [] : [`${line(file, index + 1)}\n`]).join("")

/** For people: `    7    18.3 MiB  folder/file`. */
export const table = (files: ReadonlyArray<Listed>): string =>
  lines(
    files,
    ({ length, path }, number) =>
      `${String(number).padStart(5)}  ${Format.bytes(length).padStart(10)}  ${Format.printable(path)}`
  )

/** For programs: number, bytes and path, with tabs between them. */
export const fields = (files: ReadonlyArray<Listed>): string =>
  lines(files, ({ length, path }, number) => `${number}\t${length}\t${Format.printable(path)}`)

/**
 * Why these cannot be chosen, by their index. Padding between two that are chosen is no mistake: a range went over it. At
 * the end of a range, or alone, its number was given by somebody who took it for a file.
 */
export const unselectable = (
  files: ReadonlyArray<{ readonly padding: boolean }>,
  selected: ReadonlySet<number>
): string | undefined => {
  const last = files.findLastIndex(({ padding }) => !padding)
  for (const file of selected) {
    if (file >= files.length) {
      const count = files.filter(({ padding }) => !padding).length
      const has = `the torrent has ${count} ${count === 1 ? "file" : "files"}`
      const numbered = last + 1 === count ? "" : `, numbered up to ${last + 1} because its padding has numbers too`
      return `there is no file ${file + 1}: ${has}${numbered}`
    }
    const isBetween = selected.has(file - 1) && selected.has(file + 1)
    if (files[file]!.padding && !isBetween) return `number ${file + 1} is padding, which is never stored (BEP 47)`
  }
  return undefined
}
