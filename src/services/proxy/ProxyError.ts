/** Why nothing goes through the proxy. */
import * as Schema from "effect/Schema"

export class ProxyError extends Schema.TaggedError<ProxyError>()("ProxyError", {
  /** Its address; never the user or the password. */
  proxy: Schema.String,
  /** The proxy itself, or whom it was to reach. */
  blames: Schema.Literals(["proxy", "target"]),
  /** The system's code for the like, `EPROXY` where it has none. */
  code: Schema.String,
  /** What the proxy does: `refuses connections`. */
  detail: Schema.String
}) {
  override get message() {
    return `the proxy ${this.proxy} ${this.detail}`
  }
}
