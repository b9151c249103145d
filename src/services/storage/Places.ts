/**
 * Where each byte of the payload is kept: in a file of its own, in the part file, or nowhere (padding of BEP 47, gaps of
 * BEP 52). Links are never followed nor made.
 */
import * as Metainfo from "../../domain/Metainfo.ts"

export type Place = "Own" | "Part" | "None"

export interface Places {
  readonly of: (file: number) => Place
  /** The file that holds this byte of the payload; `undefined` in a gap and past all files. */
  readonly fileAt: (offset: number) => number | undefined
  /** Where that file or gap ends; `Infinity` past all files. */
  readonly endAt: (offset: number) => number
}

/** @param exists whether an unwanted file is there already: then it keeps its own bytes */
export const make = (
  metainfo: Metainfo.Metainfo,
  selected: ((file: number) => boolean) | undefined,
  hasPartFile: boolean,
  exists: (file: number) => boolean
): Places => {
  const { files } = metainfo
  const places = files.map((file, index): Place => {
    if (!Metainfo.isStored(file)) return "None"
    return !hasPartFile || selected === undefined || selected(index) || exists(index) ? "Own" : "Part"
  })
  let last = 0
  /** The file that holds the byte, or else the next one, if there is one. Remembers the last answer. */
  const near = (offset: number): Metainfo.FileEntry | undefined => {
    const file = files[last]
    if (file === undefined || offset < file.offset || offset >= file.offset + file.length) last = search(files, offset)
    return files[last]
  }
  return {
    of: (file) => places[file]!,
    fileAt: (offset) => (near(offset)?.offset ?? Infinity) <= offset ? last : undefined,
    endAt: (offset) => {
      const file = near(offset)
      if (file === undefined) return Infinity
      return offset < file.offset ? file.offset : file.offset + file.length
    }
  }
}

/** The first file that ends past `offset`; empty files never do before one that holds the byte. */
const search = (files: ReadonlyArray<Metainfo.FileEntry>, offset: number): number => {
  let low = 0
  let high = files.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const file = files[middle]!
    if (file.offset + file.length <= offset) low = middle + 1
    else high = middle
  }
  return low
}
