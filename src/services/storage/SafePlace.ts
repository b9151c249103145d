/**
 * Files below a folder, reached without ever following a link: each folder on the way is looked at before it is
 * entered, and the file itself is opened with O_NOFOLLOW. Every failure is a `FileStoreError` that names what stood in the way.
 */
import * as fs from "node:fs"
import * as fsp from "node:fs/promises"
import * as path from "node:path"
import { promisify } from "node:util"
import type * as Resume from "../../domain/Resume.ts"
import type { Opened } from "./Descriptors.ts"
import * as FileStoreError from "./FileStoreError.ts"

const open = promisify(fs.open)

const { O_CREAT, O_RDONLY, O_RDWR } = fs.constants
// O_NONBLOCK: opening a pipe for reading would otherwise hold one of libuv's four threads for ever. Windows has neither.
const CAREFULLY = (fs.constants.O_NOFOLLOW ?? 0) | (fs.constants.O_NONBLOCK ?? 0)

const fileMode = 0o666
const { Reason } = FileStoreError

/** Looks at a name itself, never at what a link points to; `undefined` when there is none. */
const look = async (place: string): Promise<fs.BigIntStats | undefined> => {
  try {
    return await fsp.lstat(place, { bigint: true })
  } catch (cause) {
    if (FileStoreError.codeOf(cause) === "ENOENT") return undefined
    throw FileStoreError.from(cause, place, "looking at")
  }
}

/** Whether the folder is there. Refuses a link and anything that is no folder. */
const isFolder = async (folder: string): Promise<boolean> => {
  const stat = await look(folder)
  if (stat === undefined) return false
  if (stat.isSymbolicLink()) throw FileStoreError.make(Reason.Link({ path: folder }))
  if (!stat.isDirectory()) throw FileStoreError.make(Reason.NotAFile({ path: folder }))
  return true
}

const makeFolder = async (folder: string): Promise<void> => {
  try {
    await fsp.mkdir(folder)
  } catch (cause) {
    const error = FileStoreError.from(cause, folder, "creating")
    // Somebody was faster: fine if it is a folder now.
    if (FileStoreError.codeOf(cause) !== "EEXIST" || !(await isFolder(folder))) throw error
  }
}

/**
 * Where a file of the torrent is, or will be.
 *
 * @param known folders found good in this sweep, so that a torrent of many files looks at each folder once
 */
const enter = async (
  root: string,
  components: ReadonlyArray<string>,
  create: boolean,
  onCreated: (parent: string) => void,
  known?: Set<string>
): Promise<boolean> => {
  let folder = root
  for (const component of components.slice(0, -1)) {
    const parent = folder
    folder = path.join(folder, component)
    if (known?.has(folder) === true) continue
    if (!(await isFolder(folder))) {
      if (!create) return false
      await makeFolder(folder)
      onCreated(parent)
    }
    known?.add(folder)
  }
  return true
}

/**
 * What is in the place of a file, or `undefined` for nothing.
 *
 * @param known folders found good before; share one set in a sweep over many files
 */
export const stat = async (
  root: string,
  components: ReadonlyArray<string>,
  known?: Set<string>
): Promise<Resume.FileStat | undefined> => {
  if (!(await enter(root, components, false, () => {}, known))) return undefined
  const place = path.join(root, ...components)
  const found = await look(place)
  if (found === undefined) return undefined
  if (found.isSymbolicLink()) throw FileStoreError.make(Reason.Link({ path: place }))
  if (!found.isFile()) throw FileStoreError.make(Reason.NotAFile({ path: place }))
  return { length: Number(found.size), mtimeNs: found.mtimeNs }
}

/**
 * Opens a file for reading and writing, or for reading alone when it must be or nothing else is allowed.
 *
 * @param onCreated is told of every folder that got a new entry, so that its parent can be synced too
 */
export const openFile = async (
  root: string,
  components: ReadonlyArray<string>,
  mode: { readonly create: boolean; readonly readOnly: boolean },
  onCreated: (parent: string) => void
): Promise<Opened> => {
  const place = path.join(root, ...components)
  const missing = () => FileStoreError.make(Reason.Missing({ path: place }))
  if (!(await enter(root, components, mode.create, onCreated))) throw missing()
  const found = await stat(path.dirname(place), [path.basename(place)])
  if (found === undefined && !mode.create) throw missing()
  if (mode.readOnly) {
    const refusal = FileStoreError.make(Reason.ReadOnly({ path: place }))
    return { fd: await openAs(place, O_RDONLY | CAREFULLY), refusal }
  }
  try {
    const fd = await openAs(place, O_RDWR | CAREFULLY | (mode.create ? O_CREAT : 0))
    if (found === undefined) onCreated(path.dirname(place))
    return { fd, refusal: undefined }
  } catch (cause) {
    const refusal = FileStoreError.from(cause, place, "opening")
    if (found === undefined || mode.create) throw refusal
    return { fd: await openAs(place, O_RDONLY | CAREFULLY), refusal }
  }
}

const openAs = async (place: string, flags: number): Promise<number> => {
  try {
    return await open(place, flags, fileMode)
  } catch (cause) {
    throw FileStoreError.from(cause, place, "opening")
  }
}

/** Makes the names in a folder durable; systems that cannot do that to a folder are left alone. */
export const syncFolder = async (folder: string): Promise<void> => {
  let handle: fsp.FileHandle | undefined
  try {
    handle = await fsp.open(folder, O_RDONLY)
    await handle.sync()
  } catch (cause) {
    if (!["EISDIR", "EPERM", "EACCES", "EINVAL", "ENOTSUP"].includes(FileStoreError.codeOf(cause))) {
      throw FileStoreError.from(cause, folder, "syncing")
    }
  } finally {
    await handle?.close()
  }
}

/**
 * Creates the download folder, which may be a link; tells which folders got a new entry. One step at a time, because
 * Node's recursive `mkdir` calls a read-only file system ENOENT.
 */
export const makeRoot = async (root: string): Promise<ReadonlyArray<string>> => {
  try {
    if ((await fsp.stat(root)).isDirectory()) return []
    throw FileStoreError.make(Reason.NotAFile({ path: root }))
  } catch (cause) {
    if (FileStoreError.codeOf(cause) !== "ENOENT") throw FileStoreError.from(cause, root, "looking at")
  }
  const parent = path.dirname(root)
  const above = await makeRoot(parent)
  await makeFolder(root)
  return [...above, parent]
}
