/** Metadata that a magnet link led to once, kept in the state folder: the next start need not fetch it. */
import * as Effect from "effect/Effect"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import type { Hashes } from "../../domain/MagnetMatch.ts"
import * as Folder from "../Folder.ts"
import * as AtomicFile from "../storage/AtomicFile.ts"
import * as SystemCode from "../SystemCode.ts"

/** Documents kept; the one that was not used for longest goes first. */
const MOST_KEPT = 64

const folderOf = (stateDir: string): string => path.join(path.resolve(stateDir), "magnets")

const fileOf = (stateDir: string, { infoHashV1, infoHashV2 }: Hashes): string =>
  path.join(folderOf(stateDir), `${infoHashV1 ?? infoHashV2}.torrent`)

/** The document, if there is one that can be read; whether it is the right one is for the caller to find out. */
export const load = (stateDir: string, magnet: Hashes, maxBytes: number): Effect.Effect<Uint8Array | undefined> =>
  Effect.promise(async () => {
    const file = fileOf(stateDir, magnet)
    try {
      const document = await AtomicFile.read(file, maxBytes)
      const now = new Date()
      if (document !== undefined) await fs.utimes(file, now, now).catch(() => undefined)
      return document
    } catch {
      return undefined
    }
  })

const prune = async (folder: string): Promise<void> => {
  const names = (await fs.readdir(folder)).filter((name) => name.endsWith(".torrent"))
  if (names.length <= MOST_KEPT) return
  const aged = await Promise.all(names.map(async (name) => {
    const file = path.join(folder, name)
    return { file, usedAt: (await fs.stat(file)).mtimeMs }
  }))
  aged.sort((a, b) => a.usedAt - b.usedAt)
  for (const { file } of aged.slice(0, names.length - MOST_KEPT)) await fs.rm(file, { force: true })
}

/** Keeps the document. The answer is why it could not be kept, if so: the next start fetches it again. */
export const save = (stateDir: string, magnet: Hashes, document: Uint8Array): Effect.Effect<string | undefined> =>
  Effect.uninterruptible(Effect.promise(async () => {
    const folder = folderOf(stateDir)
    try {
      await Folder.make(folder, 0o700)
      await AtomicFile.replace(fileOf(stateDir, magnet), [document])
      await prune(folder)
      return undefined
    } catch (cause) {
      const why = SystemCode.describe(cause)
      return `cannot keep the metadata in ${folder} (${why}): the next start fetches it again; see --state-dir`
    }
  }))
