import * as Schema from "effect/Schema"

export class SwarmStoreError extends Schema.TaggedError<SwarmStoreError>()("SwarmStoreError", {
  reason: Schema.Literal("Unavailable"),
  detail: Schema.String
}) {
  override get message() {
    return `the swarm store is out of reach: ${this.detail}`
  }
}
