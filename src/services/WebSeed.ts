/**
 * One web seed of a torrent (BEP 19): how many connections it is worth, when it rests, which files it has not, and when it is
 * given up. Trouble of a web seed is told of and never ends anything else.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Random from "effect/Random"
import type * as Semaphore from "effect/Semaphore"
import * as Bitfield from "../domain/Bitfield.ts"
import type { Metainfo } from "../domain/Metainfo.ts"
import * as PeerAddress from "../domain/PeerAddress.ts"
import * as PeerId from "../domain/PeerId.ts"
import * as PieceLayout from "../domain/PieceLayout.ts"
import type { Swarm } from "../domain/swarm/Swarm.ts"
import * as SeedUrl from "../domain/webseed/SeedUrl.ts"
import * as Trouble from "../domain/webseed/Trouble.ts"
import { Session } from "./Session.ts"
import type { TorrentEvent } from "./TorrentEvent.ts"
import * as Fetch from "./webseed/Fetch.ts"
import * as Filtering from "./webseed/Filtering.ts"
import * as Lane from "./webseed/Lane.ts"

export interface WebSeedOptions {
  readonly metainfo: Metainfo
  readonly swarm: Swarm
  readonly seed: SeedUrl.SeedUrl
  /** The user has named it, not a stranger. */
  readonly isNamed: boolean
  /** The names of a file, as the torrent has them. */
  readonly namesOf: (file: number) => ReadonlyArray<Uint8Array>
  /** A permit for each connection to its host. */
  readonly permits: Semaphore.Semaphore
  /** Known to the swarm by this number. */
  readonly identity: number
  /** Fails when the web seed is proven to lie. */
  readonly convicted: Effect.Effect<never, Failed>
  readonly onEvent: (event: TorrentEvent) => void
}

/** Connections to one web seed; there are more than one when it has given something. */
const MOST_LANES = 4

/** A web seed that lacks so many files before it has given anything has nothing of this torrent; and then so many in all. */
const FRUITLESS = 8
const MOST_LOST = 256

/** What is known of a web seed. */
class Standing {
  readonly bits: Bitfield.Bitfield
  /** Files that it has not. */
  lost = 0
  /** In a row, without a byte that was of use. */
  failures = 0
  hasGiven = false
  /** Connections that it bears. */
  most = MOST_LANES

  constructor(pieces: number) {
    this.bits = Bitfield.full(pieces)
  }
}

/** Trouble with a file that is known by its index, or with all of it. */
export interface Failed {
  readonly trouble: Trouble.Trouble
  readonly file?: number | undefined
}

const failed = (trouble: Trouble.Trouble, file?: number): Failed => ({ trouble, file })

/** Runs a web seed until it is given up. */
export const run = Effect.fnUntraced(function*(options: WebSeedOptions) {
  const { metainfo, onEvent, seed } = options
  const url = seed.shown
  const standing = new Standing(metainfo.layout.pieces)
  loseUnnamed(options, standing)
  const redirects = new Fetch.Redirects()
  while (true) {
    const { file, trouble } = yield* Effect.flip(
      Effect.raceFirst(connect(options, standing, redirects), options.convicted)
    )
    const { message } = trouble
    if (trouble.consequence === "File" && file !== undefined) {
      lose(metainfo, standing, file)
      const given = standing.hasGiven ? MOST_LOST : FRUITLESS
      if (standing.lost < given && Bitfield.count(standing.bits) > 0) {
        onEvent({ _tag: "WebSeedLacks", url, file: metainfo.files[file]!.path, message })
        continue
      }
    }
    if (trouble.consequence !== "Rest") return onEvent({ _tag: "WebSeedDropped", url, message })
    standing.most = trouble.retryAfter === undefined ? MOST_LANES : 1
    const rest = Trouble.restOf(trouble, ++standing.failures)
    onEvent({ _tag: "WebSeedFailed", url, message, retryInMs: rest })
    yield* Effect.sleep(rest)
  }
})

const lose = ({ files, layout }: Metainfo, standing: Standing, file: number): void => {
  standing.lost++
  const range = PieceLayout.piecesOf(layout, files[file]!)
  for (let piece = range?.first ?? 1; piece <= (range?.last ?? 0); piece++) Bitfield.clear(standing.bits, piece)
}

/** Files whose names lead elsewhere in a URL are asked for nowhere. */
const loseUnnamed = ({ metainfo, namesOf }: WebSeedOptions, standing: Standing): void => {
  metainfo.files.forEach((file, index) => {
    if (file.length === 0 || file.padding || SeedUrl.pathOf(namesOf(index)) !== undefined) return
    lose(metainfo, standing, index)
  })
  standing.lost = 0
}

/** Holds as many connections as the web seed bears; fails with what ends them all. */
const connect = Effect.fnUntraced(
  function*(options: WebSeedOptions, standing: Standing, redirects: Fetch.Redirects) {
    const { metainfo, onEvent, permits, seed, swarm } = options
    const fork = yield* FiberSet.makeRuntime<never>()
    const ended = yield* Deferred.make<never, Failed>()
    const peer = yield* peerOf(options)
    const session = yield* Session
    const lane = yield* laneOf(options, redirects)
    let alive = 0
    let isGood = false

    const onGood = () => {
      if (isGood) return
      isGood = standing.hasGiven = true
      standing.failures = 0
      onEvent({ _tag: "WebSeedAnswered", url: seed.shown })
      for (let more = standing.most - alive; more > 0; more--) fork(permits.withPermitsIfAvailable(1)(one))
    }
    const one = Effect.suspend(() => {
      alive++
      return lane({
        swarm,
        files: metainfo.files,
        bits: standing.bits,
        peer: { ...peer, key: session.nextKey() },
        onGood
      })
    }).pipe(
      Effect.catch((trouble) => {
        alive--
        // A server may bear fewer connections than we have tried.
        const isSpare = trouble.trouble.consequence === "Rest" && isGood && alive > 0
        return isSpare ? Effect.void : Deferred.fail(ended, trouble)
      })
    )
    fork(permits.withPermit(one))
    return yield* Deferred.await(ended)
  },
  Effect.scoped
)

/** What the swarm knows it by. */
const peerOf = Effect.fnUntraced(function*({ identity, seed }: WebSeedOptions) {
  const { addressesOf } = yield* Filtering.connector
  const random = yield* Random.Random
  const url = new URL(seed.base)
  const [ip] = yield* Effect.mapError(addressesOf(url), (trouble) => failed(trouble))
  const port = Number(url.port) || (url.protocol === "https:" ? 443 : 80)
  return {
    identity,
    id: PeerId.make(() => random.nextDoubleUnsafe()),
    // A name that is looked up by somebody else has no address here.
    address: PeerAddress.make(ip?.address ?? "0.0.0.0", port)!,
    webSeed: seed.shown
  }
})

/** Makes connections, each for as long as it runs. */
const laneOf = Effect.fnUntraced(function*(options: WebSeedOptions, redirects: Fetch.Redirects) {
  const { isNamed, metainfo, namesOf, seed } = options
  const connector = yield* Filtering.connector
  return (about: Omit<Lane.LaneOptions<Failed>, "fetch">) =>
    Effect.scoped(Effect.flatMap(connector.line, (line) => {
      const how: Fetch.FetchOptions = { connector, line, seed, isNamed, redirects }
      return Lane.run<Failed>({
        ...about,
        fetch: (file, position, length, onBytes) => {
          const path = SeedUrl.pathOf(namesOf(file))!
          const range = { position, length, fileLength: metainfo.files[file]!.length }
          return Effect.mapError(
            Fetch.range(how, SeedUrl.fileUrl(seed.base, path, metainfo.multiFile), range, onBytes),
            (trouble) => failed(trouble, file)
          )
        }
      })
    }))
})
