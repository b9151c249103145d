/** The records of `--json` that say how a torrent stands: the answer to USR2, and what is said when nothing comes. */
import * as PeerState from "../../domain/swarm/PeerState.ts"
import type * as StallCause from "../../domain/swarm/StallCause.ts"
import type { Report } from "../../services/Torrent.ts"
import type * as Records from "./Records.ts"
import * as StatusBlock from "./StatusBlock.ts"

interface Head {
  readonly time: number
  readonly infoHash: string
}

const ms = (time: number | undefined): number | null =>
  time === undefined || time === Infinity ? null : Math.round(time)

/** What a program may look at of a cause; the rest is in its words. */
const factsOf = (cause: StallCause.StallCause | undefined, why: StatusBlock.Why) => ({
  cause: cause?._tag ?? null,
  message: cause === undefined ? null : why(cause),
  peers: cause !== undefined && "peers" in cause ? cause.peers : null,
  piece: cause !== undefined && "piece" in cause ? cause.piece : null,
  next: cause !== undefined && "nextInMs" in cause ? ms(cause.nextInMs) : null
})

/** It has come to a stop because of this, or moves again when there is no cause. */
export const stalled = (
  cause: StallCause.StallCause | undefined,
  why: StatusBlock.Why,
  head: Head
): Records.Record => ({
  type: "stalled",
  ...head,
  state: cause === undefined ? "moving" : "stalled",
  ...factsOf(cause, why)
})

/** How it stands; without a report its files are being checked. */
export const status = (
  report: Report | undefined,
  { checked, total, why }: { readonly checked: number; readonly total: number; readonly why: StatusBlock.Why },
  head: Head
): Records.Record => {
  const state = report?.state ?? { _tag: "Checking" as const, checked, total }
  return {
    type: "status",
    ...head,
    state: state._tag,
    cause: "cause" in state ? state.cause._tag : null,
    message: StatusBlock.textOf(state, why),
    memory: report?.memory.used ?? 0,
    memoryLimit: report?.memory.limit ?? 0,
    known: report?.known ?? 0,
    banned: report?.banned ?? 0,
    trackers: (report?.trackers ?? []).map(({ message, nextInMs, peers, result, url }) => ({
      url,
      state: result,
      message: message === "" ? null : message,
      peers,
      next: ms(nextInMs)
    })),
    peers: (report?.peers ?? []).map(({ address, asked, client, downRate, flags, pieces, state, upRate, window }) => ({
      address,
      client,
      flags,
      pieces,
      down: Math.round(downRate),
      up: Math.round(upRate),
      asked,
      window,
      state: state._tag,
      message: PeerState.text(state)
    }))
  }
}
