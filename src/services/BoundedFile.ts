/** Small files that a user names: read whole, but never more than a bound, whatever the name leads to. */
import * as Effect from "effect/Effect"
import * as fs from "node:fs/promises"

export type Trouble = { readonly _tag: "TooLarge" } | { readonly _tag: "Unreadable"; readonly cause: unknown }

const CHUNK = 64 * 1024

/** Not by what the system says of its size: pipes and devices have none, and some never end. */
const readUpTo = async (file: string, maxBytes: number): Promise<Uint8Array | undefined> => {
  const handle = await fs.open(file, "r")
  try {
    const chunks: Array<Uint8Array> = []
    let length = 0
    while (true) {
      const { buffer, bytesRead } = await handle.read({ buffer: new Uint8Array(CHUNK), position: null })
      if (bytesRead === 0) return Buffer.concat(chunks)
      length += bytesRead
      if (length > maxBytes) return undefined
      chunks.push(buffer.subarray(0, bytesRead))
    }
  } finally {
    await handle.close()
  }
}

export const read = (file: string, maxBytes: number): Effect.Effect<Uint8Array, Trouble> =>
  Effect.tryPromise({
    try: () => readUpTo(file, maxBytes),
    catch: (cause): Trouble => ({ _tag: "Unreadable", cause })
  }).pipe(Effect.filterOrFail((bytes) => bytes !== undefined, (): Trouble => ({ _tag: "TooLarge" })))
