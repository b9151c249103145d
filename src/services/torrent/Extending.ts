/** The extensions that one torrent speaks (BEP 10), a line for each. One that is left out here is not offered to peers. */
import * as DontHave from "../../domain/swarm/DontHave.ts"
import { Extensions } from "../../domain/swarm/Extensions.ts"
import type { Swarm } from "../../domain/swarm/Swarm.ts"
import * as UploadOnly from "../../domain/swarm/UploadOnly.ts"
import type { PeerPool } from "../PeerPool.ts"
import type { Session } from "../Session.ts"

/** The swarm and the pool of a torrent do not exist yet when its extensions are listed. */
export interface ExtendingOptions {
  readonly session: Session["Service"]
  readonly swarm: () => Swarm
  readonly pool: () => PeerPool
}

export const make = ({ pool, session, swarm }: ExtendingOptions): Extensions =>
  new Extensions([
    UploadOnly.make((peer) => swarm().reconsider(peer)),
    DontHave.make((peer, piece, now) => swarm().dontHave(peer, piece, now))
  ], {
    own: (peer) => ({ ...session.introduce(peer), uploadOnly: swarm().isDone && !swarm().isSuperSeeding }),
    onMet: (peer, theirs) => pool().introduced(peer, theirs)
  })

/** All that is wanted is there: peers hear that we only give (BEP 21). */
export const finished = ({ extensions, peers }: Swarm): void => {
  for (const peer of peers) {
    UploadOnly.tell(extensions, peer)
    peer.wire.flush()
  }
}
