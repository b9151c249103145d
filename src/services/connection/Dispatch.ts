/** From the messages of a peer to the torrent behind the `Port`: a table by message id, combined from a record for each BEP. */
import { BASE } from "./Base.ts"
import { EXTENDED } from "./Extended.ts"
import { FAST } from "./Fast.ts"
import type { Handler, Handlers } from "./Handler.ts"
import { HASHES } from "./Hashes.ts"

export type Table = ReadonlyArray<Handler | undefined>

/** One table of all records; two that claim the same id are a defect. */
export const combine = (...records: ReadonlyArray<Handlers>): Table => {
  const table = Array.from({ length: 256 }, (): Handler | undefined => undefined)
  for (const record of records) {
    for (const [id, handler] of Object.entries(record)) {
      if (table[Number(id)] !== undefined) throw new Error(`two handlers for message ${id}`)
      table[Number(id)] = handler
    }
  }
  return table
}

/** What to do with a message, by its id. BEP 3 leaves room for messages that we do not know: those have none. */
export const HANDLERS: Table = combine(BASE, FAST, HASHES, EXTENDED)
