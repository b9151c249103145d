/**
 * Does cost grow with the number of peers? A leech fetches from one fast seed while a crowd is connected to it: peers that say
 * nothing, peers that have everything but choke, and some that unchoke but never give. Prints the rates with a crowd of 3 and of
 * 199 and their ratio, medians of some rounds; needs a build.
 *
 *   node bench/crowd.ts [ROUNDS]
 */
import * as Result from "effect/Result"
import { spawn } from "node:child_process"
import { createHash, randomFillSync } from "node:crypto"
import * as fs from "node:fs"
import * as net from "node:net"
import * as os from "node:os"
import * as path from "node:path"
import { performance } from "node:perf_hooks"
import * as Bitfield from "../src/domain/Bitfield.ts"
import * as Bytes from "../src/domain/Bytes.ts"
import * as Metainfo from "../src/domain/Metainfo.ts"
import * as MetainfoWriter from "../src/domain/MetainfoWriter.ts"
import * as PeerId from "../src/domain/PeerId.ts"
import * as Handshake from "../src/domain/wire/Handshake.ts"
import * as Message from "../src/domain/wire/Message.ts"

const MIB = 1 << 20
const PIECES = 2048
const programs = new URL("../dist/programs/", import.meta.url).pathname
const base = fs.existsSync("/dev/shm") ? "/dev/shm" : os.tmpdir()
const folder = fs.mkdtempSync(path.join(base, "freshet-crowd-"))
process.on("exit", () => fs.rmSync(folder, { recursive: true, force: true }))

const makeTorrent = (): Uint8Array => {
  const hashes = new Uint8Array(20 * PIECES)
  const fd = fs.openSync(path.join(folder, "payload"), "w")
  const piece = new Uint8Array(MIB)
  for (let i = 0; i < PIECES; i++) {
    fs.writeSync(fd, randomFillSync(piece))
    hashes.set(createHash("sha1").update(piece).digest(), 20 * i)
  }
  fs.closeSync(fd)
  return MetainfoWriter.encode({ name: "payload", length: PIECES * MIB, pieceLength: MIB, pieceHashes: hashes })
}

const torrent = path.join(folder, "payload.torrent")
fs.writeFileSync(torrent, makeTorrent())
const { infoHash } = Result.getOrThrow(Metainfo.parse(fs.readFileSync(torrent)))

const start = (program: string, args: ReadonlyArray<string>) =>
  spawn(process.execPath, [path.join(programs, program), torrent, "--no-tracker", "--bind", "127.0.0.1", ...args], {
    stdio: ["ignore", "pipe", "pipe"]
  })

/** Waits until the output matches. */
const said = (stream: NodeJS.ReadableStream, pattern: RegExp): Promise<RegExpExecArray> =>
  new Promise((resolve) => {
    let text = ""
    stream.on("data", (chunk: Uint8Array) => {
      text = (text + String(chunk)).slice(-10_000)
      const match = pattern.exec(text)
      if (match !== null) resolve(match)
    })
  })

/** One of the crowd. */
const join = (port: number, index: number): net.Socket => {
  const socket = net.connect(port, "127.0.0.1")
  const outbox = new Message.Outbox()
  socket.on("error", () => {})
  const id = Bytes.fromLatin1(`-XX0001-${String(index).padStart(12, "0")}`)
  socket.write(Handshake.encode(infoHash, PeerId.fromBytes(id)))
  if (index % 2 === 0) outbox.bitfield(Bitfield.full(PIECES))
  if (index % 20 === 0) outbox.unchoke()
  socket.write(outbox.take())
  socket.resume()
  return socket
}

const round = async (crowd: number): Promise<number> => {
  const out = path.join(folder, "out")
  const state = path.join(folder, "state")
  const seed = start("seed.js", ["--dir", folder, "--listen-port", "0", "--state-dir", state])
  const [, seedPort] = await said(seed.stderr, /port (\d+)/)
  const port = 20_000 + crowd
  const options = ["--dir", out, "--listen-port", `${port}`, "--state-dir", state, "--max-peers", "300"]
  const leech = start("leech.js", [
    ...options,
    "--json",
    "--quiet",
    "--keep-seeding",
    "--peer",
    `127.0.0.1:${seedPort}`
  ])
  const complete = said(leech.stdout, /"type":"complete"/)
  await said(leech.stdout, /"state":"connected"/)
  const began = performance.now()
  const sockets = Array.from({ length: crowd }, (_, i) => join(port, i))
  await complete
  const rate = PIECES * MIB / 1e3 / (performance.now() - began)
  for (const socket of sockets) socket.destroy()
  leech.kill("SIGKILL")
  seed.kill("SIGKILL")
  fs.rmSync(out, { recursive: true, force: true })
  fs.rmSync(state, { recursive: true, force: true })
  return rate
}

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1]!
const rounds = Number(process.argv[2] ?? 3)
const few: Array<number> = []
const many: Array<number> = []
for (let i = 0; i < rounds; i++) {
  few.push(await round(3))
  many.push(await round(199))
}
console.log(JSON.stringify({
  "MBps with 4 peers": Math.round(median(few)),
  "MBps with 200 peers": Math.round(median(many)),
  ratio: Number((median(many) / median(few)).toFixed(2))
}))
process.exit(0)
