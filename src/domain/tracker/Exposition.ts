/** The counters in the text format of Prometheus, version 0.0.4. */
import type { Summary } from "./Announcing.ts"
import { BOUNDS_MS, type Counted, type Way, WAYS } from "./Counters.ts"
import type { Tally } from "./Tally.ts"

export const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

type Labels = Readonly<Record<string, string | number>>

const labelled = (labels: Labels): string => {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value}"`)
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`
}

type Sample = readonly [labels: Labels, value: number]

const metric = (name: string, type: "counter" | "gauge", help: string, samples: ReadonlyArray<Sample>): string =>
  `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${
    samples.map(([labels, value]) => `${name}${labelled(labels)} ${value}\n`).join("")
  }`

const gauge = (name: string, help: string, value: number): string => metric(name, "gauge", help, [[{}, value]])

const byWay = (counts: Readonly<Record<Way, number>>): ReadonlyArray<Sample> =>
  WAYS.map((way) => [{ protocol: way.slice(0, -1), family: `ipv${way.slice(-1)}` }, counts[way]] as const)

const histogram = (name: string, help: string, { durations, durationSumMs }: Counted): string => {
  let total = 0
  const buckets = durations.map((count, at) => {
    total += count
    const bound = BOUNDS_MS[at]
    return `${name}_bucket${labelled({ le: bound === undefined ? "+Inf" : bound / 1000 })} ${total}\n`
  })
  const sum = `${name}_sum ${durationSumMs / 1000}\n${name}_count ${total}\n`
  return `# HELP ${name} ${help}\n# TYPE ${name} histogram\n${buckets.join("")}${sum}`
}

/** Everything a scrape of `/metrics` gets. */
export const render = (tally: Tally, swarms: Summary): string =>
  [
    metric("freshet_tracker_announces_total", "counter", "Announces taken", byWay(tally.announces)),
    metric("freshet_tracker_scrapes_total", "counter", "Scrapes taken", byWay(tally.scrapes)),
    metric("freshet_tracker_connects_total", "counter", "UDP connection ids given out", [[{}, tally.connects]]),
    metric("freshet_tracker_other_requests_total", "counter", "Other HTTP requests", [[{}, tally.others]]),
    metric(
      "freshet_tracker_errors_total",
      "counter",
      "Questions that had another end than their answer, by cause",
      Object.entries(tally.troubles).map(([cause, count]) => [{ cause }, count] as const)
    ),
    histogram(
      "freshet_tracker_request_duration_seconds",
      "From the question to the answer; all of one turn of the event loop count as its first",
      tally
    ),
    gauge("freshet_tracker_torrents", "Torrents with peers", swarms.torrents),
    metric("freshet_tracker_peers", "gauge", "Peers by role", [
      [{ role: "seed" }, swarms.seeders],
      [{ role: "leech" }, swarms.leechers]
    ]),
    metric("freshet_tracker_peers_by_family", "gauge", "Peers by family of their address", [
      [{ family: "ipv4" }, swarms.peers4],
      [{ family: "ipv6" }, swarms.peers6]
    ]),
    gauge("freshet_tracker_connections", "Open TCP connections", tally.connections),
    gauge("freshet_tracker_pending", "Questions that wait for the store", tally.pending),
    gauge("process_resident_memory_bytes", "Resident memory", tally.residentBytes),
    gauge("nodejs_heap_size_used_bytes", "Heap in use", tally.heapBytes),
    metric("process_cpu_seconds_total", "counter", "CPU time of user and system", [[{}, tally.cpuSeconds]]),
    gauge("process_start_time_seconds", "Start of the process, Unix time", tally.startedAtMs / 1000)
  ].join("")
