/**
 * Does an announce cost more in a larger tracker? Fills a table with 10,000, 100,000 and 1,000,000 peers, 50 to a torrent, and
 * announces for known peers, with 30 peers in each answer; then writes a snapshot and reads it. Times are of the processor,
 * garbage collection included; `nsPerAnnounce` is the median of 50 slices, `nsBest` the quickest. Compare the lines of one
 * run, never runs with each other. Memory is measured, so each size has a process of its own.
 *
 *   node bench/swarms.ts
 */
import { spawnSync } from "node:child_process"
import { randomFillSync } from "node:crypto"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import type { Announcing } from "../src/domain/tracker/Announcing.ts"
import * as SwarmSnapshot from "../src/domain/tracker/SwarmSnapshot.ts"
import { SwarmTable } from "../src/domain/tracker/SwarmTable.ts"

const PER_TORRENT = 50
const NUM_WANT = 30
const SLICES = 50
const ROUNDS = 20_000
const NOW = 1.8e12
const HEAD = { writtenAt: NOW, connectionKey: new Uint8Array(32) }

setFlagsFromString("--expose-gc")
const collect: () => void = runInNewContext("gc")

/** One announce, changed in place for each peer, as a listener would. */
class Asker implements Announcing {
  readonly #hashes: ReadonlyArray<Uint8Array>
  readonly #ids: ReadonlyArray<Uint8Array>
  infoHash: Uint8Array
  peerId: Uint8Array
  readonly compact = new Uint8Array(6)
  key = 0
  role: "leech" | "seed" = "leech"
  readonly event = undefined
  readonly numWant = NUM_WANT
  readonly wants = "v4"
  readonly withIds = false

  constructor(peers: number) {
    const bytes = () => randomFillSync(new Uint8Array(20))
    this.#hashes = Array.from({ length: peers / PER_TORRENT }, () => bytes())
    this.#ids = Array.from({ length: 16 * PER_TORRENT }, () => bytes())
    this.infoHash = this.#hashes[0]!
    this.peerId = this.#ids[0]!
    this.compact.set([1, 0, 0, 0, 0x1a, 0xe1])
  }

  /** The torrents' peers come mixed, as they do in life. */
  become(peer: number): void {
    const torrent = peer % this.#hashes.length
    this.infoHash = this.#hashes[torrent]!
    this.peerId = this.#ids[(torrent % 16) * PER_TORRENT + Math.floor(peer / this.#hashes.length)]!
    // As nearly all clients have one.
    this.key = peer + 1
    this.role = peer % 3 === 0 ? "seed" : "leech"
    this.compact[1] = peer >>> 16
    this.compact[2] = peer >>> 8
    this.compact[3] = peer
  }
}

/** Microseconds of processor: other programs may run beside this one. */
const cpu = (): number => {
  const { system, user } = process.cpuUsage()
  return system + user
}

const rss = (): number => {
  collect()
  return process.memoryUsage().rss
}

/** Into memory and back: the disk is not measured. */
const snapshot = (table: SwarmTable) => {
  const frames: Array<Uint8Array> = []
  const start = cpu()
  let longest = 0
  for (let last = start, more = SwarmSnapshot.frames(table, HEAD), next = more.next(); !next.done; next = more.next()) {
    frames.push(next.value)
    const now = cpu()
    longest = Math.max(longest, now - last)
    last = now
  }
  const written = cpu()
  const read = new SwarmTable(table.bounds, Math.random, Int32Array.from([3, 4]))
  frames.forEach((frame, number) => {
    const content = SwarmSnapshot.open(frame, number)
    if (number > 0 && content !== undefined) SwarmSnapshot.restore(content, read, NOW)
  })
  const restored = cpu()
  read.settle()
  return {
    snapshotBytesPerPeer: Math.round(frames.reduce((sum, { length }) => sum + length, 0) / table.peers.size),
    writeMs: Math.round((written - start) / 1000),
    longestFrameMs: longest / 1000,
    readMs: Math.round((restored - written) / 1000),
    settleMs: Math.round((cpu() - restored) / 1000)
  }
}

const measure = (peers: number) => {
  const bounds = { maxTorrents: peers, maxPeersPerTorrent: peers, maxPeers: peers, lifeMs: 3_600_000 }
  const asker = new Asker(peers)
  const before = rss()
  const table = new SwarmTable(bounds, Math.random, Int32Array.from([1, 2]))
  const start = cpu()
  let longest = 0
  for (let peer = 0, last = start; peer < peers; peer++) {
    asker.become(peer)
    table.announce(asker, NOW)
    const now = cpu()
    longest = Math.max(longest, now - last)
    last = now
  }
  const filled = cpu()
  const after = rss()
  const times: Array<number> = []
  for (let slice = 0; slice < SLICES; slice++) {
    const begun = cpu()
    for (let round = 0; round < ROUNDS; round++) {
      asker.become(Math.floor(Math.random() * peers))
      table.announce(asker, NOW + 1000)
    }
    times.push((cpu() - begun) * 1000 / ROUNDS)
  }
  console.log(JSON.stringify({
    peers,
    nsPerNewPeer: Math.round((filled - start) * 1000 / peers),
    longestMs: longest / 1000,
    nsPerAnnounce: Math.round(times.sort((a, b) => a - b)[SLICES / 2]!),
    nsBest: Math.round(times[0]!),
    columnBytesPerPeer: Math.round(table.bytes / peers),
    rssBytesPerPeer: Math.round((after - before) / peers),
    ...snapshot(table)
  }))
}

const [size] = process.argv.slice(2)
if (size === undefined) {
  for (const peers of [10_000, 100_000, 1_000_000]) {
    spawnSync(process.execPath, [...process.execArgv, import.meta.filename, `${peers}`], { stdio: "inherit" })
  }
} else {
  measure(Number(size))
}
