/** `seed`: shares the data of a torrent, or makes a torrent of a file or folder and shares that. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Bitfield from "../../domain/Bitfield.ts"
import * as Magnet from "../../domain/Magnet.ts"
import * as Metainfo from "../../domain/Metainfo.ts"
import * as Proxy from "../../domain/Proxy.ts"
import * as Runs from "../../domain/Runs.ts"
import { CatalogueClient } from "../../services/CatalogueClient.ts"
import * as Torrent from "../../services/Torrent.ts"
import type { Incomplete } from "../../services/TorrentError.ts"
import { TorrentMaker } from "../../services/TorrentMaker.ts"
import * as Blocklists from "./Blocklists.ts"
import { ExitCode, type Failure, failure } from "./ExitCode.ts"
import type { SeedOptions } from "./Flags.ts"
import * as Format from "./Format.ts"
import { loadDocument } from "./LoadTorrent.ts"
import { codeOf, messageOf, Run, untilStopped } from "./Main.ts"
import * as Making from "./Making.ts"
import * as Publish from "./Publish.ts"
import * as Reporter from "./Reporter.ts"
import { bindOf, checkProxy, engineOf, peersOf, trackersOf } from "./runLeech.ts"
import * as SaveTorrent from "./SaveTorrent.ts"
import * as Sharing from "./Sharing.ts"

interface Source {
  readonly metainfo: Metainfo.Metainfo
  /** The .torrent. */
  readonly document: Uint8Array
  /** The folder that holds the data. */
  readonly dir: string
  /** The data was hashed a moment ago. */
  readonly isFresh: boolean
  /** What the user should know of it. */
  readonly notes: ReadonlyArray<string>
}

/** A torrent by its name or because it is not a path; anything else that exists is data to share. */
const isTorrent = (source: string): boolean =>
  source === "-" || /^https?:\/\//i.test(source) || source.toLowerCase().endsWith(".torrent") || !fs.existsSync(source)

const makeTorrent = Effect.fnUntraced(function*(options: SeedOptions) {
  const place = Option.isNone(options.saveTorrent) ? undefined : yield* SaveTorrent.prepare(options.saveTorrent.value, {
    over: "Torrent",
    option: "--save-torrent",
    source: options.source
  })
  // A link is followed here, since none is where the files are read: the torrent has the name of what it leads to.
  const source = fs.realpathSync(options.source)
  const plan = yield* Making.plan({
    path: source,
    version: yield* Making.versionOf(options),
    pieceLength: Option.getOrUndefined(options.pieceLength),
    exclude: options.exclude,
    includeHidden: options.includeHidden
  })
  if (plan.unshareable !== undefined) {
    return yield* failure(ExitCode.usage, `${plan.unshareable} has a name that is not UTF-8; rename it to share it`)
  }
  const made = yield* Making.make(plan, {
    trackers: options.tracker.map((url) => [url]),
    private: options.private,
    comment: Option.getOrUndefined(options.comment),
    createdBy: Making.CREATED_BY,
    creationDate: yield* Making.creationDate
  }, options)
  if (place !== undefined) yield* SaveTorrent.save(place, made.bytes)
  if (!options.json) {
    const magnet = Magnet.format(Magnet.fromMetainfo(made.metainfo))
    process.stdout.write([...Format.hashes(made.metainfo), magnet].map((line) => `${line}\n`).join(""))
  }
  return {
    metainfo: made.metainfo,
    document: made.bytes,
    dir: path.dirname(source),
    isFresh: true,
    notes: Making.notes(plan.leftOut)
  }
})

const sourceOf = Effect.fnUntraced(function*(options: SeedOptions) {
  if (!isTorrent(options.source)) return yield* makeTorrent(options)
  const { bytes, metainfo } = yield* loadDocument({
    source: options.source,
    program: "seed",
    maxBytes: options.maxTorrentSize,
    bind: bindOf(options.bind),
    proxy: Option.getOrUndefined(options.proxy),
    dataIn: path.resolve(options.dir)
  })
  const dir = path.resolve(options.dir)
  if (!fs.existsSync(dir)) {
    return yield* failure(ExitCode.cannotOpen, `${options.dir} does not exist; say with --dir where the data is`)
  }
  return { metainfo, document: bytes, dir, isFresh: false, notes: [] }
})

const MOST_RUNS = 8

const incomplete = (location: string, { have, pieces }: Incomplete): Failure =>
  failure(
    ExitCode.integrity,
    `${location} has ${Bitfield.count(have)} of ${pieces} pieces; missing or wrong: ${
      Runs.format(Runs.where(0, pieces - 1, (piece) => !Bitfield.has(have, piece)), MOST_RUNS)
    }; fetch them with leech first`
  )

export const runSeed = Effect.fnUntraced(function*(options: SeedOptions) {
  yield* checkProxy(options)
  const filter = yield* Blocklists.load(options, bindOf(options.bind))
  let isMade = false
  const work = Effect.gen(function*() {
    const origins = yield* Publish.originsOf(options)
    const peers = yield* peersOf(options)
    const { dir, document, isFresh, metainfo, notes }: Source = yield* sourceOf(options)
    isMade = true
    const trackers = isFresh && !options.noTracker ? metainfo.trackers : yield* trackersOf(metainfo, options)
    const location = path.join(dir, Metainfo.topOf(metainfo))
    const reporter = yield* Reporter.make({ ...options, metainfo, path: location })
    notes.forEach(reporter.notice)
    const run = yield* Run
    run.whenAsked = reporter.status
    let isSharing = false
    yield* Effect.addFinalizer((exit) =>
      Effect.sync(() => {
        // What fails before is told by who runs the program.
        if (!isSharing && messageOf(exit) !== undefined) return
        run.toldOfEnd = true
        reporter.summary(codeOf(exit, ExitCode.ok), messageOf(exit))
      })
    )
    const torrent = yield* Torrent.start({
      metainfo,
      dir,
      trackers,
      peers,
      maxPeers: options.maxPeers,
      pex: !options.noPex,
      checkIntegrity: options.checkIntegrity,
      isKnown: isFresh,
      readOnly: true,
      superSeed: options.super,
      onCheck: reporter.onCheck,
      onEvent: reporter.onEvent
    }).pipe(
      Effect.catchTag(
        "TorrentError",
        ({ message, reason }) =>
          reason._tag === "Incomplete" ? incomplete(location, reason) : failure(ExitCode.badTorrent, message)
      )
    )
    isSharing = true
    reporter.follow(torrent)
    yield* Effect.addFinalizer(() => Effect.sync(reporter.stopping))
    const hashes = Format.hashes(metainfo).join(" and ")
    const where = Option.match(options.proxy, {
      onNone: () => `port ${torrent.port}`,
      onSome: (proxy) => `through ${Proxy.format(proxy)}: nobody can call, peers are called`
    })
    reporter.notice(`sharing ${Format.printable(metainfo.name)}, info hash ${hashes}, ${where}`)
    if (options.super) {
      reporter.notice("super-seeding: each peer is shown one piece at a time, until the swarm has copies")
    }
    if (trackers.length === 0 && peers.length === 0) {
      const torrentToo = isFresh && Option.isNone(options.saveTorrent) ? ", and the torrent with --save-torrent" : ""
      reporter.notice(`nobody is told of it: name a tracker with --tracker, or a peer with --peer${torrentToo}`)
    }
    yield* Effect.forkScoped(Publish.publish(origins, document, options, reporter))
    yield* Sharing.share(torrent, Sharing.policyOf(options, true))
    return ExitCode.ok
  })
  yield* untilStopped(
    Effect.scoped(Effect.provide(work, engineOf(options, filter))).pipe(
      Effect.provide([
        TorrentMaker.layer,
        CatalogueClient.layer({
          localAddress: bindOf(options.bind),
          proxy: Option.getOrUndefined(options.proxy)
        })
      ])
    ),
    () => isMade ? ExitCode.ok : ExitCode.unfinished
  )
})
