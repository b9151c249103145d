/** What peers are served of a torrent: its verified pieces, as long as they are what was verified. */
import * as Effect from "effect/Effect"
import * as Bitfield from "../../domain/Bitfield.ts"
import { HashTrees } from "../../domain/HashTrees.ts"
import type { Metainfo } from "../../domain/Metainfo.ts"
import * as PieceLayout from "../../domain/PieceLayout.ts"
import * as PieceTrees from "../../domain/PieceTrees.ts"
import type { RateLimit } from "../../domain/swarm/RateLimit.ts"
import type { Swarm } from "../../domain/swarm/Swarm.ts"
import type { Storage } from "../FileStore.ts"
import * as FileWatch from "../FileWatch.ts"
import type { ResumeWriter } from "../ResumeWriter.ts"
import type { TorrentEvent } from "../TorrentEvent.ts"
import type { Shelf } from "../UploadServer.ts"

export interface TorrentShelfOptions {
  readonly metainfo: Metainfo
  readonly swarm: Swarm
  readonly storage: Storage
  readonly writer: ResumeWriter
  /** The upload limit. */
  readonly limit: RateLimit
  readonly onEvent: (event: TorrentEvent) => void
}

export const make = Effect.fnUntraced(function*(options: TorrentShelfOptions): Effect.fn.Return<Shelf> {
  const { limit, metainfo, onEvent, storage, swarm, writer } = options
  const { layout } = metainfo
  const lose = (piece: number) => {
    if (swarm.lose(piece)) writer.noteLost(piece)
  }
  const watch = yield* FileWatch.make({
    metainfo,
    storage,
    closed: writer.closed,
    onChanged: (file) => {
      const range = PieceLayout.piecesOf(layout, metainfo.files[file]!)
      for (let piece = range?.first ?? 1; piece <= (range?.last ?? 0); piece++) lose(piece)
    }
  })
  const { pieceLength } = layout
  /** Many peers meet the same trouble, again and again. */
  const told = new Set<string>()
  const read = (offset: number, into: Uint8Array) => {
    const confirmed = watch.confirm(offset, into.length)
    return confirmed === Effect.void
      ? storage.read(offset, into)
      : Effect.andThen(confirmed, storage.read(offset, into))
  }
  const onFault = ({ message }: { readonly message: string }, pieces: ReadonlySet<number>) => {
    pieces.forEach(lose)
    if (told.has(message)) return
    told.add(message)
    onEvent({ _tag: "Warning", message })
  }
  const key = metainfo.infoHash
  return {
    key,
    length: layout.paddedLength,
    layout,
    limit,
    read,
    extent: (at, from, to) => {
      const { have, isSeed } = swarm
      if (isSeed) return [from, to]
      let first = Math.floor(at / pieceLength)
      let after = first + 1
      while (first * pieceLength > from && Bitfield.has(have, first - 1)) first--
      while (after * pieceLength < to && Bitfield.has(have, after)) after++
      return [Math.max(from, first * pieceLength), Math.min(to, after * pieceLength)]
    },
    onSent: (peer, bytes, now, blocks) => swarm.sent(peer, bytes, now, blocks),
    onFault,
    hashes: metainfo.pieceRoots && {
      key,
      layout,
      limit,
      trees: new HashTrees(metainfo, metainfo.pieceRoots),
      treeOf: (piece) => PieceTrees.of(metainfo, piece)!,
      has: (piece) => Bitfield.has(swarm.have, piece),
      read,
      onFault
    }
  }
})
