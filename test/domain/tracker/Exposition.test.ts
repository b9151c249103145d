import { assert, describe, it } from "@effect/vitest"
import { Counters } from "../../../src/domain/tracker/Counters.ts"
import * as Exposition from "../../../src/domain/tracker/Exposition.ts"

const swarms = { torrents: 3, peers: 5, completed: 0, seeders: 1, leechers: 4, peers4: 2, peers6: 3 }

const gauges = {
  connections: 7,
  pending: 0,
  residentBytes: 1e8,
  heapBytes: 5e7,
  cpuSeconds: 1.5,
  startedAtMs: 1_700_000_000_500
}

const LINE = /^(?:# (?:HELP|TYPE) [a-z_]+ .+|[a-z_]+(?:\{[a-z]+="[^"]*"(?:,[a-z]+="[^"]*")*\})? -?[\d.e+]+)$/

describe("Exposition", () => {
  it("is the text format of Prometheus, with every counter", () => {
    const counters = new Counters()
    counters.announces.udp6 = 5
    counters.scrapes.http4 = 2
    counters.troubles["rate-limited"] = 9
    const text = Exposition.render({ ...counters, ...gauges }, swarms)
    const lines = text.split("\n")
    assert.strictEqual(lines.pop(), "")
    for (const line of lines) assert.match(line, LINE)
    for (
      const line of [
        `freshet_tracker_announces_total{protocol="udp",family="ipv6"} 5`,
        `freshet_tracker_scrapes_total{protocol="http",family="ipv4"} 2`,
        `freshet_tracker_errors_total{cause="rate-limited"} 9`,
        `freshet_tracker_peers{role="leech"} 4`,
        `process_start_time_seconds 1700000000.5`
      ]
    ) assert.include(lines, line)
  })

  it("adds up the times, each bound with all below it", () => {
    const counters = new Counters()
    counters.took(0.25, 10)
    counters.took(3, 5)
    counters.took(5000, 1)
    const text = Exposition.render({ ...counters, ...gauges }, swarms)
    const name = "freshet_tracker_request_duration_seconds"
    for (
      const line of [
        `${name}_bucket{le="0.00025"} 10`,
        `${name}_bucket{le="0.0025"} 10`,
        `${name}_bucket{le="0.005"} 15`,
        `${name}_bucket{le="1"} 15`,
        `${name}_bucket{le="+Inf"} 16`,
        `${name}_count 16`,
        `${name}_sum 5.0175`
      ]
    ) assert.include(text, `${line}\n`)
  })
})
