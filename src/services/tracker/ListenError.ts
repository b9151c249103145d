/** Why a tracker could not listen. */
import * as Schema from "effect/Schema"
import * as SystemCode from "../SystemCode.ts"

export class TrackerServerError extends Schema.TaggedError<TrackerServerError>()("TrackerServerError", {
  reason: Schema.Literals(["PortTaken", "NotAllowed", "CannotListen"]),
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

const place = (host: string | undefined, port: number): string => `${host ?? "any address"}, port ${port}`

/** From what Node says when a socket cannot be bound. */
export const of = (
  protocol: "TCP" | "UDP",
  host: string | undefined,
  port: number,
  cause: unknown
): TrackerServerError => {
  switch (SystemCode.of(cause)) {
    case "EADDRINUSE":
      return new TrackerServerError({
        reason: "PortTaken",
        detail: `port ${port} (${protocol}) is taken; choose another`
      })
    case "EACCES":
      return new TrackerServerError({
        reason: "NotAllowed",
        detail: `this user may not listen on ${place(host, port)}; choose a port from 1024 on`
      })
    default:
      return new TrackerServerError({
        reason: "CannotListen",
        detail: `cannot listen on ${place(host, port)} (${protocol}): ${SystemCode.describe(cause)}`
      })
  }
}
