/**
 * The bytes that peers ask for, read from the disk in long lines: a single 16 KiB read costs 26 µs of thread hops, a
 * 256 KiB one about as much. A line is read once however many wait for it, and its memory is used again as soon as it
 * has left both the cache and the sockets.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"

/** Bytes of a line. */
export const LINE = 262_144

/** Lines that are kept when nobody uses them. */
const KEPT = 64

/** What lines are read from. */
export interface Source<E> {
  /** Unique among all sources of the cache. */
  readonly key: string
  readonly length: number
  /** The longest run around `at`, within `[from, to)`, that may be read and will not change any more. */
  readonly extent: (at: number, from: number, to: number) => readonly [from: number, to: number]
  readonly read: (offset: number, into: Uint8Array) => Effect.Effect<void, E>
}

/** A piece of a source in memory. Whoever got it must {@link ReadCache.release} it. */
export class Line<E> {
  readonly key: string
  readonly buffer: Uint8Array
  /** The bytes of the source that the buffer holds once it is ready, from its start. */
  readonly from: number
  readonly to: number
  readonly loaded: Deferred.Deferred<void, E>
  ready = false
  pins = 0

  constructor(key: string, buffer: Uint8Array, from: number, to: number) {
    this.key = key
    this.buffer = buffer
    this.from = from
    this.to = to
    this.loaded = Deferred.makeUnsafe<void, E>()
  }
}

export interface ReadCache<E> {
  /**
   * The line that holds `[from, to)`, which must not cross a multiple of {@link LINE}; pinned, and perhaps still loading:
   * see `ready` and `loaded`.
   */
  readonly pin: (source: Source<E>, from: number, to: number) => Line<E>
  readonly release: (line: Line<E>) => void
  /** Forgets all lines of a source. */
  readonly drop: (source: Source<E>) => void
}

/** A cache whose reads run as fibers of the scope. */
export const make = <E>(): Effect.Effect<ReadCache<E>, never, Scope.Scope> =>
  Effect.gen(function*() {
    const run = yield* FiberSet.makeRuntime<never>()
    /** In order of last use. */
    const lines = new Map<string, Line<E>>()
    const spare: Array<Uint8Array> = []

    const recycle = (line: Line<E>) => {
      if (spare.length < KEPT) spare.push(line.buffer)
    }
    const forget = (line: Line<E>) => {
      lines.delete(line.key)
      if (line.pins === 0) recycle(line)
    }
    const evict = () => {
      for (const line of lines.values()) {
        if (lines.size <= KEPT) return
        if (line.pins === 0) forget(line)
      }
    }
    /** Starts reading a line, which must be in the table: a source in memory answers before this returns. */
    const load = (source: Source<E>, line: Line<E>) => {
      line.pins++
      run(
        source.read(line.from, line.buffer.subarray(0, line.to - line.from)).pipe(
          Effect.onExit((exit) =>
            Effect.sync(() => {
              line.ready = Exit.isSuccess(exit)
              if (!line.ready && lines.get(line.key) === line) lines.delete(line.key)
              Deferred.doneUnsafe(line.loaded, exit)
              release(line)
            })
          ),
          Effect.exit
        )
      )
    }
    const release = (line: Line<E>) => {
      if (--line.pins === 0 && lines.get(line.key) !== line) recycle(line)
    }

    return {
      release,
      pin: (source, from, to) => {
        const start = from - from % LINE
        const key = `${source.key}/${start}`
        const known = lines.get(key)
        const serves = known !== undefined && known.from <= from && to <= known.to
        if (known !== undefined) lines.delete(key)
        if (!serves && known?.pins === 0) recycle(known)
        const line = serves
          ? known
          : new Line<E>(
            key,
            spare.pop() ?? new Uint8Array(LINE),
            ...source.extent(from, start, Math.min(start + LINE, source.length))
          )
        lines.set(key, line)
        line.pins++
        if (!serves) load(source, line)
        evict()
        return line
      },
      drop: (source) => {
        for (const line of lines.values()) if (line.key.startsWith(`${source.key}/`)) forget(line)
      }
    }
  })
