/** The extensions that one torrent speaks (BEP 10), a line for each. One that is left out here is not offered to peers. */
import type { Metainfo } from "../../domain/Metainfo.ts"
import { Extensions } from "../../domain/swarm/Extensions.ts"
import * as MetadataServe from "../../domain/swarm/MetadataServe.ts"
import type { Peer } from "../../domain/swarm/Peer.ts"
import type { Swarm } from "../../domain/swarm/Swarm.ts"
import type { Session } from "../Session.ts"

export interface ExtendingOptions {
  readonly session: Session["Service"]
  readonly metainfo: Pick<Metainfo, "info" | "private">
  /** The torrent's own, which does not exist yet when its extensions are listed. */
  readonly swarm: () => Swarm
  /** Monotonic ms. */
  readonly now: number
}

export const make = ({ metainfo, now, session, swarm }: ExtendingOptions): Extensions => {
  const send = (peer: Peer, name: string, payload: Uint8Array): boolean => extensions.send(peer, name, payload)
  // As in libtorrent: of a private torrent the metadata comes from its tracker, with the right to join.
  const isMagnetic = !metainfo.private
  const extensions: Extensions = new Extensions(
    isMagnetic ? [MetadataServe.make({ info: metainfo.info, send, now })] : [],
    (peer) => ({
      ...session.introduce(peer),
      metadataSize: isMagnetic ? metainfo.info.length : undefined,
      uploadOnly: swarm().isDone
    })
  )
  return extensions
}
