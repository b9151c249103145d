/**
 * Whole clients on a network in memory, for tests under a TestClock. Everything a node does is real but its cable, its disk
 * and the time; everything by chance comes from the seed, so a test runs the same way every time.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as WebCrypto from "effect/crypto/WebCrypto"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as path from "node:path"
import type { Magnet } from "../../src/domain/Magnet.ts"
import * as Metainfo from "../../src/domain/Metainfo.ts"
import * as MetainfoDocument from "../../src/domain/MetainfoDocument.ts"
import * as PeerAddress from "../../src/domain/PeerAddress.ts"
import { Download } from "../../src/services/Download.ts"
import { FileStore } from "../../src/services/FileStore.ts"
import * as Metadata from "../../src/services/Metadata.ts"
import { PeerConnection } from "../../src/services/PeerConnection.ts"
import { PieceVerifier } from "../../src/services/PieceVerifier.ts"
import { ResumeStore } from "../../src/services/ResumeStore.ts"
import { Session, type SessionOptions } from "../../src/services/Session.ts"
import * as MemoryDisk from "../../src/services/storage/MemoryDisk.ts"
import * as Torrent from "../../src/services/Torrent.ts"
import type { TorrentEvent } from "../../src/services/TorrentEvent.ts"
import { Transport } from "../../src/services/Transport.ts"
import * as MemoryNetwork from "../../src/services/transport/MemoryNetwork.ts"
import { UploadServer } from "../../src/services/UploadServer.ts"
import { below, randomOf } from "../domain/swarm/seeded.ts"
import * as MemoryTracker from "./memoryTracker.ts"
import * as Payload from "./payload.ts"
import { plainHost } from "./plainLink.ts"
import * as WebServer from "./webServer.ts"

export interface Options extends MemoryNetwork.NetworkOptions {
  readonly torrent: Payload.Torrent
  /** Of all chance in the network and in every node. */
  readonly seed: number
  /** What web seeds are asked of; there is no web when absent. */
  readonly web?: WebServer.Server | undefined
}

export interface NodeOptions {
  /** Its place in the address plan: see {@link address}. */
  readonly number: number
  /** What it has from the start; nothing when absent. */
  readonly has?: "All" | ReadonlySet<number> | undefined
  /** Its IP addresses, of one family or both; that of its number when absent. */
  readonly hosts?: ReadonlyArray<string> | undefined
  /** The numbers of nodes it is told of. When absent it asks the tracker. */
  readonly peers?: ReadonlyArray<number> | undefined
  /** Bytes/s of its cable. */
  readonly up?: number | undefined
  readonly down?: number | undefined
  /** It speaks BEP 3 alone, and so do others with it. */
  readonly plain?: boolean | undefined
  readonly session?: SessionOptions | undefined
  readonly options?: Partial<Torrent.TorrentOptions> | undefined
  /** All that it knows of the torrent: it fetches the metadata first. */
  readonly magnet?: Pick<Magnet, "infoHashV1" | "infoHashV2"> | undefined
  /** What an earlier run left. */
  readonly disk?: MemoryDisk.MemoryDisk | undefined
  readonly records?: Map<string, Uint8Array> | undefined
}

export interface Node {
  readonly number: number
  readonly session: Session["Service"]
  readonly torrent: Torrent.Torrent
  readonly disk: MemoryDisk.MemoryDisk
  readonly records: Map<string, Uint8Array>
  readonly events: ReadonlyArray<TorrentEvent>
  /** Ends the client in order. */
  readonly stop: Effect.Effect<void>
}

export interface Swarm {
  readonly torrent: Payload.Torrent
  readonly network: MemoryNetwork.MemoryNetwork
  readonly tracker: MemoryTracker.MemoryTracker
  readonly start: (options: NodeOptions) => Effect.Effect<Node, unknown, Scope.Scope>
}

const PORT = 6881

const DIR = "/downloads"

/** The largest metadata that nodes fetch (bytes). */
export const MAX_METADATA = 1 << 20

export const host = (number: number): string => `10.0.${number >>> 8}.${number & 255}`

export const address = (number: number): PeerAddress.PeerAddress => PeerAddress.make(host(number), PORT)!

export const make = Effect.fnUntraced(function*(options: Options): Effect.fn.Return<Swarm, never, Scope.Scope> {
  const { seed, torrent, web } = options
  const network = yield* MemoryNetwork.make(options).pipe(Random.withSeed(`network ${seed}`))
  const tracker = MemoryTracker.make(randomOf(seed))
  return {
    network,
    tracker,
    torrent,
    start: (node) => Random.withSeed(startNode({ network, tracker, web }, torrent, node), `node ${seed} ${node.number}`)
  }
})

/** What nodes share. */
type World = Pick<Swarm, "network" | "tracker"> & Pick<Options, "web">

/** Keys and padding that are the same every time. */
const chance = (seed: number): typeof crypto => {
  const random = randomOf(seed)
  return {
    ...crypto,
    getRandomValues: (array) => {
      if (array instanceof Uint8Array) { for (let i = 0; i < array.length; i++) array[i] = below(random, 256) }
      return array
    }
  }
}

/** All that a client is made of. */
const layerOf = (
  { network, tracker, web }: World,
  options: NodeOptions,
  disk: MemoryDisk.MemoryDisk,
  records: Map<string, Uint8Array>
) => {
  const { down, hosts = [host(options.number)], plain, session, up } = options
  const machine = network.host({ addresses: hosts, up, down })
  return Layer.fresh(
    Layer.merge(Session.layer({ listenPort: PORT, ...session }), Download.layer).pipe(
      Layer.provideMerge(Layer.mergeAll(
        Transport.layerMemory(plain === true ? plainHost(machine) : machine),
        PeerConnection.layer,
        UploadServer.layer,
        FileStore.layerMemory(disk),
        ResumeStore.layerMemory(records),
        PieceVerifier.layerNode,
        web === undefined ? WebServer.none : WebServer.layer(web),
        tracker.layerFor(hosts[0]!)
      )),
      Layer.provide(WebCrypto.layer(chance(options.number)))
    )
  )
}

const startNode = Effect.fnUntraced(function*(
  world: World,
  payload: Payload.Torrent,
  options: NodeOptions
) {
  const disk = options.disk ?? MemoryDisk.make()
  const records = options.records ?? new Map<string, Uint8Array>()
  if (options.has !== undefined) fill(payload, disk, options.has)
  const events: Array<TorrentEvent> = []
  const scope = yield* Scope.fork(yield* Effect.scope, "sequential")
  const context = yield* Layer.buildWithScope(layerOf(world, options, disk, records), scope)
  const onEvent = (event: TorrentEvent) => void events.push(event)
  const trackers = options.peers === undefined ? [[MemoryTracker.URL]] : []
  const peers = (options.peers ?? []).map(address)
  const torrent = yield* Effect.gen(function*() {
    const linkPeers = options.options?.linkPeers
    const found = options.magnet && (yield* metadataOf({ trackers, peers, linkPeers, onEvent, magnet: options.magnet }))
    return yield* Torrent.start({
      metainfo: found?.metainfo ?? payload.metainfo,
      begun: found?.begun,
      dir: DIR,
      trackers,
      peers,
      onEvent,
      ...options.options
    })
  }).pipe(Effect.provide(context), Scope.provide(scope))
  return {
    number: options.number,
    session: Context.get(context, Session),
    torrent,
    disk,
    records,
    events,
    stop: Scope.close(scope, Exit.void)
  }
})

/** As `leech` gets them of a magnet link. */
const metadataOf = Effect.fnUntraced(
  function*(options: Pick<Metadata.MetadataOptions, "magnet" | "trackers" | "peers" | "linkPeers" | "onEvent">) {
    const fetching = yield* Metadata.start({ ...options, maxPeers: 50, maxSize: MAX_METADATA, needsLayers: false })
    const { begun, info, layers } = yield* fetching.found
    const document = MetainfoDocument.compose({ info, layers, trackers: [], webSeeds: [] })
    return { begun, metainfo: Result.getOrThrow(Metainfo.parse(document, { version1: layers === undefined })) }
  }
)

/** Where a file of the torrent lies on every node's disk. */
export const placeOf = ({ metainfo }: Payload.Torrent, file: number): string =>
  path.join(DIR, ...metainfo.files[file]!.path)

/** Puts pieces on a disk; of files with none of them there is nothing. */
const fill = (payload: Payload.Torrent, disk: MemoryDisk.MemoryDisk, has: "All" | ReadonlySet<number>): void => {
  const { pieceLength } = payload.metainfo.layout
  payload.metainfo.files.forEach((file, index) => {
    if (file.padding) return
    const content = Payload.content(payload, index).slice()
    let found = has === "All"
    if (has !== "All") {
      for (let at = 0; at < content.length; at++) {
        if (has.has(Math.floor((file.offset + at) / pieceLength))) found = true
        else content[at] = 0
      }
    }
    if (found) MemoryDisk.put(disk, placeOf(payload, index), content)
  })
}

/** The bytes of the payload on a disk, through which a test may spoil them; the torrent has one file. */
export const contentOf = (payload: Payload.Torrent, node: Node, file = 0): Uint8Array =>
  MemoryDisk.contentOf(node.disk, placeOf(payload, file)) ?? new Uint8Array(0)

/** Cuts the file of a node to half its length. */
export const truncate = (payload: Payload.Torrent, node: Node, file = 0): void => {
  const content = contentOf(payload, node, file)
  MemoryDisk.put(node.disk, placeOf(payload, file), content.slice(0, content.length >>> 1))
}

/** Whether every byte of the file is there. */
export const isWhole = (payload: Payload.Torrent, node: Node, file = 0): boolean =>
  Buffer.compare(contentOf(payload, node, file), Payload.content(payload, file)) === 0

/** What a kill at this moment leaves: the disk and the record, whatever the client would have done in its end. */
export const leftovers = (node: Node): Pick<Node, "disk" | "records"> => {
  const disk = MemoryDisk.make()
  disk.ticks = node.disk.ticks
  for (const [place, { bytes, length, mtimeNs }] of node.disk.files) {
    disk.files.set(place, { bytes: bytes.slice(), length, mtimeNs })
  }
  return { disk, records: new Map(node.records) }
}

/** How far a node is, for messages. */
export const describe = ({ number, torrent: { swarm } }: Node): string =>
  `${number}: ${swarm.missing} missing, ${swarm.peers.size} peers, ${swarm.board.open.size} open`

const STEP = 250

/**
 * Lets virtual time pass until the effect is done; `took` is how much did, to the next quarter of a second. Dies when it
 * takes longer than `most` ms.
 */
export const within = Effect.fnUntraced(function*<A, E, R>(
  most: number,
  effect: Effect.Effect<A, E, R>,
  nodes: ReadonlyArray<Node> = []
) {
  const fiber = yield* Effect.forkChild(effect)
  const start = yield* Clock.currentTimeMillis
  let took = 0
  while (fiber.pollUnsafe() === undefined) {
    if (took >= most) {
      const standing = nodes.map(describe).join("\n")
      return yield* Effect.die(new Error(`not done after ${took} ms\n${standing}`))
    }
    yield* TestClock.adjust(STEP)
    took = (yield* Clock.currentTimeMillis) - start
  }
  return { value: yield* Fiber.join(fiber), took }
})

/** When all of them have what they want. */
export const allDone = (nodes: ReadonlyArray<Node>) =>
  Effect.forEach(nodes, ({ torrent }) => torrent.completed, { concurrency: "unbounded", discard: true })

/** Numbers from `first` on. */
export const range = (first: number, count: number): Array<number> => Array.from({ length: count }, (_, i) => first + i)

/** Whether `node` has banned the other, be it for a while. */
export const bans = (node: Node, other: Node): boolean =>
  node.session.bans.isBanned(other.session.peerId, address(other.number), 0)

/** Lets virtual time pass until it holds; `took` as in {@link within}. */
export const until = Effect.fnUntraced(function*(most: number, holds: () => boolean, nodes: ReadonlyArray<Node> = []) {
  let took = 0
  for (; !holds(); took += STEP) {
    if (took >= most) return yield* Effect.die(new Error(`not so after ${took} ms\n${nodes.map(describe).join("\n")}`))
    yield* TestClock.adjust(STEP)
  }
  return took
})
