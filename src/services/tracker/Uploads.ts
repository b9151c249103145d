/** The bodies of requests that are being read: how large one may be, how slow, and how many bytes all of them may take. */
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

export interface UploadLimits {
  /** Bytes of memory for all bodies together. */
  readonly maxTotalBytes: number
  /** A body comes in this many windows of time, and in each of them but the last so many bytes come at least. */
  readonly windowMs: number
  readonly windows: number
  readonly minWindowBytes: number
}

const MIB = 1024 * 1024

/** One minute in all, with 4 KiB/s at least: less than the slowest line of these days, and a stalled one is soon cut. */
export const LIMITS: UploadLimits = { maxTotalBytes: 64 * MIB, windowMs: 10_000, windows: 6, minWindowBytes: 40 * 1024 }

/** Memory that a body takes with its first bytes. */
const FIRST_BYTES = 16 * 1024

/** `Busy`: there is no room beside the bodies that are read now. */
export type Refusal = "TooLarge" | "TooSlow" | "Broken" | "Busy"

type Request = Pick<HttpServerRequest.HttpServerRequest, "headers" | "stream">

/** One body. Chunks are copied: a sender may make them of one byte each, and every one is an object of its own. */
class Upload {
  readonly #uploads: Uploads
  readonly #maxBytes: number
  #bytes = new Uint8Array(0)
  #size = 0

  constructor(uploads: Uploads, maxBytes: number) {
    this.#uploads = uploads
    this.#maxBytes = maxBytes
  }

  get size(): number {
    return this.#size
  }

  /** A view, good until {@link release}. */
  get body(): Uint8Array {
    return this.#bytes.subarray(0, this.#size)
  }

  add(chunk: Uint8Array): Refusal | undefined {
    const size = this.#size + chunk.length
    if (size > this.#maxBytes) return "TooLarge"
    if (size > this.#bytes.length && !this.#grow(size)) return "Busy"
    this.#bytes.set(chunk, this.#size)
    this.#size = size
    return undefined
  }

  release(): void {
    this.#uploads.give(this.#bytes.length)
    this.#bytes = new Uint8Array(0)
    this.#size = 0
  }

  #grow(size: number): boolean {
    const length = Math.min(this.#maxBytes, Math.max(FIRST_BYTES, size, 2 * this.#bytes.length))
    if (!this.#uploads.take(length - this.#bytes.length)) return false
    const bytes = new Uint8Array(length)
    bytes.set(this.body)
    this.#bytes = bytes
    return true
  }
}

/** Shared by all requests of a server. */
export class Uploads {
  readonly #limits: UploadLimits
  #taken = 0

  constructor(limits: UploadLimits = LIMITS) {
    this.#limits = limits
  }

  /** Bytes of memory that bodies take now. */
  get taken(): number {
    return this.#taken
  }

  take(bytes: number): boolean {
    if (this.#taken + bytes > this.#limits.maxTotalBytes) return false
    this.#taken += bytes
    return true
  }

  give(bytes: number): void {
    this.#taken -= bytes
  }

  /**
   * A body of up to `maxBytes`; its memory counts, and is to be looked at, until the scope closes. Ends as soon as it is
   * clear that it will not be had, whatever the request says of its length.
   */
  read(request: Request, maxBytes: number): Effect.Effect<Uint8Array | Refusal, never, Scope.Scope> {
    return Effect.suspend(() => {
      const announced = Number(request.headers["content-length"] ?? 0)
      if (announced > maxBytes) return Effect.succeed<Refusal>("TooLarge")
      if (this.#taken + announced > this.#limits.maxTotalBytes) return Effect.succeed<Refusal>("Busy")
      return Effect.flatMap(
        Effect.acquireRelease(
          Effect.sync(() => new Upload(this, maxBytes)),
          (upload) => Effect.sync(() => upload.release())
        ),
        (upload) => Effect.raceFirst(receive(request, upload), this.#watch(upload))
      )
    })
  }

  /** Ends when the body has had its time, or nearly nothing comes. */
  #watch(upload: Upload): Effect.Effect<Refusal> {
    const { minWindowBytes, windowMs, windows } = this.#limits
    return Effect.gen(function*() {
      let before = 0
      for (let window = 0; window < windows; window++) {
        yield* Effect.sleep(windowMs)
        if (upload.size - before < minWindowBytes) break
        before = upload.size
      }
      return "TooSlow" as const
    })
  }
}

const receive = (request: Request, upload: Upload): Effect.Effect<Uint8Array | Refusal> =>
  Stream.runForEach(request.stream, (chunk) => {
    const refusal = upload.add(chunk)
    return refusal === undefined ? Effect.void : Effect.fail(refusal)
  }).pipe(
    Effect.match({
      onSuccess: () => upload.body,
      onFailure: (error): Refusal => typeof error === "string" ? error : "Broken"
    })
  )
