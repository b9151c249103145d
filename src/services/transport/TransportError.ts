/** Why there is no connection, or no more of it. */
import * as Schema from "effect/Schema"

export class TransportError extends Schema.TaggedError<TransportError>()("TransportError", {
  operation: Schema.Literals(["dial", "listen", "receive"]),
  /** The system's code, like `ECONNREFUSED`. */
  code: Schema.String,
  address: Schema.String,
  /** More than the code says: what a proxy does. */
  detail: Schema.optional(Schema.String)
}) {
  override get message() {
    return `cannot ${this.operation} ${this.address}: ${this.detail ?? this.code}`
  }
}
