/** The extensions that one torrent speaks (BEP 10), a line for each. One that is left out here is not offered to peers. */
import { Extensions } from "../../domain/swarm/Extensions.ts"
import type { Swarm } from "../../domain/swarm/Swarm.ts"
import type { Session } from "../Session.ts"

export interface ExtendingOptions {
  readonly session: Session["Service"]
  /** The torrent's own, which does not exist yet when its extensions are listed. */
  readonly swarm: () => Swarm
}

export const make = ({ session, swarm }: ExtendingOptions): Extensions =>
  new Extensions([], (peer) => ({ ...session.introduce(peer), uploadOnly: swarm().isDone }))
