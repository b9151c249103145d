/** `leech`: fetches a torrent, shares meanwhile, and stays as long as the user wants. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as path from "node:path"
import type { IpFilter } from "../../domain/IpFilter.ts"
import * as Metainfo from "../../domain/Metainfo.ts"
import type { PeerAddress } from "../../domain/PeerAddress.ts"
import * as Wanted from "../../domain/Wanted.ts"
import type { Begun } from "../../services/Metadata.ts"
import { Resolver } from "../../services/Resolver.ts"
import { defaultStateDir } from "../../services/ResumeStore.ts"
import * as Torrent from "../../services/Torrent.ts"
import * as Blocklists from "./Blocklists.ts"
import * as Engine from "./Engine.ts"
import { ExitCode, type Failure, failure } from "./ExitCode.ts"
import * as FileList from "./FileList.ts"
import { findByName, type Found, scarcityNow } from "./FindByName.ts"
import { type CommonOptions, type LeechOptions, webUrl } from "./Flags.ts"
import * as Format from "./Format.ts"
import { loadTorrent } from "./LoadTorrent.ts"
import * as MagnetLink from "./MagnetLink.ts"
import { codeOf, complain, messageOf, Run, untilStopped, VERSION } from "./Main.ts"
import * as MetadataRecord from "./MetadataRecord.ts"
import * as OnComplete from "./OnComplete.ts"
import * as Peers from "./Peers.ts"
import * as Records from "./Records.ts"
import * as Reporter from "./Reporter.ts"
import * as Sharing from "./Sharing.ts"
import * as Silence from "./Silence.ts"

/** `--bind` by family. */
export const bindOf = (
  addresses: CommonOptions["bind"]
): { readonly v4?: string | undefined; readonly v6?: string | undefined } => ({
  v4: addresses.find(({ family }) => family === 4)?.host,
  v6: addresses.find(({ family }) => family === 6)?.host
})

/** Wishes that contradict `--proxy`. */
export const checkProxy = ({ listenPort, proxy }: CommonOptions): Effect.Effect<void, Failure> =>
  Option.isSome(proxy) && Option.isSome(listenPort)
    ? failure(ExitCode.usage, "--proxy and --listen-port exclude each other: nobody can call through a proxy")
    : Effect.void

/** What the session of a program needs of its options. */
export const engineOf = (options: CommonOptions, filter: IpFilter | undefined) =>
  Engine.layer({
    bind: bindOf(options.bind),
    listenPort: Option.getOrUndefined(options.listenPort),
    maxUploads: options.maxUploads,
    maxDownloadRate: options.maxDownload,
    maxUploadRate: options.maxUpload,
    encryption: options.encryption,
    proxy: Option.getOrUndefined(options.proxy),
    filter,
    stateDir: Option.getOrElse(options.stateDir, () => defaultStateDir(process.env))
  })

/** Trackers that a torrent may be announced to besides its own (BEP 27). */
const allowed = (metainfo: Metainfo.Metainfo, tracker: string | undefined): ReadonlyArray<string> =>
  tracker === undefined || (metainfo.private && metainfo.trackers.length > 0) ||
    metainfo.trackers.flat().includes(tracker)
    ? []
    : [tracker]

/**
 * The tiers to announce to: the torrent's own, and one for each of the user's.
 *
 * @param lister the tracker that lists the torrent, which the torrent may know by a name that does not lead there from here
 */
export const trackersOf = (
  metainfo: Metainfo.Metainfo,
  options: CommonOptions,
  lister?: string
): Effect.Effect<ReadonlyArray<ReadonlyArray<string>>, Failure> => {
  if (options.noTracker) return Effect.succeed([])
  if (metainfo.private && options.tracker.length > 0) {
    return failure(ExitCode.usage, "this torrent is private (BEP 27): it takes no other trackers; leave out --tracker")
  }
  const others = [...allowed(metainfo, lister), ...options.tracker]
  return Effect.succeed([...metainfo.trackers, ...others.map((url) => [url])])
}

/** Where the peers of the user listen. */
export const peersOf = ({ peer, proxy }: CommonOptions): Effect.Effect<ReadonlyArray<PeerAddress>, Failure> =>
  Effect.provide(Peers.resolve(peer, { proxy: Option.getOrUndefined(proxy) }), Layer.fresh(Resolver.layer))

/** The web seeds that can be asked. */
const webSeedsOf = (metainfo: Metainfo.Metainfo, options: LeechOptions): ReadonlySet<string> =>
  new Set([
    ...options.webSeed,
    ...options.noWebseed ? [] : metainfo.webSeeds.filter((url) => webUrl(url) !== undefined)
  ])

/** What a leech that has nobody to ask is to be told. */
const WHOM = "name a tracker with --tracker, a peer with --peer or a web server with --web-seed"

/** Prints what `--select-file` chooses from. */
export const showFiles = Effect.fnUntraced(function*(metainfo: Metainfo.Metainfo, json: boolean) {
  if (json) {
    const record = MetadataRecord.of(metainfo, yield* Clock.currentTimeMillis)
    return void process.stdout.write(`${Records.encode(record)}\n`)
  }
  const files = metainfo.files.map(({ length, padding, path }) => ({ length, path: path.join("/"), pad: padding }))
  process.stdout.write(`${Format.printable(metainfo.name)}  ${Format.bytes(Wanted.sizeOf(metainfo))}\n`)
  process.stdout.write(`info hash ${Format.hashes(metainfo).join(" and ")}\n\n${FileList.table(files)}`)
})

const checkSelection = (
  metainfo: Metainfo.Metainfo,
  selected: ReadonlySet<number> | undefined
): Effect.Effect<void, Failure> => {
  const problem = selected && FileList.unselectable(metainfo.files, selected)
  return problem === undefined ? Effect.void : failure(ExitCode.usage, `${problem}; see --show-files`)
}

const runHook = Effect.fnUntraced(
  function*(command: string, metainfo: Metainfo.Metainfo, dir: string, downloaded: number) {
    const words = OnComplete.split(command)!
    const now = yield* Effect.clockWith((clock) => clock.currentTimeMillis)
    return yield* OnComplete.run(
      words,
      OnComplete.environment(metainfo, { dir, downloaded, version: VERSION, now })
    )
  }
)

/** Fails when nothing arrives for so long. */
const stall = Effect.fnUntraced(function*(
  torrent: Torrent.Torrent,
  seconds: number,
  { trouble, why }: Reporter.Reporter
) {
  const { snapshot, swarm } = torrent
  const silence = yield* Silence.wait(seconds, () => swarm.isDone ? undefined : swarm.down.total)
  const { state } = snapshot()
  // The rate is a mean: for some seconds after the last byte it is not 0, and there is no cause yet.
  const cause = state._tag === "Stalled" ? state.cause : undefined
  const known = cause === undefined ? trouble() : why(cause)
  const because = known === undefined ? "" : `: ${known}`
  return yield* failure(ExitCode.timedOut, `nothing arrived for ${silence}${because}`)
})

/** The torrent, by its name at a tracker or from where it is. */
const load = (options: LeechOptions): Effect.Effect<Pick<Found, "metainfo"> & Partial<Found>, Failure> => {
  const how = {
    maxBytes: options.maxTorrentSize,
    bind: bindOf(options.bind),
    proxy: Option.getOrUndefined(options.proxy)
  }
  return Option.match(options.from, {
    onSome: (from) => findByName({ ...how, from, name: options.torrent }),
    onNone: () => Effect.map(loadTorrent({ ...how, source: options.torrent }), (metainfo) => ({ metainfo }))
  })
}

/** What is to be fetched. */
export interface Plan extends Pick<Found, "metainfo">, Partial<Pick<Found, "note" | "offer">> {
  readonly selected: ReadonlySet<number> | undefined
  readonly trackers: ReadonlyArray<ReadonlyArray<string>>
  readonly peers: ReadonlyArray<PeerAddress>
  /** See `TorrentOptions`. */
  readonly linkPeers?: ReadonlyArray<PeerAddress> | undefined
  readonly begun?: Begun | undefined
  /** Told when all is there. */
  readonly onDone: () => void
  /** With what a signal ends the program now. */
  readonly stopped: () => ExitCode
}

/** Checks what can be checked before anything is fetched: the files chosen, and the command for the end. */
export const check = Effect.fnUntraced(
  function*(metainfo: Metainfo.Metainfo, selected: ReadonlySet<number> | undefined, options: LeechOptions) {
    yield* checkSelection(metainfo, selected)
    const hook = Option.getOrUndefined(options.onComplete)
    if (hook !== undefined && OnComplete.split(hook) === undefined) {
      return yield* failure(ExitCode.usage, `--on-complete ${hook} has no program, or a quote that is not closed`)
    }
  }
)

/** Fetches it, and stays as long as the user wants. */
export const leechTorrent = Effect.fnUntraced(function*(options: LeechOptions, plan: Plan) {
  const { linkPeers = [], metainfo, note, offer, peers, selected, stopped, trackers } = plan
  const dir = path.resolve(options.dir)
  const webSeeds = webSeedsOf(metainfo, options)
  const isAlone = trackers.length + peers.length + linkPeers.length === 0
  const hook = Option.getOrUndefined(options.onComplete)
  const reporter = yield* Reporter.make({
    ...options,
    metainfo,
    selected,
    path: path.join(dir, Metainfo.topOf(metainfo))
  })
  const run = yield* Run
  run.whenAsked = reporter.status
  yield* Effect.addFinalizer((exit) =>
    Effect.sync(() => {
      run.toldOfEnd = true
      reporter.summary(codeOf(exit, stopped()), messageOf(exit))
    })
  )
  if (note !== undefined) reporter.notice(note)
  let dropped = 0
  const torrent = yield* Torrent.start({
    metainfo,
    begun: plan.begun,
    dir,
    selected,
    trackers,
    order: options.sequential ? "Sequential" : "Rarest",
    peers,
    linkPeers,
    webSeeds: [...webSeeds],
    namedWebSeeds: options.webSeed,
    maxPeers: options.maxPeers,
    pex: !options.noPex,
    checkIntegrity: options.checkIntegrity,
    allowOverwrite: options.allowOverwrite,
    onCheck: reporter.onCheck,
    onEvent: (event) => {
      reporter.onEvent(event)
      if (event._tag !== "WebSeedDropped" || ++dropped < webSeeds.size || !isAlone) return
      reporter.notice(`nobody is left to ask: ${WHOM}`)
    }
  })
  reporter.follow(torrent)
  yield* Effect.addFinalizer(() => Effect.sync(reporter.stopping))
  if (isAlone && webSeeds.size === 0 && torrent.recalled === 0 && !torrent.swarm.isDone) {
    const calls = torrent.port === 0 ? "" : `; port ${torrent.port} takes calls`
    reporter.notice(`nobody to ask: ${WHOM}${calls}`)
  }
  const scarce = offer === undefined || torrent.swarm.isDone ? undefined : yield* scarcityNow(offer)
  if (scarce !== undefined) reporter.onEvent({ _tag: "Warning", message: scarce })
  const timeout = Option.getOrUndefined(options.stopTimeout)
  yield* timeout === undefined
    ? torrent.completed
    : Effect.raceFirst(
      torrent.completed,
      stall(torrent, timeout, reporter)
    )
  plan.onDone()
  if (hook !== undefined) {
    reporter.makeRoom()
    const trouble = yield* runHook(hook, metainfo, dir, torrent.swarm.down.total)
    if (trouble !== undefined) reporter.onEvent({ _tag: "Warning", message: trouble })
  }
  yield* Sharing.share(torrent, Sharing.policyOf(options, options.keepSeeding))
  return ExitCode.ok
})

export const runLeech = Effect.fnUntraced(function*(options: LeechOptions) {
  yield* checkProxy(options)
  const link = Option.isNone(options.from) ? MagnetLink.of(options.torrent) : undefined
  if (link !== undefined) {
    const { runMagnet } = yield* Effect.promise(() => import("./runMagnet.ts"))
    return yield* runMagnet(options, yield* Effect.fromResult(link))
  }
  if (options.metadataOnly || Option.isSome(options.saveMetadata)) {
    const flag = options.metadataOnly ? "--metadata-only" : "--save-metadata"
    return yield* failure(ExitCode.usage, `${flag} is for magnet links and info hashes: ${options.torrent} is none`)
  }
  const found = yield* load(options)
  const { metainfo, note, tracker } = found
  if (options.showFiles) {
    if (note !== undefined) complain(note)
    return yield* showFiles(metainfo, options.json)
  }
  const selected = Option.getOrUndefined(options.selectFile)
  yield* check(metainfo, selected, options)
  const trackers = yield* trackersOf(metainfo, options, tracker)
  const peers = yield* peersOf(options)
  const filter = yield* Blocklists.load(options, bindOf(options.bind))
  let isDone = false
  const stopped = () => isDone ? ExitCode.ok : ExitCode.unfinished
  const work = leechTorrent(options, {
    ...found,
    selected,
    trackers,
    peers,
    stopped,
    onDone: () => {
      isDone = true
    }
  })
  yield* untilStopped(Effect.scoped(Effect.provide(work, engineOf(options, filter))), stopped)
})
