/** How one torrent is to be run. */
import type { Metainfo } from "../../domain/Metainfo.ts"
import type { PeerAddress } from "../../domain/PeerAddress.ts"
import type { Order } from "../../domain/swarm/PiecePicker.ts"
import type { TorrentEvent } from "../TorrentEvent.ts"

/** Connections of one torrent, unless its options say otherwise. */
export const MAX_PEERS = 200

export interface TorrentOptions {
  readonly metainfo: Metainfo
  /** The download folder. */
  readonly dir: string
  /** Files to fetch, by index; all when absent. */
  readonly selected?: ReadonlySet<number> | undefined
  readonly order?: Order | undefined
  /** Tiers of trackers, as they are to be asked. */
  readonly trackers: ReadonlyArray<ReadonlyArray<string>>
  /** Peers to dial besides those that trackers name. */
  readonly peers?: ReadonlyArray<PeerAddress> | undefined
  readonly maxPeers?: number | undefined
  /** Payload in bytes/s, under the limits of the session; unlimited when absent. */
  readonly maxDownloadRate?: number | undefined
  readonly maxUploadRate?: number | undefined
  /** Hash everything, whatever the record says. */
  readonly checkIntegrity?: boolean | undefined
  /** Files that do not look like this torrent's may be written over. */
  readonly allowOverwrite?: boolean | undefined
  /** All data was hashed a moment ago: that its files are there is enough. */
  readonly isKnown?: boolean | undefined
  /** Nothing is fetched or written: for sharing what is there, which must be all. */
  readonly readOnly?: boolean | undefined
  /** Bytes hashed and to be hashed, while existing files are checked. */
  readonly onCheck?: ((checked: number, total: number) => void) | undefined
  readonly onEvent?: ((event: TorrentEvent) => void) | undefined
}
