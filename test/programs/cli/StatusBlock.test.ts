import { assert, describe, it } from "@effect/vitest"
import * as PeerState from "../../../src/domain/swarm/PeerState.ts"
import * as StallCause from "../../../src/domain/swarm/StallCause.ts"
import * as Format from "../../../src/programs/cli/Format.ts"
import * as StatusBlock from "../../../src/programs/cli/StatusBlock.ts"
import type { Report } from "../../../src/services/Torrent.ts"
import { below, int, randomOf, seed } from "../../domain/swarm/seeded.ts"

const LIMITS = {
  maxDownload: Infinity,
  maxUpload: 512_000,
  why: (cause: StallCause.StallCause) => StallCause.text(cause)
}

const peer: Report["peers"][number] = {
  address: "192.0.2.1:6881",
  isWeb: false,
  client: "qBittorrent 4.5.2",
  flags: "DuI",
  pieces: 50,
  downRate: 3 << 20,
  upRate: 0,
  window: 576,
  asked: 570,
  state: { _tag: "AtWindow", asked: 570 }
}

const report: Report = {
  state: { _tag: "Stalled", cause: { _tag: "AllChoke", peers: 14 } },
  trackers: [
    { url: "http://t:6969/secret/announce", result: "ok", message: "", peers: 40, nextInMs: 1_799_000 },
    {
      url: "udp://u:1/announce",
      result: "error",
      message: "tracker udp://u:1: timed out",
      peers: 0,
      nextInMs: Infinity
    }
  ],
  peers: [peer, {
    ...peer,
    address: "[2001:db8::1234:5678:9abc]:51413",
    downRate: 0,
    asked: 0,
    state: { _tag: "ChokesUs" }
  }],
  pieces: 100,
  memory: { used: 1 << 20, limit: 32 << 20 },
  known: 60,
  banned: 1
}

describe("StatusBlock", () => {
  it("shows it all on 120 columns", () => {
    assert.deepStrictEqual(StatusBlock.lines("a.iso", report, LIMITS, 119), [
      "a.iso: nothing comes: all 14 peers choke us",
      "peers 2 connected, 60 known, 1 banned",
      "memory 1.0/32.0 MiB, limits down none, up 500 KiB/s",
      "tracker http://t:6969: 40 peers; again in 29m59s",
      "tracker udp://u:1: timed out; not asked again",
      "address               client             flags  done       down         up     asked state",
      "192.0.2.1:6881        qBittorrent 4.5.2  DuI   50.0%  3.0 MiB/s          -   570/576 asked in full",
      "~234:5678:9abc]:51413 qBittorrent 4.5.2  DuI   50.0%          -          -         - chokes us"
    ])
  })

  it("shows the least on 80 columns that says why", () => {
    const table = StatusBlock.lines("a.iso", report, LIMITS, 79).slice(5)
    assert.deepStrictEqual(table, [
      "address               client   flags  done      down state",
      "192.0.2.1:6881        qBittor~ DuI   50.0% 3.0 MiB/s asked in full",
      "~234:5678:9abc]:51413 qBittor~ DuI   50.0%         - chokes us"
    ])
  })

  it("counts connections to web seeds apart", () => {
    const web = { ...peer, address: "http://host/files/", isWeb: true, client: "web seed" }
    const [, line] = StatusBlock.lines("a.iso", { ...report, peers: [web, peer, web] }, LIMITS, 79)
    assert.strictEqual(line, "peers 1 connected, 60 known, 1 banned; 2 connections to web seeds")
  })

  it.prop("keeps to its columns, whatever the peers are called", [seed, int(40, 200)], ([seed, columns]) => {
    const random = randomOf(seed)
    const word = (length: number) =>
      Array.from({ length: below(random, length) }, () => String.fromCodePoint(below(random, 0x3000))).join("")
    const peers = Array.from({ length: below(random, 150) }, (): Report["peers"][number] => ({
      address: `[${"2001:db8:".repeat(below(random, 5))}:1]:${below(random, 65_536)}`,
      isWeb: random() < 0.5,
      client: word(60),
      flags: "DUISP",
      pieces: below(random, 101),
      downRate: random() * 1e10,
      upRate: random() * 1e10,
      window: below(random, 2001),
      asked: below(random, 2001),
      state: { _tag: "Barred", leftMs: 1e6 }
    }))
    const lines = StatusBlock.lines(word(40), { ...report, trackers: [], peers }, LIMITS, columns)
    for (const line of lines.slice(3)) assert.isAtMost(Format.width(line), columns)
    for (const line of lines) assert.strictEqual(Format.printable(line), line)
    assert.isAtMost(lines.length, 105)
  })

  it("has a state column that most states fit on 80 columns", () => {
    assert.isBelow(PeerState.text({ _tag: "NothingFree" }).length, 26)
  })
})
