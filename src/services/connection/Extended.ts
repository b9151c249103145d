/** The one message of BEP 10, which carries those of all extensions. */
import * as Message from "../../domain/wire/Message.ts"
import type { Handlers } from "./Handler.ts"

export const EXTENDED: Handlers = {
  [Message.EXTENDED]: {
    fits: (length) => length >= 2,
    run: (port, peer, bytes, at, length, now) =>
      peer.extended ? port.extended(peer, bytes.subarray(at, at + length), now) : undefined
  }
}
