/** What of a torrent is there when it starts. */
import * as Effect from "effect/Effect"
import * as Bitfield from "../../domain/Bitfield.ts"
import * as Checker from "../Checker.ts"
import { FileStore } from "../FileStore.ts"
import { PieceVerifier } from "../PieceVerifier.ts"
import { explain, ResumeStore } from "../ResumeStore.ts"
import { TorrentError } from "../TorrentError.ts"
import type { TorrentEvent } from "../TorrentEvent.ts"
import type { TorrentOptions } from "./TorrentOptions.ts"

/** The record, and what a check with its help found on the disk. */
export const take = Effect.fnUntraced(function*(options: TorrentOptions, onEvent: (event: TorrentEvent) => void) {
  const { dir, metainfo, selected } = options
  const handle = yield* (yield* ResumeStore).open({ infoHash: metainfo.infoHash, dir })
  const storage = yield* (yield* FileStore).open({
    metainfo,
    dir,
    selected: selected === undefined ? undefined : (file) => selected.has(file),
    partFile: handle.partFile,
    readOnly: options.readOnly
  })
  const loaded = yield* handle.load(metainfo)
  for (const warning of [handle.warning, loaded.warning]) {
    if (warning !== undefined) onEvent({ _tag: "Warning", message: explain(warning) })
  }
  const known = options.isKnown ? yield* Checker.allThere(metainfo, storage) : undefined
  const checked = known ?? (yield* Checker.check({
    metainfo,
    storage,
    verifier: yield* PieceVerifier,
    record: loaded.record,
    checkIntegrity: options.checkIntegrity ?? false,
    allowOverwrite: options.allowOverwrite ?? options.readOnly ?? false,
    onProgress: options.onCheck
  }))
  const { pieces } = metainfo.layout
  // Before there is a record, by which a later download would take whatever lies here for its own.
  if (options.readOnly && !Bitfield.isFull(checked.have, pieces)) {
    return yield* new TorrentError({ reason: { _tag: "Incomplete", have: checked.have, pieces } })
  }
  return { handle, storage, checked, record: loaded.record }
})
