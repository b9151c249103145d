/** A disk in memory, which tests may look at, spoil and fill up. */
import * as Effect from "effect/Effect"
import * as path from "node:path"
import * as FileStoreError from "./FileStoreError.ts"
import * as Places from "./Places.ts"
import type { OpenOptions, Storage } from "./Storage.ts"

const { Reason } = FileStoreError

export interface MemoryFile {
  /** May be longer than the file: see `length`. */
  bytes: Uint8Array
  length: number
  mtimeNs: bigint
}

export interface MemoryDisk {
  /** By path, as `Storage.path` tells it. */
  readonly files: Map<string, MemoryFile>
  /** Bytes that all files together may hold; changing it makes or takes room. */
  quota: number
  /** How often a storage was synced. */
  syncs: number
  /** Stands in for the time: one tick for every change of a file. */
  ticks: bigint
}

export const make = (options?: { readonly quota?: number }): MemoryDisk => ({
  files: new Map(),
  quota: options?.quota ?? Number.POSITIVE_INFINITY,
  syncs: 0,
  ticks: 0n
})

/** The content of a file: a view, through which a test may spoil it unnoticed. */
export const contentOf = (disk: MemoryDisk, place: string): Uint8Array | undefined => {
  const file = disk.files.get(place)
  return file?.bytes.subarray(0, file.length)
}

/** Puts a file there, as another program would. */
export const put = (disk: MemoryDisk, place: string, content: Uint8Array): void => {
  disk.files.set(place, { bytes: content.slice(), length: content.length, mtimeNs: ++disk.ticks })
}

const used = (disk: MemoryDisk): number => {
  let total = 0
  for (const file of disk.files.values()) total += file.length
  return total
}

/** Makes the file at least so long; false when the disk is full. */
const grow = (disk: MemoryDisk, file: MemoryFile, length: number): boolean => {
  if (length <= file.length) return true
  if (used(disk) - file.length + length > disk.quota) return false
  if (length > file.bytes.length) {
    const larger = new Uint8Array(Math.max(length, 2 * file.bytes.length))
    larger.set(file.bytes.subarray(0, file.length))
    file.bytes = larger
  }
  file.length = length
  return true
}

const fileFor = (disk: MemoryDisk, place: string): MemoryFile => {
  let file = disk.files.get(place)
  if (file === undefined) {
    file = { bytes: new Uint8Array(0), length: 0, mtimeNs: ++disk.ticks }
    disk.files.set(place, file)
  }
  return file
}

const writeSpan = (disk: MemoryDisk, place: string, position: number, bytes: Uint8Array) => {
  const file = fileFor(disk, place)
  if (!grow(disk, file, position + bytes.length)) return Reason.NoSpace({ path: place })
  file.bytes.set(bytes, position)
  file.mtimeNs = ++disk.ticks
  return undefined
}

const readSpan = (disk: MemoryDisk, place: string, position: number, into: Uint8Array) => {
  const file = disk.files.get(place)
  if (file === undefined) return Reason.Missing({ path: place })
  if (position + into.length > file.length) return Reason.ShortRead({ path: place })
  into.set(file.bytes.subarray(position, position + into.length))
  return undefined
}

export const open = (disk: MemoryDisk, options: OpenOptions): Storage => {
  const { metainfo, partFile, selected } = options
  const { files, layout } = metainfo
  const readOnly = options.readOnly === true
  const root = path.resolve(options.dir)
  const paths = files.map((file) => path.join(root, ...file.path))
  const places = Places.make(metainfo, selected, partFile !== undefined, (file) => disk.files.has(paths[file]!))
  if (!readOnly) {
    files.forEach((file, index) => {
      if (file.length === 0 && places.of(index) !== "None" && (selected?.(index) ?? true)) fileFor(disk, paths[index]!)
    })
  }

  const transfer = (offset: number, bytes: Uint8Array, write: boolean): FileStoreError.Reason | undefined => {
    if (offset < 0 || offset + bytes.length > layout.paddedLength) throw new RangeError("not in the payload")
    for (let at = 0; at < bytes.length;) {
      const start = offset + at
      const index = places.fileAt(start)
      const span = bytes.subarray(at, Math.min(bytes.length, places.endAt(start) - offset))
      const place = index === undefined ? "None" : places.of(index)
      const inPart = place === "Part"
      if (index === undefined || place === "None") {
        if (!write) span.fill(0)
      } else {
        const move = write ? writeSpan : readSpan
        const reason = move(
          disk,
          inPart ? partFile! : paths[index]!,
          inPart ? start : start - files[index]!.offset,
          span
        )
        if (reason !== undefined) return reason
      }
      at += span.length
    }
    return undefined
  }
  const outcome = (reason: FileStoreError.Reason | undefined) =>
    reason === undefined ? Effect.void : Effect.fail(FileStoreError.make(reason))

  const statFile = (index: number) => {
    const place = places.of(index)
    const found = place === "None" ? undefined : disk.files.get(place === "Part" ? partFile! : paths[index]!)
    if (found === undefined) return undefined
    const { length, offset } = files[index]!
    const reach = place === "Part" ? Math.min(length, Math.max(0, found.length - offset)) : found.length
    return { length: reach, mtimeNs: found.mtimeNs }
  }
  return {
    readOnly,
    read: (offset, into) => Effect.suspend(() => outcome(transfer(offset, into, false))),
    write: (offset, bytes) =>
      Effect.suspend(() => outcome(readOnly ? Reason.ReadOnly({ path: root }) : transfer(offset, bytes, true))),
    sync: Effect.sync(() => {
      disk.syncs++
    }),
    stat: Effect.sync(() => files.map((_, file) => statFile(file))),
    statFiles: (files) => Effect.sync(() => files.map(statFile)),
    trim: (file) =>
      Effect.sync(() => {
        const found = disk.files.get(paths[file]!)
        if (found === undefined || found.length <= files[file]!.length) return
        found.length = files[file]!.length
        // What is cut off reads as zeros should the file grow again.
        found.bytes.fill(0, found.length)
        found.mtimeNs = ++disk.ticks
      }),
    inPart: (file) => places.of(file) === "Part",
    path: (file) => paths[file]!
  }
}
