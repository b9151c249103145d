/** Gets a torrent from where the user says it is: a file, stdin, or the web. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Bytes from "../../domain/Bytes.ts"
import * as Metainfo from "../../domain/Metainfo.ts"
import type { Proxy } from "../../domain/Proxy.ts"
import type { Rules } from "../../domain/SafePath.ts"
import { Resolver } from "../../services/Resolver.ts"
import * as SystemCode from "../../services/SystemCode.ts"
import * as HttpGet from "../../services/tracker/HttpGet.ts"
import type { LocalAddress } from "../../services/tracker/Route.ts"
import { ExitCode, type Failure, failure } from "./ExitCode.ts"
import * as MagnetLink from "./MagnetLink.ts"

export interface LoadOptions {
  readonly source: string
  /** The program's own name, for those that take no links. */
  readonly program?: string | undefined
  readonly maxBytes: number
  readonly bind?: LocalAddress | undefined
  readonly proxy?: Proxy | undefined
  /**
   * The folder where the data lies already: file names are then made safe in whatever way they are found there. Another
   * client keeps names that we would change.
   */
  readonly dataIn?: string | undefined
}

const WEB_TIMEOUT = "60 seconds"

const codeOf = (cause: unknown): string => SystemCode.of(cause) ?? String(cause)

const tooLarge = (source: string, maxBytes: number): Failure =>
  failure(ExitCode.badTorrent, `${source} is larger than ${maxBytes} bytes; see --max-torrent-size`)

const fromStream = (
  stream: NodeJS.ReadableStream,
  source: string,
  maxBytes: number
): Effect.Effect<Uint8Array, Failure> =>
  Effect.callback((resume) => {
    const chunks: Array<Uint8Array> = []
    let size = 0
    const fail = (error: Failure) => {
      stream.removeAllListeners()
      stream.on("error", () => {})
      stream.pause()
      resume(Effect.fail(error))
    }
    stream.on("data", (chunk: Uint8Array) => {
      size += chunk.length
      if (size > maxBytes) return fail(tooLarge(source, maxBytes))
      chunks.push(chunk)
    })
    stream.on("end", () => {
      if (size === 0) return fail(failure(ExitCode.notBencode, `${source} is empty`))
      resume(Effect.succeed(Bytes.concat(chunks)))
    })
    stream.on("error", (cause: unknown) => {
      const code = codeOf(cause)
      if (code === "ENOENT") return fail(failure(ExitCode.notFound, `${source} does not exist`))
      if (code === "EISDIR") return fail(failure(ExitCode.fileError, `${source} is a folder, not a .torrent file`))
      return fail(failure(ExitCode.fileError, `cannot read ${source}: ${code}`))
    })
  })

const STATUS: Readonly<Record<number, ExitCode>> = {
  401: ExitCode.unauthorized,
  403: ExitCode.unauthorized,
  404: ExitCode.notFound,
  410: ExitCode.notFound
}

const fromWeb = Effect.fnUntraced(function*({ bind, maxBytes, proxy, source }: LoadOptions) {
  const options = { localAddress: bind, proxy, userAgent: "freshet", maxBytes, anywhere: true }
  const get = HttpGet.make(yield* Resolver, options)
  const answer = yield* get(new URL(source)).pipe(
    Effect.mapError((error) =>
      error._tag === "TooLarge"
        ? tooLarge(source, maxBytes)
        : failure(
          error.message.includes("has no address") ? ExitCode.nameResolution : ExitCode.network,
          `cannot fetch ${source}: ${error.message}`
        )
    ),
    Effect.timeoutOrElse({
      duration: WEB_TIMEOUT,
      orElse: () => Effect.fail(failure(ExitCode.timedOut, `${source} did not come within a minute; try again later`))
    })
  )
  if (answer.status >= 200 && answer.status < 300) return answer.body
  return yield* failure(STATUS[answer.status] ?? ExitCode.network, `${source} answered with status ${answer.status}`)
})

const readBytes = Effect.fnUntraced(function*(options: LoadOptions): Effect.fn.Return<Uint8Array, Failure, Resolver> {
  const { maxBytes, source } = options
  if (source === "-") return yield* fromStream(process.stdin, "stdin", maxBytes)
  if (/^https?:\/\//i.test(source)) {
    if (!URL.canParse(source)) return yield* failure(ExitCode.usage, `${source} is not a URL`)
    return yield* fromWeb(options)
  }
  const link = MagnetLink.of(source)
  if (link !== undefined) {
    const { infoHashV1, infoHashV2 } = yield* Effect.fromResult(link)
    const program = options.program ?? "this program"
    return yield* failure(
      ExitCode.usage,
      `${
        infoHashV1 ?? infoHashV2
      }: ${program} takes no magnet links and no hashes; get the torrent with leech --metadata-only`
    )
  }
  return yield* fromStream(fs.createReadStream(source), source, maxBytes)
})

/** Reads a torrent; `source` is where it came from. */
export const parseTorrent = (
  bytes: Uint8Array,
  { maxBytes, source }: Pick<LoadOptions, "maxBytes" | "source">,
  names: Rules = "portable"
): Result.Result<Metainfo.Metainfo, Failure> =>
  Result.mapError(
    Metainfo.parse(bytes, { maxBytes, names }),
    (error) =>
      failure(
        error.reason === "NotBencode" ? ExitCode.notBencode : ExitCode.badTorrent,
        `${source === "-" ? "stdin" : source}: ${error.message}`
      )
  )

/**
 * A folder with one file in it and that file alone are the same in version 2 (BEP 52, "interpreting paths"): the torrent as
 * it would be of a folder. `undefined` where there is no such doubt.
 */
const asFolder = (metainfo: Metainfo.Metainfo): Metainfo.Metainfo | undefined =>
  metainfo.version === "2" && !metainfo.multiFile
    ? { ...metainfo, files: metainfo.files.map((file) => ({ ...file, path: [metainfo.name, ...file.path] })) }
    : undefined

const hasSamePaths = (one: Metainfo.Metainfo, other: Metainfo.Metainfo): boolean =>
  one.files.every(({ path }, i) => path.every((name, at) => name === other.files[i]!.path[at]))

/** By the names under which the files are there; by the common ones when there are none. */
const parseFor = (bytes: Uint8Array, options: LoadOptions): Result.Result<Metainfo.Metainfo, Failure> => {
  const { dataIn } = options
  if (dataIn === undefined) return parseTorrent(bytes, options)
  return Result.gen(function*() {
    const portable = yield* parseTorrent(bytes, options)
    const raw = yield* parseTorrent(bytes, options, "raw")
    const names = hasSamePaths(raw, portable)
      ? [portable]
      : [yield* parseTorrent(bytes, options, "posix"), raw, portable]
    const [first, ...others] = [...names, ...names.flatMap((way) => asFolder(way) ?? [])]
    if (others.length === 0) return first!
    const found = (way: Metainfo.Metainfo) =>
      way.files.filter((file) => fs.existsSync(path.join(dataIn, ...file.path))).length
    return others.reduce((best, way) => found(way) > found(best) ? way : best, first!)
  })
}

export interface Loaded {
  readonly metainfo: Metainfo.Metainfo
  /** The document as it came. */
  readonly bytes: Uint8Array
}

/** Reads and checks a torrent; every failure is one line and one of aria2's codes. */
export const loadDocument = (options: LoadOptions): Effect.Effect<Loaded, Failure> =>
  readBytes(options).pipe(
    Effect.flatMap((bytes) =>
      Effect.fromResult(Result.map(parseFor(bytes, options), (metainfo) => ({ metainfo, bytes })))
    ),
    Effect.provide(Layer.fresh(Resolver.layer))
  )

export const loadTorrent = (options: LoadOptions): Effect.Effect<Metainfo.Metainfo, Failure> =>
  Effect.map(loadDocument(options), ({ metainfo }) => metainfo)
