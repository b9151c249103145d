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
