/** The messages of BEP 3. */
import * as Bytes from "../../domain/Bytes.ts"
import * as Message from "../../domain/wire/Message.ts"
import { exactly, flag, type Handlers } from "./Handler.ts"

export const BASE: Handlers = {
  [Message.CHOKE]: flag((port, peer, now) => port.choke(peer, now)),
  [Message.UNCHOKE]: flag((port, peer) => port.unchoke(peer)),
  [Message.INTERESTED]: flag((port, peer, now) => port.interested(peer, now)),
  [Message.NOT_INTERESTED]: flag((port, peer) => port.notInterested(peer)),
  [Message.HAVE]: {
    fits: exactly(5),
    run: (port, peer, bytes, at) => port.haveMessage(peer, Bytes.readUint32(bytes, at))
  },
  [Message.BITFIELD]: {
    fits: () => true,
    run: (port, peer, bytes, at, length) => port.bitfield(peer, bytes.subarray(at, at + length))
  },
  [Message.REQUEST]: {
    fits: exactly(13),
    run: (port, peer, bytes, at) =>
      port.request(
        peer,
        Bytes.readUint32(bytes, at),
        Bytes.readUint32(bytes, at + 4),
        Bytes.readUint32(bytes, at + 8)
      )
  },
  [Message.PIECE]: {
    fits: (length) => length > Message.PIECE_HEADER - 4,
    run: (port, peer, bytes, at, length, now) =>
      port.block(
        peer,
        Bytes.readUint32(bytes, at),
        Bytes.readUint32(bytes, at + 4),
        bytes,
        at + 8,
        length - 8,
        now
      )
  },
  [Message.CANCEL]: {
    fits: exactly(13),
    run: (port, peer, bytes, at) => {
      port.cancel(peer, Bytes.readUint32(bytes, at), Bytes.readUint32(bytes, at + 4), Bytes.readUint32(bytes, at + 8))
      return undefined
    }
  }
}
