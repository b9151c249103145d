/** What can go wrong when a tracker is asked. */
import * as Schema from "effect/Schema"

export class Unsupported extends Schema.TaggedError<Unsupported>()("Unsupported", { detail: Schema.String }) {
  override get message() {
    return `cannot be asked: ${this.detail}`
  }
}

export class Unreachable extends Schema.TaggedError<Unreachable>()("Unreachable", { detail: Schema.String }) {
  override get message() {
    return `unreachable: ${this.detail}`
  }
}

export class TimedOut extends Schema.TaggedError<TimedOut>()("TimedOut", { afterMs: Schema.Int }) {
  override get message() {
    return `no answer within ${Math.round(this.afterMs / 1000)} s; it may be overloaded`
  }
}

export class HttpStatus extends Schema.TaggedError<HttpStatus>()("HttpStatus", { status: Schema.Int }) {
  override get message() {
    return this.status === 404 || this.status === 410
      ? `HTTP ${this.status}: no tracker at this address; check the announce URL`
      : this.status === 401 || this.status === 403
      ? `HTTP ${this.status}: not admitted; check the pass key in the announce URL`
      : `HTTP ${this.status} instead of a reply`
  }
}

export class Redirects extends Schema.TaggedError<Redirects>()("Redirects", { detail: Schema.String }) {
  override get message() {
    return `redirects ${this.detail}; check the announce URL`
  }
}

export class TooLarge extends Schema.TaggedError<TooLarge>()("TooLarge", { maxBytes: Schema.Int }) {
  override get message() {
    return `a reply of more than ${this.maxBytes} bytes; this is no tracker`
  }
}

export class Malformed extends Schema.TaggedError<Malformed>()("Malformed", { detail: Schema.String }) {
  override get message() {
    return `not a tracker's reply (${this.detail}); check the announce URL`
  }
}

export class Refused extends Schema.TaggedError<Refused>()("Refused", {
  /** The tracker's own words, made printable. */
  detail: Schema.String,
  /** BEP 31; `Infinity` for never. */
  // @effect-diagnostics-next-line schemaNumber:off
  retryInMs: Schema.optional(Schema.Number)
}) {
  override get message() {
    return `refused: ${this.detail}`
  }
}

export const Reason = Schema.Union([
  Unsupported,
  Unreachable,
  TimedOut,
  HttpStatus,
  Redirects,
  TooLarge,
  Malformed,
  Refused
])
export type Reason = typeof Reason.Type

export class TrackerError extends Schema.TaggedError<TrackerError>()("TrackerError", {
  /** Scheme and host alone: the rest of an announce URL is often a secret. */
  tracker: Schema.String,
  reason: Reason
}) {
  override get message() {
    return `tracker ${this.tracker}: ${this.reason.message}`
  }
}
