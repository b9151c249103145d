/** How one torrent is to be run. */
import type { Metainfo } from "../../domain/Metainfo.ts"
import type { PeerAddress } from "../../domain/PeerAddress.ts"
import type { Order } from "../../domain/swarm/PiecePicker.ts"
import type { Begun } from "../Metadata.ts"
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
  /** Peers that the magnet link names. Of a private torrent that has trackers they do not count (BEP 27). */
  readonly linkPeers?: ReadonlyArray<PeerAddress> | undefined
  /** URLs of web seeds (BEP 19), those of the torrent among them; what is not http(s) is left out. */
  readonly webSeeds?: ReadonlyArray<string> | undefined
  /** Those that the user has named: they may be any service of this machine or its network. */
  readonly namedWebSeeds?: ReadonlyArray<string> | undefined
  readonly maxPeers?: number | undefined
  /** What the magnet link that led here has begun. */
  readonly begun?: Begun | undefined
  /** Whether peers tell each other of peers (BEP 11); they do when absent, but never in a private torrent (BEP 27). */
  readonly pex?: boolean | undefined
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
  /** Shows each peer one piece at a time until the swarm has copies (BEP 16); for one who has everything. */
  readonly superSeed?: boolean | undefined
  /** Bytes hashed and to be hashed, while existing files are checked. */
  readonly onCheck?: ((checked: number, total: number) => void) | undefined
  readonly onEvent?: ((event: TorrentEvent) => void) | undefined
}
