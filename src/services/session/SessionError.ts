/** Why a session cannot begin, or a torrent not join it. */
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"

export class SessionError extends Schema.TaggedError<SessionError>()("SessionError", {
  reason: Schema.Literals(["PortTaken", "CannotListen", "SameTorrent"]),
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
  /** aria2's "network problem" and "same info hash already downloading". */
  override get [Runtime.errorExitCode]() {
    return this.reason === "SameTorrent" ? 12 : 6
  }
}
