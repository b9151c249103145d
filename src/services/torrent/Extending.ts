/** The extensions that one torrent speaks (BEP 10), a line for each. One that is left out here is not offered to peers. */
import * as DontHave from "../../domain/swarm/DontHave.ts"
import { Extensions } from "../../domain/swarm/Extensions.ts"
import * as Pex from "../../domain/swarm/Pex.ts"
import type { Swarm } from "../../domain/swarm/Swarm.ts"
import * as UploadOnly from "../../domain/swarm/UploadOnly.ts"
import * as PexMessage from "../../domain/wire/PexMessage.ts"
import type { PeerPool } from "../PeerPool.ts"
import type { Session } from "../Session.ts"

/** The swarm and the pool of a torrent do not exist yet when its extensions are listed. */
export interface ExtendingOptions {
  readonly session: Session["Service"]
  readonly swarm: () => Swarm
  readonly pool: () => Pick<PeerPool, "introduced" | "told">
  /** Whether peers are told of peers. */
  readonly pex: boolean
  /** Numbers in [0, 1). */
  readonly random: () => number
}

const pexOf = ({ pool, random, swarm }: ExtendingOptions) =>
  Pex.make({
    peers: () => swarm().peers,
    send: (peer, payload) => swarm().extensions.send(peer, PexMessage.NAME, payload),
    onTold: (peer, message, now) => pool().told(peer, message, now),
    random
  })

export const make = (options: ExtendingOptions): Extensions => {
  const { pex, pool, session, swarm } = options
  const list = [
    UploadOnly.make((peer) => swarm().reconsider(peer)),
    DontHave.make((peer, piece, now) => swarm().dontHave(peer, piece, now)),
    pex ? pexOf(options) : undefined
  ]
  return new Extensions(list.filter((extension) => extension !== undefined), {
    own: (peer) => ({ ...session.introduce(peer), uploadOnly: swarm().isDone }),
    onMet: (peer, theirs) => pool().introduced(peer, theirs)
  })
}

/** All that is wanted is there: peers hear that we only give (BEP 21). */
export const finished = ({ extensions, peers }: Swarm): void => {
  for (const peer of peers) {
    UploadOnly.tell(extensions, peer)
    peer.wire.flush()
  }
}
