/** Why there is no connection, or no more of it. */
import * as Schema from "effect/Schema"

const WORDS = { dial: "dial", listen: "listen at", receive: "receive from" } as const

export class TransportError extends Schema.TaggedError<TransportError>()("TransportError", {
  operation: Schema.Literals(["dial", "listen", "receive"]),
  /** The system's code, like `ECONNREFUSED`. */
  code: Schema.String,
  address: Schema.String,
  /** What was wrong, in words, when it was no matter of the system. */
  detail: Schema.optionalKey(Schema.String)
}) {
  override get message() {
    return `cannot ${WORDS[this.operation]} ${this.address}: ${this.detail ?? this.code}`
  }
}
