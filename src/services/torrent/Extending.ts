/** The extensions that one torrent speaks (BEP 10), a line for each. One that is left out here is not offered to peers. */
import type { Metainfo } from "../../domain/Metainfo.ts"
import * as DontHave from "../../domain/swarm/DontHave.ts"
import { Extensions } from "../../domain/swarm/Extensions.ts"
import * as MetadataServe from "../../domain/swarm/MetadataServe.ts"
import type { Peer } from "../../domain/swarm/Peer.ts"
import * as Pex from "../../domain/swarm/Pex.ts"
import type { Swarm } from "../../domain/swarm/Swarm.ts"
import * as UploadOnly from "../../domain/swarm/UploadOnly.ts"
import * as PexMessage from "../../domain/wire/PexMessage.ts"
import type { PeerPool } from "../PeerPool.ts"
import type { Session } from "../Session.ts"

/** The swarm and the pool of a torrent do not exist yet when its extensions are listed. */
export interface ExtendingOptions {
  readonly session: Session["Service"]
  readonly metainfo: Pick<Metainfo, "info" | "private">
  readonly swarm: () => Swarm
  readonly pool: () => PeerPool
  /** It was a magnet link: peers have been told that we speak of metadata. */
  readonly wasMagnet: boolean
  /** Whether peers are told of peers. */
  readonly pex: boolean
  /** Numbers in [0, 1). */
  readonly random: () => number
  /** Monotonic ms. */
  readonly now: number
}

export const make = ({ metainfo, now, pex, pool, random, session, swarm, wasMagnet }: ExtendingOptions): Extensions => {
  const send = (peer: Peer, name: string, payload: Uint8Array): boolean => extensions.send(peer, name, payload)
  // As in libtorrent: of a private torrent the metadata comes from its tracker, with the right to join.
  const isGiven = !metainfo.private
  const pexOf = () =>
    Pex.make({
      peers: () => swarm().peers,
      send: (peer, payload) => send(peer, PexMessage.NAME, payload),
      onTold: (peer, message, at) => pool().told(peer, message, at),
      random
    })
  const extensions: Extensions = new Extensions([
    // First, as while it is fetched: a message on its way then still finds it under its number.
    ...isGiven
      ? [MetadataServe.make({ info: metainfo.info, send, now })]
      : wasMagnet
      ? [MetadataServe.withdrawn(send)]
      : [],
    UploadOnly.make((peer) => swarm().reconsider(peer)),
    DontHave.make((peer, piece, now) => swarm().dontHave(peer, piece, now)),
    ...pex ? [pexOf()] : []
  ], {
    own: (peer) => ({
      ...session.introduce(peer),
      metadataSize: isGiven ? metainfo.info.length : undefined,
      uploadOnly: swarm().isDone && !swarm().isSuperSeeding
    }),
    onMet: (peer, theirs) => pool().introduced(peer, theirs)
  })
  return extensions
}

/** All that is wanted is there: peers hear that we only give (BEP 21). */
export const finished = ({ extensions, peers }: Swarm): void => {
  for (const peer of peers) {
    UploadOnly.tell(extensions, peer)
    peer.wire.flush()
  }
}
