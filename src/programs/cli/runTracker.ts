/** `tracker`: the server where a swarm meets. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as path from "node:path"
import * as v8 from "node:v8"
import * as AnnounceInterval from "../../domain/tracker/AnnounceInterval.ts"
import type { Summary } from "../../domain/tracker/Announcing.ts"
import * as Listing from "../../domain/tracker/Listing.ts"
import { Catalogue } from "../../services/Catalogue.ts"
import { SwarmStore } from "../../services/SwarmStore.ts"
import * as CatalogueHttp from "../../services/tracker/CatalogueHttp.ts"
import * as HashLists from "../../services/tracker/HashLists.ts"
import * as TrackerServer from "../../services/TrackerServer.ts"
import { ExitCode, type Failure, failure } from "./ExitCode.ts"
import * as Format from "./Format.ts"
import { complain, Run, untilStopped } from "./Main.ts"
import * as Records from "./Records.ts"
import * as TrackerData from "./TrackerData.ts"
import type { TrackerOptions } from "./TrackerFlags.ts"
import * as TrackerSettings from "./TrackerSettings.ts"
import * as TrackerSources from "./TrackerSources.ts"
import * as TrackerWorkers from "./TrackerWorkers.ts"

type Settings = TrackerSettings.Settings

/** Where swarms and published torrents are kept. */
const storesOf = Effect.fnUntraced(function*(settings: Settings, { saved }: Teller) {
  const { "max-peers": maxPeers, "max-torrent-peers": maxPeersPerTorrent, "max-torrents": maxTorrents, store: url } =
    settings
  const bounds = {
    maxTorrents,
    maxPeers,
    maxPeersPerTorrent,
    lifeMs: AnnounceInterval.lifeOf(settings.interval * 1000)
  }
  if (url !== "memory") return Layer.merge(SwarmStore.layerRedis({ ...bounds, url }), Catalogue.layerRedis({ url }))
  const dataDir = TrackerData.folderOf(settings, process.env)
  if (dataDir === undefined) return Layer.merge(SwarmStore.layerMemory(bounds), Catalogue.layerMemory())
  yield* TrackerData.open(dataDir)
  const snapshot = path.join(dataDir, "swarms")
  return Layer.merge(
    SwarmStore.layerMemory({ ...bounds, snapshot, whenSaved: (summary) => saved(snapshot, summary) }),
    Catalogue.layerDisk({ dataDir })
  )
})

const listFailure = ({ message, reason }: HashLists.HashListError): Failure =>
  failure(reason === "Unreadable" ? ExitCode.cannotOpen : ExitCode.usage, message)

/** Without them a hang-up is what it says: the terminal is gone, and the tracker with it. */
const hasLists = ({ allow, deny }: Settings): boolean => allow !== undefined || deny !== undefined

/** What has the say about a torrent: the lists, and with `--catalog-only` the catalogue. */
const admission = (settings: Settings, lists: HashLists.HashLists, catalogue: Catalogue["Service"]) =>
  settings["catalog-only"]
    ? (infoHash: Parameters<HashLists.HashLists["admits"]>[0]) => lists.admits(infoHash) && catalogue.has(infoHash)
    : lists.admits

const pageOf = (tracker: TrackerServer.Running): string | null =>
  tracker.url.startsWith("http:") ? tracker.url.replace(/announce$/, "") : null

/** What the user is told while the tracker runs. */
const tellerOf = ({ json, quiet }: TrackerOptions, worker: number | undefined) => {
  const say = (line: string) => process.stdout.write(`${line}\n`)
  const record = (of: (time: number) => Records.Record) =>
    Effect.map(Clock.currentTimeMillis, (time) => void say(Records.encode(of(time))))
  let isUp = false
  return {
    listening: (tracker: TrackerServer.Running) => {
      isUp = true
      const { urls: announce } = tracker
      const page = pageOf(tracker)
      if (json) return record((time) => ({ type: "listening", time, announce, page, worker: worker ?? null }))
      if (quiet || (worker ?? 1) > 1) return Effect.void
      return Effect.sync(() => {
        for (const url of announce) say(`announce  ${url}`)
        if (page !== null) say(`page      ${page}`)
      })
    },
    saved: (file: string, { peers, torrents }: Summary) => {
      // One that could not listen has nothing new to save.
      if (!isUp) return Effect.void
      if (json) return record((time) => ({ type: "snapshot", time, file, peers, torrents }))
      if (quiet) return Effect.void
      const count = (n: number, one: string) => `${n} ${one}${n === 1 ? "" : "s"}`
      return Effect.sync(() => say(`saved     ${count(peers, "peer")} of ${count(torrents, "torrent")} in ${file}`))
    },
    changed: ({ from, listing, state }: CatalogueHttp.Change) => {
      const { infoHash, infoHashV2 = null, name } = listing
      const body = { infoHash, infoHashV2, name, state, from: from ?? null }
      if (json) return record((time) => ({ type: "catalogue", time, ...body }))
      if (quiet) return Effect.void
      const hashes = Listing.hashesOf(listing).join(" and ")
      const line = `${state.padEnd(9)} ${Format.printable(name)}, info hash ${hashes}`
      return Effect.sync(() => say(from === undefined ? line : `${line}, from ${from}`))
    },
    reloaded: json ? record((time) => ({ type: "reloaded", time })) : Effect.void,
    notReloaded: ({ message: problem }: HashLists.HashListError) => {
      const message = `the lists stay as they were: ${problem}`
      if (json) return record((time) => ({ type: "warning", time, infoHash: null, message }))
      return Effect.sync(() => complain(message))
    }
  }
}

type Teller = ReturnType<typeof tellerOf>

const serve = Effect.fnUntraced(function*(settings: Settings, options: TrackerOptions, teller: Teller) {
  const worker = TrackerWorkers.numberOf(process.env)
  const lists = yield* Effect.mapError(HashLists.make(settings), listFailure)
  const catalogue = yield* Catalogue
  const store = yield* SwarmStore
  const counts: CatalogueHttp.CatalogueHttpOptions["counts"] = (infoHashes) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => store.scrape(infoHashes, now))
  let { port } = settings
  const otherwise = yield* CatalogueHttp.make({
    counts,
    publishToken: settings["publish-token"],
    udpPort: settings["no-udp"] ? undefined : () => port,
    trustProxy: settings["trust-proxy"],
    onChange: teller.changed
  })
  const fork = yield* FiberSet.makeRuntime<never>()
  const reload = () =>
    fork(Effect.matchEffect(lists.reload, { onFailure: teller.notReloaded, onSuccess: () => teller.reloaded }))
  const tracker = yield* TrackerServer.make({
    port: settings.port,
    hosts: settings.bind,
    http: !settings["no-http"],
    udp: !settings["no-udp"],
    intervalMs: settings.interval * 1000,
    maxConnections: settings["max-connections"],
    maxRate: settings["rate-limit"] || undefined,
    trustProxy: settings["trust-proxy"],
    admits: admission(settings, lists, catalogue),
    otherwise,
    log: settings["access-log"]
      ? (line) => (options.json ? process.stderr : process.stdout).write(`${line}\n`)
      : undefined,
    worker,
    whole: worker === undefined ? undefined : yield* TrackerWorkers.wholeOf
  })
  port = tracker.port
  const run = yield* Run
  if (hasLists(settings)) run.whenHungUp = reload
  yield* teller.listening(tracker)
  yield* worker === undefined ? Effect.never : TrackerWorkers.attend(reload, tracker.tally)
  return ExitCode.ok
})

/** Several processes share what they know through Redis, or not at all. */
const checkWorkers = ({ store, workers }: Settings): Effect.Effect<void, Failure> =>
  workers > 1 && store === "memory"
    ? failure(ExitCode.usage, `--workers ${workers} needs a store that processes can share: --store redis://…`)
    : Effect.void

/**
 * Every datagram comes in a buffer that Node gives back only with the garbage. A young generation that stays small keeps
 * few of them: 112 MiB instead of 142 with 200,000 peers, at the same cost of an announce.
 */
const collectOften = (): void => v8.setFlagsFromString("--semi-space-growth-factor=1")

export const runTracker = Effect.fnUntraced(function*(options: TrackerOptions) {
  const settings = yield* TrackerSources.read(options, process.env)
  if (options.printConfig) {
    const instead = {
      "data-dir": settings.store === "memory" ? TrackerData.folderOf(settings, process.env) : undefined
    }
    return void process.stdout.write(TrackerSettings.print(settings, instead))
  }
  if (settings["no-http"] && settings["no-udp"]) {
    return yield* failure(ExitCode.usage, "--no-http and --no-udp together leave nothing to serve")
  }
  yield* checkWorkers(settings)
  collectOften()
  const run = yield* Run
  const onStarted = (reload: () => void) => {
    if (hasLists(settings)) run.whenHungUp = reload
  }
  const teller = tellerOf(options, TrackerWorkers.numberOf(process.env))
  const work = settings.workers > 1 && TrackerWorkers.numberOf(process.env) === undefined
    ? Effect.as(TrackerWorkers.run(settings.workers, onStarted), ExitCode.ok)
    : Effect.flatMap(
      storesOf(settings, teller),
      (stores) => Effect.provide(serve(settings, options, teller), stores)
    ).pipe(
      Effect.catchTag(
        ["TrackerServerError", "SwarmStoreError"],
        ({ message }) => failure(ExitCode.network, message)
      ),
      Effect.catchTag("CatalogueError", ({ message }) => failure(ExitCode.fileError, message))
    )
  yield* untilStopped(Effect.scoped(work), () => ExitCode.ok)
})
