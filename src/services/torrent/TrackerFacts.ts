/** What the trackers of a torrent said last, and when they are asked again. */
import type { TrackerFact } from "../../domain/swarm/Diagnosis.ts"
import type { AnnounceStatus } from "../Announcer.ts"

export interface TrackerFacts {
  /** An announce in one of the torrent's swarms has ended. */
  readonly onAnnounced: (swarm: number, status: AnnounceStatus) => void
  readonly list: () => Array<TrackerFact>
}

/** @param now monotonic ms */
export const make = (now: () => number): TrackerFacts => {
  const said = new Map<string, Array<{ readonly status: AnnounceStatus; readonly nextAt: number } | undefined>>()
  return {
    onAnnounced: (swarm, status) => {
      const of = said.get(status.url) ?? []
      said.set(status.url, of)
      of[swarm] = { status, nextAt: now() + status.nextInMs }
    },
    // Many trackers know one of a hybrid's hashes only: that they refuse the other does not count.
    list: () =>
      Array.from(said, ([url, of]) => {
        const heard = of.filter((one) => one !== undefined)
        const { nextAt, status } = heard.find(({ status }) => status.result !== "error") ?? heard[0]!
        const { message, peers, result } = status
        return { url, message, peers, result, nextInMs: Math.max(0, nextAt - now()) }
      })
  }
}
