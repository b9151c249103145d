/** The programs that take part, ours and others', each as a seed and as a leech. */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { execFileSync } from "node:child_process"
import * as path from "node:path"
import type * as Child from "./Child.ts"
import type { Stage } from "./Stage.ts"
import { machineNode, pinnedNode, root, script } from "./Stage.ts"

export interface Part {
  readonly torrent: string
  readonly dir: string
  readonly ip: string
  readonly port: number
  /** `ip:port` of peers to dial. Only ours and libtorrent can be told. */
  readonly peers?: ReadonlyArray<string>
  readonly flags?: ReadonlyArray<string>
  readonly env?: Record<string, string>
}

export type Start = (stage: Stage, part: Part) => Effect.Effect<Child.Child, never, Scope.Scope>

export interface Client {
  readonly name: string
  /** The Debian package that brings it. */
  readonly package: string
  readonly installed: () => boolean
  readonly seed: Start
  /** Ends with 0 when it has reported the torrent complete and its data is on disk. */
  readonly leech: Start
  /** Whether it makes the files that hold nothing. */
  readonly makesEmptyFiles: boolean
  /** What it prints once it can be dialled. */
  readonly ready: RegExp
  /** What it prints once it has uploaded. */
  readonly uploading: RegExp
}

const runs = (command: string, ...args: ReadonlyArray<string>) => (): boolean => {
  try {
    execFileSync(command, args, { stdio: "ignore" })
    return true
  } catch {
    return false
  }
}

const aria2Argv = ({ dir, flags = [], ip, port, torrent }: Part): ReadonlyArray<string> => [
  "aria2c",
  "--no-conf",
  "--enable-dht=false",
  "--enable-dht6=false",
  "--enable-peer-exchange=false",
  "--bt-enable-lpd=false",
  "--disable-ipv6=true",
  "--file-allocation=none",
  "--summary-interval=1",
  `--interface=${ip}`,
  `--listen-port=${port}`,
  `--dir=${dir}`,
  ...flags,
  torrent
]

export const aria2: Client = {
  name: "aria2",
  package: "aria2",
  installed: runs("aria2c", "--version"),
  seed: (stage, part) =>
    stage.spawn(
      "aria2 seed",
      aria2Argv({ ...part, flags: [...part.flags ?? [], "--check-integrity=true", "--seed-ratio=0"] })
    ),
  leech: (stage, part) =>
    stage.spawn("aria2 leech", aria2Argv({ ...part, flags: [...part.flags ?? [], "--seed-time=0"] })),
  makesEmptyFiles: true,
  ready: /listening on TCP port/,
  uploading: /UL:[^\]]*\(/
}

/** With a table of its own, which stays empty: nobody else is on that network. */
const withDht = (start: Start, stage: Stage, part: Part) =>
  start(stage, {
    ...part,
    flags: [
      "--enable-dht=true",
      `--dht-listen-port=${part.port}`,
      `--dht-file-path=${path.join(stage.dir, `dht-${part.port}`)}`
    ]
  })

export const aria2WithDht: Client = {
  ...aria2,
  seed: (stage, part) => withDht(aria2.seed, stage, part),
  leech: (stage, part) => withDht(aria2.leech, stage, part)
}

const transmissionArgv = (stage: Stage, mode: "seed" | "leech", { dir, ip, port, torrent }: Part) => [
  pinnedNode,
  script("transmission.ts"),
  mode,
  torrent,
  dir,
  ip,
  String(port),
  path.join(stage.dir, `transmission-${port}`)
]

export const transmission: Client = {
  name: "transmission",
  package: "transmission-daemon",
  installed: runs("transmission-daemon", "--version"),
  seed: (stage, part) =>
    stage.spawn("transmission seed", transmissionArgv(stage, "seed", part), { env: part.env ?? {} }),
  leech: (stage, part) =>
    stage.spawn("transmission leech", transmissionArgv(stage, "leech", part), { env: part.env ?? {} }),
  makesEmptyFiles: false,
  ready: /^ready$/m,
  uploading: /^uploading$/m
}

const libtorrentArgv = (mode: "seed" | "leech", { dir, ip, peers = [], port, torrent }: Part) => [
  "/usr/bin/python3",
  script("libtorrent_peer.py"),
  mode,
  torrent,
  dir,
  `${ip}:${port}`,
  ...peers
]

export const libtorrent: Client = {
  name: "libtorrent",
  package: "python3-libtorrent",
  installed: runs("/usr/bin/python3", "-c", "import libtorrent"),
  seed: (stage, part) => stage.spawn("libtorrent seed", libtorrentArgv("seed", part), { env: part.env ?? {} }),
  leech: (stage, part) => stage.spawn("libtorrent leech", libtorrentArgv("leech", part), { env: part.env ?? {} }),
  makesEmptyFiles: true,
  ready: /^ready$/m,
  uploading: /^uploading$/m
}

export const foreign: ReadonlyArray<Client> = [aria2, transmission, libtorrent]

const freshetFlags = (stage: Stage, { dir, flags = [], ip, peers = [], port }: Part): ReadonlyArray<string> => [
  `--dir=${dir}`,
  `--bind=${ip}`,
  `--listen-port=${port}`,
  `--state-dir=${path.join(stage.dir, `state-${port}`)}`,
  ...peers.flatMap((peer) => ["--peer", peer]),
  ...flags
]

export const program = (name: "leech" | "seed" | "tracker"): string => path.join(root, "dist/programs", `${name}.js`)

export type Peer = Pick<Client, "name" | "makesEmptyFiles" | "seed" | "leech">

const freshet = (name: string, node: string): Peer => ({
  name,
  makesEmptyFiles: true,
  seed: (stage, part) => stage.spawn("seed.js", [node, program("seed"), part.torrent, ...freshetFlags(stage, part)]),
  leech: (stage, part) => stage.spawn("leech.js", [node, program("leech"), part.torrent, ...freshetFlags(stage, part)])
})

/** Ours under the Node that a user of this machine has. */
export const ours = freshet("freshet", machineNode)

/** Ours under the Node that we recommend. */
export const oursPinned = freshet("freshet on the pinned Node", pinnedNode)
