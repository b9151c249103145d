/** From a magnet link to the torrent that it names: kept from before, or fetched from peers. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import type { Magnet } from "../../domain/Magnet.ts"
import * as MagnetMatch from "../../domain/MagnetMatch.ts"
import * as Metainfo from "../../domain/Metainfo.ts"
import * as MetainfoDocument from "../../domain/MetainfoDocument.ts"
import type { PeerAddress } from "../../domain/PeerAddress.ts"
import * as StallCause from "../../domain/swarm/StallCause.ts"
import * as Metadata from "../../services/Metadata.ts"
import * as KeptMetadata from "../../services/metadata/KeptMetadata.ts"
import { Resolver } from "../../services/Resolver.ts"
import { ExitCode, type Failure, failure } from "./ExitCode.ts"
import type { LeechOptions } from "./Flags.ts"
import * as MagnetReporter from "./MagnetReporter.ts"
import { Run } from "./Main.ts"
import * as Peers from "./Peers.ts"
import * as Silence from "./Silence.ts"

/** What became of a link. */
export interface Gained {
  readonly metainfo: Metainfo.Metainfo
  /** A whole .torrent; `undefined` where the piece layers of a hybrid could not be had. */
  readonly document: Uint8Array | undefined
  /** Where the link says that peers are. */
  readonly linkPeers: ReadonlyArray<PeerAddress>
  /** Absent when nothing had to be fetched. */
  readonly begun: Metadata.Begun | undefined
}

export interface PhaseOptions {
  readonly magnet: Magnet
  readonly options: LeechOptions
  readonly stateDir: string
  /** Of `--peer`. */
  readonly peers: ReadonlyArray<PeerAddress>
}

/** The trackers of the torrent: those of the link, or without any those of the user. */
export const ownTrackers = ({ trackers }: Magnet, { noTracker, tracker }: LeechOptions): ReadonlyArray<string> =>
  trackers.length > 0 ? trackers : noTracker ? [] : tracker

const tiersOf = (magnet: Magnet, options: LeechOptions): ReadonlyArray<ReadonlyArray<string>> =>
  options.noTracker ? [] : Array.from(new Set([...magnet.trackers, ...options.tracker]), (url) => [url])

const WHOM = "name a tracker with --tracker, or a peer with --peer"

/** The hash of a torrent says nothing of its pieces, without which what a web server sends cannot be checked. */
const NO_METADATA = "a web seed gives no metadata"

/** Fails when nobody is named who could be asked. */
export const checkSources = (magnet: Magnet, options: LeechOptions): Effect.Effect<void, Failure> => {
  const { peers, trackers, webSeeds } = magnet
  if (tiersOf(magnet, options).length + peers.length + options.peer.length > 0) return Effect.void
  // Without a listener not even a caller can bring it.
  const isOpen = Option.isNone(options.proxy)
  if (webSeeds.length > 0 && isOpen) return Effect.void
  const lacks = webSeeds.length > 0 ? "no tracker and no x.pe" : "no tracker, x.pe or ws"
  const has = options.noTracker && trackers.length > 0 ? "no x.pe and no ws, and --no-tracker is given" : lacks
  const web = webSeeds.length + options.webSeed.length > 0 ? `, and ${NO_METADATA}` : ""
  return failure(ExitCode.notFound, `nobody to ask for this torrent: the link has ${has}${web}; ${WHOM}`)
}

/** Where the peers of the link are; names that lead nowhere are told of, and left out. */
const resolvePeers = ({ magnet, options, peers }: PhaseOptions, notice: (text: string) => void) =>
  Effect.forEach(magnet.peers, (peer, nth) =>
    Peers.resolve([peer], {
      proxy: Option.getOrUndefined(options.proxy),
      option: "x.pe",
      before: peers.length + nth
    }).pipe(
      Effect.catch((error) => Effect.as(Effect.sync(() => notice(`warning: ${error.message}`)), []))
    ), { concurrency: 4 }).pipe(
      Effect.map((found) => found.flat()),
      Effect.provide(Layer.fresh(Resolver.layer))
    )

const compose = ({ magnet, options }: PhaseOptions, info: Uint8Array, layers?: ReadonlyMap<string, Uint8Array>) =>
  MetainfoDocument.compose({
    info,
    layers,
    trackers: ownTrackers(magnet, options).map((url) => [url]),
    webSeeds: magnet.webSeeds
  })

/** A hybrid without its piece layers is read as version 1. */
const parse = (document: Uint8Array, { options }: PhaseOptions, version1: boolean) =>
  Metainfo.parse(document, { maxBytes: options.maxTorrentSize, version1 })

/** What an earlier run has kept, with the sources of this one; damaged or wrong, it is as if it were not there. */
const recall = Effect.fnUntraced(function*(phase: PhaseOptions) {
  const { magnet, options, stateDir } = phase
  const kept = yield* KeptMetadata.load(stateDir, magnet, options.maxTorrentSize)
  const known = kept && Result.getOrUndefined(parse(kept, phase, false))
  if (known === undefined || MagnetMatch.of(magnet, known.info) !== "Whole") return undefined
  const document = compose(phase, known.info, MetainfoDocument.layersOf(known))
  return { document, metainfo: yield* Effect.fromResult(parse(document, phase, false)).pipe(Effect.orDie) }
})

/** Fails when nothing of the metadata arrives for so long. */
const stall = Effect.fnUntraced(function*(
  { progress, proxyTrouble, report }: Metadata.Fetching,
  seconds: number
) {
  const silence = yield* Silence.wait(seconds, () => progress().received)
  const { state } = report()
  const why = proxyTrouble() ?? (state._tag === "Metadata" ? StallCause.text(state.cause) : "")
  return yield* failure(ExitCode.timedOut, `no metadata arrived for ${silence}: ${why}`)
})

const fetch = Effect.fnUntraced(
  function*(phase: PhaseOptions, linkPeers: ReadonlyArray<PeerAddress>, reporter: MagnetReporter.MagnetReporter) {
    const { magnet, options, peers } = phase
    const run = yield* Run
    const trackers = tiersOf(magnet, options)
    const fetching = yield* Metadata.start({
      magnet,
      trackers,
      peers,
      linkPeers,
      maxPeers: options.maxPeers,
      maxSize: options.maxTorrentSize,
      needsLayers: options.metadataOnly,
      onEvent: reporter.onEvent
    })
    reporter.follow(fetching)
    run.whenAsked = reporter.status
    if (trackers.length + peers.length + linkPeers.length === 0) {
      const calls = fetching.port === 0 ? "" : `; port ${fetching.port} takes calls`
      const web = magnet.webSeeds.length + options.webSeed.length > 0 ? `, and ${NO_METADATA}` : ""
      reporter.notice(`nobody to ask${web}: ${WHOM}${calls}`)
    }
    const timeout = Option.getOrUndefined(options.stopTimeout)
    return yield* timeout === undefined
      ? fetching.found
      : Effect.raceFirst(fetching.found, stall(fetching, timeout))
  }
)

/** The torrent of the link. What is begun for it lasts as long as the scope. */
export const gain = Effect.fnUntraced(function*(phase: PhaseOptions) {
  const { magnet, options, stateDir } = phase
  const lasting = yield* Effect.scope
  return yield* Effect.gen(function*() {
    const reporter = yield* MagnetReporter.make({ ...options, magnet })
    const linkPeers = yield* resolvePeers(phase, reporter.notice)
    const known = yield* recall(phase)
    if (known !== undefined) return { ...known, linkPeers, begun: undefined } satisfies Gained
    const { begun, info, layers } = yield* Effect.provideService(
      fetch(phase, linkPeers, reporter),
      Scope.Scope,
      lasting
    )
    const document = compose(phase, info, layers)
    const metainfo = yield* Effect.fromResult(parse(document, phase, layers === undefined)).pipe(
      Effect.mapError((error) => new Metadata.MetadataError({ reason: { _tag: "NoTorrent", error } }))
    )
    if (layers === undefined) reporter.notice("no peer gives the piece hashes of version 2: it goes on as version 1")
    else {
      const trouble = yield* KeptMetadata.save(stateDir, magnet, document)
      if (trouble !== undefined) reporter.notice(`warning: ${trouble}`)
    }
    return { metainfo, document: layers && document, linkPeers, begun } satisfies Gained
  }).pipe(Effect.scoped)
})
