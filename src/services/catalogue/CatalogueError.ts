/** What can go wrong with the torrents that a tracker lists. */
import * as Schema from "effect/Schema"

/** A torrent that is not taken. */
export class PublishError extends Schema.TaggedError<PublishError>()("PublishError", {
  reason: Schema.Literals(["TooLarge", "NotBencode", "Invalid", "Full"]),
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

/** Where the torrents are kept cannot be used now. */
export class CatalogueError extends Schema.TaggedError<CatalogueError>()("CatalogueError", {
  reason: Schema.Literal("Unavailable"),
  detail: Schema.String
}) {
  override get message() {
    return `the catalogue is out of reach: ${this.detail}`
  }
}

export const unavailable = (detail: string): CatalogueError => new CatalogueError({ reason: "Unavailable", detail })

export const full = (detail: string): PublishError => new PublishError({ reason: "Full", detail })
