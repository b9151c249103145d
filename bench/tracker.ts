// What an announce costs the built tracker, and what it remembers of a peer, as its table grows: one client on loopback
// speaks UDP (BEP 15) with a fixed number of questions under way.
//   node bench/tracker.ts [PEERS...]
import { type ChildProcess, spawn } from "node:child_process"
import { randomFillSync } from "node:crypto"
import { createSocket } from "node:dgram"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { createInterface } from "node:readline"

const SIZES = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [10_000, 100_000, 200_000, 1_000_000]
const TORRENTS = 1000
const WANTED = 30
const UNDER_WAY = 64
const MEASURED = 200_000
const TICKS_PER_SECOND = 100

const root = new URL("..", import.meta.url).pathname

const startTracker = async (): Promise<{ readonly child: ChildProcess; readonly port: number }> => {
  const flags = ["--port", "0", "--bind", "127.0.0.1", "--no-http", "--data-dir", "none", "--json"]
  const child = spawn(process.execPath, [`${root}/dist/programs/tracker.js`, ...flags], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  const [line] = await once(createInterface(child.stdout!), "line") as [string]
  return { child, port: Number(new URL((JSON.parse(line) as { announce: [string] }).announce[0]).port) }
}

const cpuSeconds = ({ pid }: ChildProcess): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/.*\) /, "").split(" ")
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

const residentMiB = ({ pid }: ChildProcess): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) / 1024

const socket = createSocket({ type: "udp4", recvBufferSize: 4 << 20, lookup: (host, _, found) => found(null, host, 4) })
const packet = Buffer.alloc(98)

/** Peer number `n`: its torrent, its id, and an address that a tracker on this machine believes us. */
const write = (n: number, transaction: number): void => {
  packet.writeUInt32BE(1, 8)
  packet.writeUInt32BE(transaction, 12)
  packet.write(`bench-torrent-${n % TORRENTS}`.padEnd(20, "."), 16, "latin1")
  packet.write(`-XX0001-${n.toString().padStart(12, "0")}`, 36, "latin1")
  packet.writeUInt32BE(n % 10 === 0 ? 0 : 1, 68)
  packet.writeUInt32BE(0x0800_0000 + n, 84)
  packet.writeUInt32BE(WANTED, 92)
  packet.writeUInt16BE(6881, 96)
}

/** Announces peers, one after another as `next` says, and tells how long each waited, ms. */
const announce = (port: number, count: number, next: (i: number) => number): Promise<Float64Array> =>
  new Promise((resolve) => {
    const waited = new Float64Array(count)
    const sentAt = new Float64Array(count)
    let sent = 0
    let heard = 0
    const ask = () => {
      write(next(sent), sent)
      sentAt[sent++] = performance.now()
      socket.send(packet, port, "127.0.0.1")
    }
    const hear = (reply: Buffer) => {
      const transaction = reply.readUInt32BE(4)
      waited[transaction] = performance.now() - sentAt[transaction]!
      if (sent < count) ask()
      if (++heard < count) return
      socket.off("message", hear)
      resolve(waited)
    }
    socket.on("message", hear)
    for (let i = 0; i < Math.min(UNDER_WAY, count); i++) ask()
  })

const { child, port } = await startTracker()
const connect = Buffer.from("00000417271019800000000000000001", "hex")
socket.send(connect, port, "127.0.0.1")
const [greeting] = await once(socket, "message") as [Buffer]
greeting.copy(packet, 0, 8, 16)

const before = residentMiB(child)
console.log(`UDP, ${TORRENTS} torrents, ${WANTED} peers an answer, ${UNDER_WAY} questions under way`)
console.log("    peers   CPU µs/announce   p50 ms   p99 ms    MiB   bytes/peer")
let known = 0
for (const peers of SIZES) {
  await announce(port, peers - known, (i) => known + i)
  known = peers
  const chosen = randomFillSync(new Uint32Array(MEASURED))
  const start = cpuSeconds(child)
  const waited = (await announce(port, MEASURED, (i) => chosen[i]! % peers)).sort()
  const cost = (cpuSeconds(child) - start) / MEASURED * 1e6
  const resident = residentMiB(child)
  const share = (part: number) => waited[Math.floor(part * MEASURED)]!.toFixed(2)
  console.log([
    String(peers).padStart(9),
    cost.toFixed(1).padStart(17),
    share(0.5).padStart(8),
    share(0.99).padStart(8),
    resident.toFixed(0).padStart(6),
    ((resident - before) * 2 ** 20 / peers).toFixed(0).padStart(12)
  ].join(" "))
}
child.kill()
socket.close()
