/** A connection to Redis that answers soon or fails soon, and comes back by itself. */
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redis from "effect/persistence/Redis"
import * as References from "effect/References"
import type * as Scope from "effect/Scope"
import { RESP_TYPES } from "redis"
import * as Bytes from "../../domain/Bytes.ts"
import * as Digest from "../../domain/Digest.ts"
import * as SystemCode from "../SystemCode.ts"

/** After so long without any answer the connection is given up for a new one. */
const LOST_MS = 5000

/** Commands that may wait for their answers: what Redis does in about half a second, at some 130 µs each. */
const MAX_WAITING = 4000

const CONNECT_MS = 3000

const MAX_DELAY_MS = 2000

export type Argument = string | Buffer

export interface Script {
  readonly text: string
  readonly sha: string
}

export const script = (text: string): Script => ({ text, sha: Bytes.toHex(Digest.sha1(Bytes.fromUtf8(text))) })

export interface CallOptions {
  /** For how many commands a call counts among those that wait, by its arguments; one unless given. */
  readonly weightOf?: ((args: ReadonlyArray<Argument>) => number) | undefined
  /** What went wrong in a part of a call that has not failed as a whole, as text or its bytes. */
  readonly troubleIn?: ((reply: unknown) => unknown) | undefined
}

export interface RedisClientOptions<E extends Error> {
  /** After so long without its answer a call has failed. */
  readonly patienceMs: number
  /** What all of it fails with. */
  readonly unavailable: (detail: string) => E
}

export interface RedisClient<E extends Error> {
  /** The answer to one command; byte strings come as Buffers. */
  readonly send: (args: ReadonlyArray<Argument>) => Effect.Effect<unknown, E>
  /**
   * Runs a script once with each list of arguments, all sent at once. A call that fails
   * gives `undefined`, and nothing else does; it fails when all of them do.
   */
  readonly run: (
    script: Script,
    calls: ReadonlyArray<ReadonlyArray<Argument>>,
    options?: CallOptions
  ) => Effect.Effect<ReadonlyArray<unknown>, E>
  /** The bytes under a key, which `value` becomes unless there are some; put back when Redis has lost them. */
  readonly share: (key: string, value: Buffer) => Effect.Effect<Buffer, E>
}

type Client = NodeRedis.NodeRedis["Service"]["client"]

/** Where it is, without the name and password that the URL may hold. */
const placeOf = (url: string): string | undefined => {
  if (!URL.canParse(url)) return undefined
  const { hostname, port, protocol } = new URL(url)
  return protocol === "redis:" || protocol === "rediss:" ? `${hostname || "localhost"}:${port || 6379}` : undefined
}

const textOf = (cause: unknown): string =>
  cause instanceof Uint8Array ?
    Bytes.toUtf8(cause) :
    SystemCode.of(cause) === undefined && !(cause instanceof Error)
    ? "no answer"
    : SystemCode.describe(cause)

type Settled = PromiseSettledResult<unknown>

const isNoScript = (result: Settled): boolean =>
  result.status === "rejected" && result.reason instanceof Error && result.reason.message.startsWith("NOSCRIPT")

/** Fails at once when the first connection does; later ones are tried again and again. */
const reconnection = () => {
  let connected = false
  return {
    connected: () => {
      connected = true
    },
    strategy: (retries: number, cause: Error): number | Error =>
      connected ? Math.min(50 * 2 ** Math.min(retries, 10), MAX_DELAY_MS) : cause
  }
}

const connect = Effect.fnUntraced(function*(url: string): Effect.fn.Return<Client, Redis.RedisError, Scope.Scope> {
  const { connected, strategy } = reconnection()
  const layer = NodeRedis.layer({
    url,
    // Commands fail at once while Redis is away, instead of waiting for it in memory.
    disableOfflineQueue: true,
    socket: { connectTimeout: CONNECT_MS, reconnectStrategy: strategy }
  })
  const built = yield* Layer.build(layer).pipe(
    // It would tell of every attempt; a call that fails tells enough.
    Effect.provideService(References.MinimumLogLevel, "None")
  )
  connected()
  return Context.get(built, NodeRedis.NodeRedis).client
})

/** Sends, counts what waits for its answer, and gives up a connection that has gone silent. */
class Line {
  private readonly client: Client
  private readonly elapsed: () => number
  private readonly sender: Pick<Client, "sendCommand">
  private waiting = 0
  private heardAt: number

  constructor(client: Client, elapsed: () => number) {
    this.client = client
    this.elapsed = elapsed
    this.sender = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer })
    this.heardAt = elapsed()
  }

  readonly run = async (
    { sha, text }: Script,
    calls: ReadonlyArray<ReadonlyArray<Argument>>,
    weightOf: CallOptions["weightOf"]
  ): Promise<ReadonlyArray<Settled>> => {
    const send = (args: ReadonlyArray<Argument>) => this.send(["EVALSHA", sha, "0", ...args], weightOf?.(args))
    const results = await Promise.allSettled(calls.map(send))
    const unknown = calls.filter((_, index) => isNoScript(results[index]!))
    if (unknown.length === 0) return results
    await this.send(["SCRIPT", "LOAD", text])
    // Only those that were refused: the others have had their effect.
    const again = (await Promise.allSettled(unknown.map(send))).values()
    return results.map((result) => isNoScript(result) ? again.next().value! : result)
  }

  readonly send = async (args: ReadonlyArray<Argument>, weight = 1): Promise<unknown> => {
    if (this.waiting >= MAX_WAITING) throw new Error("too many commands wait for an answer")
    if (this.waiting === 0) this.heardAt = this.elapsed()
    this.waiting += weight
    try {
      return await this.sender.sendCommand(args)
    } finally {
      this.waiting -= weight
      this.heardAt = this.elapsed()
    }
  }

  /** A call has waited too long. */
  readonly doubt = (): void => {
    if (this.waiting === 0 || this.elapsed() - this.heardAt < LOST_MS || !this.client.isOpen) return
    this.client.destroy()
    this.client.connect().catch(() => {})
  }

  /** Nothing is waited for, so that closing takes no time. */
  readonly hangUp = (): void => {
    if ((this.waiting > 0 || !this.client.isReady) && this.client.isOpen) this.client.destroy()
  }
}

export const make = Effect.fnUntraced(
  function*<E extends Error>(
    url: string,
    { patienceMs, unavailable }: RedisClientOptions<E>
  ): Effect.fn.Return<RedisClient<E>, E, Scope.Scope> {
    const place = placeOf(url)
    if (place === undefined) {
      return yield* Effect.fail(unavailable("the URL of Redis must be like redis://name:password@host:6379/0"))
    }
    const failed = (cause: unknown): E => unavailable(`Redis at ${place}: ${textOf(cause)}`)
    const clock = yield* Clock.Clock
    const client = yield* Effect.mapError(connect(url), ({ cause }) => failed(cause))
    const line = new Line(client, () => Number(clock.monotonicTimeNanosUnsafe()) / 1e6)
    yield* Effect.addFinalizer(() => Effect.sync(line.hangUp))
    let trouble: E | undefined
    /** Of many calls that fail one is told, and then the first that does not. */
    const note = (error: E | undefined): Effect.Effect<void> => {
      const before = trouble
      trouble = error
      if (error === undefined) return before === undefined ? Effect.void : Effect.logInfo(`Redis at ${place} is back`)
      return before === undefined ? Effect.logWarning(error.message) : Effect.void
    }
    const attempt = <A>(send: () => Promise<A>): Effect.Effect<A, E> =>
      Effect.tryPromise({ try: send, catch: failed }).pipe(
        Effect.timeoutOrElse({
          duration: patienceMs,
          orElse: () => {
            line.doubt()
            return Effect.fail(unavailable(`Redis at ${place} does not answer`))
          }
        }),
        Effect.tapError(note)
      )
    const run = Effect.fnUntraced(function*(
      script: Script,
      calls: ReadonlyArray<ReadonlyArray<Argument>>,
      { troubleIn, weightOf }: CallOptions
    ) {
      const { refused, results } = yield* attempt(async () => {
        const results = await line.run(script, calls, weightOf)
        const refused = results.find((result) => result.status === "rejected")
        if (refused !== undefined && results.every(({ status }) => status === "rejected")) throw refused.reason
        return { refused, results }
      })
      const replies = results.map((result) => result.status === "fulfilled" ? result.value : undefined)
      const trouble = refused?.reason ?? replies.map((reply) => troubleIn?.(reply)).find((found) => found !== undefined)
      yield* note(trouble === undefined ? undefined : failed(trouble))
      return replies
    })
    return {
      send: (args) => Effect.tap(attempt(() => line.send(args)), () => note(undefined)),
      run: (script, calls, options = {}) => calls.length === 0 ? Effect.succeed([]) : run(script, calls, options),
      share: (key, value) =>
        attempt(async () => {
          await line.send(["SET", key, value, "NX"])
          const shared = await line.send(["GET", key])
          if (!Buffer.isBuffer(shared) || shared.length !== value.length) {
            throw new Error(`${key} is not what it should be`)
          }
          client.on("ready", () => {
            line.send(["SET", key, shared, "NX"]).catch(() => {})
          })
          return shared
        })
    }
  }
)
