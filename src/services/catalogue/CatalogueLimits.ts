/** How much a catalogue takes, and what of it. */
import * as Result from "effect/Result"
import * as Metainfo from "../../domain/Metainfo.ts"
import { full, PublishError } from "./CatalogueError.ts"

export interface CatalogueOptions {
  /** Of one .torrent. */
  readonly maxBytes?: number | undefined
  readonly maxTorrents?: number | undefined
  /** Of all .torrents together. */
  readonly maxTotalBytes?: number | undefined
}

export interface CatalogueLimits {
  readonly maxBytes: number
  readonly maxTorrents: number
  readonly maxTotalBytes: number
}

const MIB = 1024 * 1024

export const make = (options: CatalogueOptions = {}): CatalogueLimits => ({
  maxBytes: options.maxBytes ?? 8 * MIB,
  maxTorrents: options.maxTorrents ?? 10_000,
  maxTotalBytes: options.maxTotalBytes ?? 1024 * MIB
})

/** Keys and values of one .torrent: room for some 16,000 files. */
const MAX_TOKENS = 112 * 1024

/**
 * Of all names together: for 10,000 files a hundred each. Nobody else is served while a torrent is read: with all bounds
 * 10,000 ordinary files take some 50 ms; the worst that were found, many names outside of ASCII, 130, and the hash trees over
 * 10,000 files of 17 pieces, 400.
 */
const MAX_NAME_BYTES = 1024 * 1024

/** Files that have the names of others but for case: without this bound the worst takes twice as long. */
const MAX_NUMBERED = 500

/** Reads a torrent that is to be published. */
export const read = (
  bytes: Uint8Array,
  { maxBytes }: CatalogueLimits
): Result.Result<Metainfo.Metainfo, PublishError> =>
  bytes.length > maxBytes
    ? Result.fail(
      new PublishError({ reason: "TooLarge", detail: `the torrent has more than the ${maxBytes} bytes taken here` })
    )
    : Result.mapError(
      Metainfo.parse(bytes, {
        maxBytes,
        maxTokens: MAX_TOKENS,
        maxNameBytes: MAX_NAME_BYTES,
        maxNumbered: MAX_NUMBERED
      }),
      ({ message, reason }) => new PublishError({ reason, detail: message })
    )

export const fullOfTorrents = ({ maxTorrents }: CatalogueLimits): PublishError =>
  full(`the catalogue is full: it lists ${maxTorrents} torrents`)

export const fullOfBytes = ({ maxTotalBytes }: CatalogueLimits): PublishError =>
  full(`the catalogue is full: its torrents may have ${maxTotalBytes} bytes in all`)
