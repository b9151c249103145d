/** The resume record of one download on disk: a folder with the record, the peers, the part file and the lock. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as Bytes from "../../domain/Bytes.ts"
import * as Digest from "../../domain/Digest.ts"
import type * as InfoHash from "../../domain/InfoHash.ts"
import type * as Metainfo from "../../domain/Metainfo.ts"
import * as ResumeCodec from "../../domain/ResumeCodec.ts"
import * as AtomicFile from "../storage/AtomicFile.ts"
import { codeOf } from "../storage/FileStoreError.ts"
import { ResumeWarning } from "./ResumeError.ts"
import type { Loaded, ResumeHandle } from "./ResumeHandle.ts"

/** The path without links, as far as it exists. */
const realPath = async (place: string): Promise<string> => {
  try {
    return await fs.realpath(place)
  } catch {
    const parent = path.dirname(place)
    return parent === place ? place : path.join(await realPath(parent), path.basename(place))
  }
}

export const folderOf = (stateDir: string, infoHash: InfoHash.InfoHash, dir: string): Effect.Effect<string> =>
  Effect.promise(async () => {
    const hash = Digest.sha256(Bytes.fromUtf8(await realPath(path.resolve(dir))))
    return path.join(path.resolve(stateDir), "resume", `${infoHash}-${Bytes.toHex(hash.subarray(0, 8))}`)
  })

const describe = ResumeCodec.Damage.$match({
  NotARecord: () => "is not a resume record",
  OtherVersion: ({ version }) => `is of version ${version}, which this program does not know`,
  OtherTorrent: () => "belongs to another torrent",
  Corrupt: () => "is damaged"
})

/** How much longer than the record before it, in bytes, a record may be when the disk is full. */
const GROWTH = 65_536

const spareIn = (folder: string): string => path.join(folder, "spare")

/** Gives back the room that was kept for the record. */
export const discardSpare = (folder: string): Effect.Effect<void> =>
  Effect.promise(() => fs.rm(spareIn(folder), { force: true }).catch(() => undefined))

/**
 * Replaces a file even on a full disk, which is when the record matters most: a file of at least its size is kept to be
 * given up for it.
 */
const makeReplace = (folder: string) => {
  const spare = spareIn(folder)
  let room = 0
  const keepRoom = async (length: number): Promise<void> => {
    if (room >= length) return
    try {
      await fs.writeFile(spare, new Uint8Array(length + GROWTH), { mode: 0o600 })
      room = length + GROWTH
    } catch {
      await fs.rm(spare, { force: true })
    }
  }
  return async (file: string, bytes: Uint8Array): Promise<void> => {
    try {
      await AtomicFile.replace(file, [bytes])
    } catch (cause) {
      if (!["ENOSPC", "EDQUOT"].includes(codeOf(cause))) throw cause
      room = 0
      await fs.rm(spare, { force: true })
      await AtomicFile.replace(file, [bytes])
      return
    }
    await keepRoom(bytes.length)
  }
}

/** @param warning why the folder cannot be written, if so */
export const make = (folder: string, warning: ResumeWarning | undefined): ResumeHandle => {
  const file = path.join(folder, "record")
  const part = path.join(folder, "part")
  const peers = path.join(folder, "peers")
  const save = makeReplace(folder)

  const load = async (metainfo: Metainfo.Metainfo): Promise<Loaded> => {
    const bytes = await AtomicFile.read(file, ResumeCodec.maxLength(metainfo))
    if (bytes === undefined) return { record: undefined, warning: undefined }
    const decoded = ResumeCodec.decode(metainfo, bytes)
    if (Result.isSuccess(decoded)) return { record: decoded.success, warning: undefined }
    const movedTo = `${file}.damaged`
    await fs.rename(file, movedTo)
    return {
      record: undefined,
      warning: ResumeWarning.Damaged({ path: file, why: describe(decoded.failure), movedTo })
    }
  }

  return {
    warning,
    partFile: warning === undefined ? part : undefined,
    load: (metainfo) =>
      Effect.promise(() =>
        load(metainfo).catch((cause): Loaded => ({
          record: undefined,
          warning: ResumeWarning.Unreadable({ path: file, code: codeOf(cause) })
        }))
      ),
    save: (metainfo, record) =>
      Effect.uninterruptible(Effect.promise(async () => {
        if (warning !== undefined) return warning
        try {
          await save(file, ResumeCodec.encode(metainfo, record))
          return undefined
        } catch (cause) {
          return ResumeWarning.Unwritable({ path: folder, code: codeOf(cause) })
        }
      })),
    loadPeers: (limit) => Effect.promise(() => AtomicFile.read(peers, limit).catch(() => undefined)),
    savePeers: (bytes) =>
      warning !== undefined
        ? Effect.void
        : Effect.uninterruptible(Effect.promise(() => AtomicFile.replace(peers, [bytes]).catch(() => undefined))),
    remove: Effect.uninterruptible(Effect.promise(async () => {
      for (const name of [file, `${file}.new`, `${file}.damaged`, peers, `${peers}.new`, part, spareIn(folder)]) {
        await fs.rm(name, { force: true }).catch(() => undefined)
      }
    }))
  }
}
