/** The extensions that one torrent speaks (BEP 10), a line for each. One that is left out here is not offered to peers. */
import { Extensions } from "../../domain/swarm/Extensions.ts"
import * as Pex from "../../domain/swarm/Pex.ts"
import type { Swarm } from "../../domain/swarm/Swarm.ts"
import * as PexMessage from "../../domain/wire/PexMessage.ts"
import type { PeerPool } from "../PeerPool.ts"
import type { Session } from "../Session.ts"

export interface ExtendingOptions {
  readonly session: Session["Service"]
  /** The torrent's own, which does not exist yet when its extensions are listed. */
  readonly swarm: () => Swarm
  readonly pool: () => Pick<PeerPool, "met" | "told">
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
    pex ? pexOf(options) : undefined
  ]
  return new Extensions(
    list.filter((extension) => extension !== undefined),
    (peer) => ({ ...session.introduce(peer), uploadOnly: swarm().isDone }),
    (peer, theirs, now) => pool().met(peer, theirs, now)
  )
}
