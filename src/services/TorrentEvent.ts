/** What happens to a torrent, told as it happens to whoever watches: screens, logs, records. */
import type * as PeerAddress from "../domain/PeerAddress.ts"
import type * as PeerId from "../domain/PeerId.ts"

export type TorrentEvent =
  | { readonly _tag: "PieceLanded"; readonly piece: number }
  | { readonly _tag: "PieceCorrupt"; readonly piece: number }
  /** Found in a corrupt piece by its own hash (BEP 52); the address is unknown for what was on the disk. */
  | {
    readonly _tag: "BlockCorrupt"
    readonly piece: number
    readonly block: number
    readonly address: PeerAddress.PeerAddress | undefined
  }
  | { readonly _tag: "PeerConnected"; readonly address: PeerAddress.PeerAddress; readonly peerId: PeerId.PeerId }
  | { readonly _tag: "PeerDisconnected"; readonly address: PeerAddress.PeerAddress; readonly reason: string }
  | { readonly _tag: "PeerBanned"; readonly address: PeerAddress.PeerAddress; readonly reason: string }
  | {
    readonly _tag: "TrackerAnswered"
    readonly url: string
    readonly seeds: number | undefined
    readonly leeches: number | undefined
  }
  | { readonly _tag: "TrackerFailed"; readonly url: string; readonly message: string }
  /** A web seed has given what was asked for, for the first time or after it had failed. */
  | { readonly _tag: "WebSeedAnswered"; readonly url: string }
  /** It rests, to be asked again then. */
  | {
    readonly _tag: "WebSeedFailed"
    readonly url: string
    readonly message: string
    readonly retryInMs: number
  }
  /** It has not one of the files, and is asked for the others. */
  | {
    readonly _tag: "WebSeedLacks"
    readonly url: string
    readonly file: ReadonlyArray<string>
    readonly message: string
  }
  /** It is not asked again in this run. */
  | { readonly _tag: "WebSeedDropped"; readonly url: string; readonly message: string }
  | { readonly _tag: "Warning"; readonly message: string }
  | { readonly _tag: "Completed" }
