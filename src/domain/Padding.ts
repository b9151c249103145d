/** The padding files (BEP 47) that give a hybrid torrent's files the same places in both versions (BEP 52). */

export interface Padding {
  readonly path: ReadonlyArray<string>
  readonly length: number
  readonly padding: true
}

const of = (length: number): Padding => ({ path: [".pad", String(length)], length, padding: true })

/**
 * The files with padding up to the next piece behind each that needs it, the last one too: what libtorrent writes, so that the
 * same files get the same info hash. One file alone needs none.
 */
export const insert = <File extends { readonly length: number }>(
  files: ReadonlyArray<File>,
  pieceLength: number
): ReadonlyArray<File | Padding> => {
  if (files.length === 1) return files
  return files.flatMap((file) => {
    const over = file.length % pieceLength
    return over === 0 ? [file] : [file, of(pieceLength - over)]
  })
}
