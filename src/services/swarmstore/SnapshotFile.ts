/** The snapshot of a table of swarms on disk. Whatever is wrong with it is a warning: a tracker runs without one. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as SwarmSnapshot from "../../domain/tracker/SwarmSnapshot.ts"
import type { SwarmTable } from "../../domain/tracker/SwarmTable.ts"
import * as AtomicFile from "../storage/AtomicFile.ts"
import * as SystemCode from "../SystemCode.ts"

/** How much was read, and what was wrong with the rest. */
interface Loaded {
  readonly connectionKey: Uint8Array | undefined
  readonly damage: string | undefined
}

const DAMAGED = "is damaged or cut short"

/** Fills the buffer from the file, unless that ends before. */
const readFully = async (file: fs.FileHandle, buffer: Uint8Array): Promise<boolean> => {
  let filled = 0
  while (filled < buffer.length) {
    const { bytesRead } = await file.read(buffer, filled, buffer.length - filled)
    if (bytesRead === 0) return false
    filled += bytesRead
  }
  return true
}

const HEAD = 4

/** The content of the next frame, valid until the one after; `undefined` when it is not whole. */
const readFrame = async (file: fs.FileHandle, buffer: Uint8Array, number: number): Promise<Uint8Array | undefined> => {
  if (!(await readFully(file, buffer.subarray(0, HEAD)))) return undefined
  const length = SwarmSnapshot.frameLength(buffer)
  if (length === undefined || !(await readFully(file, buffer.subarray(HEAD, length)))) return undefined
  return SwarmSnapshot.open(buffer.subarray(0, length), number)
}

const readInto = async (file: fs.FileHandle, table: SwarmTable, now: number): Promise<Loaded> => {
  const buffer = new Uint8Array(SwarmSnapshot.MAX_FRAME)
  const first = await readFrame(file, buffer, 0)
  if (first === undefined) return { connectionKey: undefined, damage: DAMAGED }
  const head = SwarmSnapshot.decodeHead(first)
  if (Result.isFailure(head)) return { connectionKey: undefined, damage: head.failure }
  const { connectionKey } = head.success
  for (let number = 1;; number++) {
    const content = await readFrame(file, buffer, number)
    if (content === undefined || !SwarmSnapshot.restore(content, table, now)) return { connectionKey, damage: DAMAGED }
    if (content.length === 0) return { connectionKey, damage: undefined }
  }
}

const load = async (place: string, table: SwarmTable, now: number): Promise<Loaded> => {
  const file = await fs.open(place, "r")
  try {
    return await readInto(file, table, now)
  } finally {
    await file.close()
    table.settle()
  }
}

const troubleOf = (cause: unknown) => ({
  isAbsent: SystemCode.of(cause) === "ENOENT",
  text: SystemCode.describe(cause)
})

/**
 * Reads a snapshot into an empty table and gives its connection key, `undefined` when there is none. A damaged file is read
 * as far as it is good, and kept aside.
 */
export const restore = Effect.fnUntraced(function*(place: string, table: SwarmTable) {
  const now = yield* Clock.currentTimeMillis
  const loaded = yield* Effect.result(Effect.tryPromise({ try: () => load(place, table, now), catch: troubleOf }))
  if (Result.isFailure(loaded)) {
    const { isAbsent, text } = loaded.failure
    if (!isAbsent) yield* Effect.logWarning(`cannot read ${place}: ${text}`)
    return undefined
  }
  const { connectionKey, damage } = loaded.success
  if (damage !== undefined) {
    const aside = `${place}.damaged`
    yield* Effect.ignore(Effect.tryPromise(() => fs.rename(place, aside)))
    yield* Effect.logWarning(
      `${place} ${damage}; it is kept as ${aside}, and ${table.peers.size} peers of it are known`
    )
  }
  return connectionKey
})

const write = async (place: string, frames: Iterable<Uint8Array>): Promise<void> => {
  await fs.mkdir(path.dirname(place), { recursive: true })
  await AtomicFile.replace(place, frames)
}

/** Writes a snapshot, readable for this user only, and says whether it has; one that cannot be written is a warning. */
export const save = Effect.fnUntraced(function*(place: string, table: SwarmTable, connectionKey: Uint8Array) {
  const frames = SwarmSnapshot.frames(table, { connectionKey })
  return yield* Effect.tryPromise({ try: () => write(place, frames), catch: SystemCode.describe }).pipe(
    Effect.as(true),
    Effect.catch((problem) =>
      Effect.as(
        Effect.logWarning(`cannot write ${place}: ${problem}; the swarms would be lost with this process`),
        false
      )
    ),
    Effect.uninterruptible
  )
})
