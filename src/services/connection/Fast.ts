/** The messages of the fast extension (BEP 6), which end the connection with a peer that has not offered it. */
import * as Bytes from "../../domain/Bytes.ts"
import * as Message from "../../domain/wire/Message.ts"
import { exactly, flag, type Handler, type Handlers } from "./Handler.ts"

const agreed = (handler: Handler): Handler => ({
  fits: handler.fits,
  run: (port, peer, bytes, at, length, now) =>
    peer.fast ? handler.run(port, peer, bytes, at, length, now) : "sent a message of the fast extension without its bit"
})

export const FAST: Handlers = {
  [Message.SUGGEST]: agreed({
    fits: exactly(5),
    run: (port, peer, bytes, at) => port.suggest(peer, Bytes.readUint32(bytes, at))
  }),
  [Message.HAVE_ALL]: agreed(flag((port, peer) => port.haveAll(peer))),
  [Message.HAVE_NONE]: agreed(flag((port, peer) => port.haveNone(peer))),
  [Message.REJECT]: agreed({
    fits: exactly(13),
    run: (port, peer, bytes, at, _length, now) =>
      port.reject(
        peer,
        Bytes.readUint32(bytes, at),
        Bytes.readUint32(bytes, at + 4),
        Bytes.readUint32(bytes, at + 8),
        now
      )
  }),
  [Message.ALLOWED_FAST]: agreed({
    fits: exactly(5),
    run: (port, peer, bytes, at, _length, now) => port.allowedFast(peer, Bytes.readUint32(bytes, at), now)
  })
}
