/** The messages by which version 2 asks for nodes of hash trees (BEP 52). */
import * as HashMessage from "../../domain/wire/HashMessage.ts"
import * as Message from "../../domain/wire/Message.ts"
import { exactly, type Handlers } from "./Handler.ts"

export const HASHES: Handlers = {
  [Message.HASH_REQUEST]: {
    fits: exactly(1 + HashMessage.RANGE),
    run: (port, peer, bytes, at) => port.hashRequest(peer, HashMessage.readRange(bytes, at))
  },
  [Message.HASHES]: {
    fits: (length) => length > 1 + HashMessage.RANGE,
    run: (port, peer, bytes, at, length, now) => {
      const range = HashMessage.readRange(bytes, at)
      return HashMessage.isWhole(range, length)
        ? port.hashes(peer, range, bytes.subarray(at + HashMessage.RANGE, at + length), now)
        : "sent a message of the wrong length"
    }
  },
  [Message.HASH_REJECT]: {
    fits: exactly(1 + HashMessage.RANGE),
    run: (port, peer, bytes, at, _length, now) => {
      port.hashReject(peer, HashMessage.readRange(bytes, at), now)
      return undefined
    }
  }
}
