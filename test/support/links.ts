/** A connection whose far end is the test. */
import * as Effect from "effect/Effect"
import * as Bytes from "../../src/domain/Bytes.ts"
import * as PeerAddress from "../../src/domain/PeerAddress.ts"
import { type Link, TransportError } from "../../src/services/Transport.ts"

export class FakeLink implements Link {
  readonly remote: PeerAddress.PeerAddress
  readonly cipher = "none"
  /** What was sent, as it was at the time of sending. */
  readonly writes: Array<Uint8Array> = []
  isClosed = false
  /** Bytes that the far end has not taken. */
  unread = 0
  /** While true, `drained` waits and `sent` is not told. */
  stalled = false
  #onBytes: ((bytes: Uint8Array, from: number, to: number) => void) | undefined
  #ended: ((error?: string) => void) | undefined
  readonly #waiting: Array<() => void> = []

  constructor(key = 1) {
    this.remote = PeerAddress.make(`10.1.${key >> 8 & 255}.${key & 255}`, 50_000)!
  }

  readonly receive = (onBytes: (bytes: Uint8Array, from: number, to: number) => void) =>
    Effect.callback<void, TransportError>((resume) => {
      this.#onBytes = onBytes
      this.#ended = (code) =>
        resume(
          code === undefined
            ? Effect.void
            : Effect.fail(new TransportError({ operation: "receive", code, address: this.remote.host }))
        )
      if (this.isClosed) this.#ended()
      return Effect.sync(this.close)
    })

  readonly send = (parts: ReadonlyArray<Uint8Array>, sent?: () => void): void => {
    if (this.isClosed) return sent?.()
    this.writes.push(Bytes.concat(parts))
    if (sent === undefined) return
    if (this.stalled) this.#waiting.push(sent)
    else sent()
  }

  readonly queued = (): number => this.unread

  readonly drained: Effect.Effect<void> = Effect.callback<void>((resume) => {
    if (!this.stalled || this.isClosed) return resume(Effect.void)
    this.#waiting.push(() => resume(Effect.void))
  })

  readonly close = (): void => {
    if (this.isClosed) return
    this.isClosed = true
    this.drain()
    this.#ended?.()
  }

  /** The far end takes all that waits. */
  drain(): void {
    this.stalled = false
    for (const waiting of this.#waiting.splice(0)) waiting()
  }

  /** The far end sends bytes, one read for each part. */
  push(...parts: ReadonlyArray<Uint8Array>): void {
    for (const part of parts) {
      if (this.isClosed) return
      const buffer = new Uint8Array(part.length + 6).fill(0xee)
      buffer.set(part, 3)
      this.#onBytes!(buffer, 3, 3 + part.length)
      buffer.fill(0xdd)
    }
  }

  /** The connection breaks. */
  fail(code: string): void {
    this.#ended?.(code)
  }

  /** All that was sent, as one run of bytes. */
  get sent(): Uint8Array {
    return Bytes.concat(this.writes)
  }
}
