/** What the tracker answers to announces and scrapes over HTTP, whichever way they came in. */
import * as Result from "effect/Result"
import * as HostBytes from "../../domain/HostBytes.ts"
import type { Announcing, Answer } from "../../domain/tracker/Announcing.ts"
import type { Trouble } from "../../domain/tracker/Counters.ts"
import * as HttpTracker from "../../domain/tracker/HttpTrackerServer.ts"
import { AnnounceBatch } from "./AnnounceBatch.ts"
import { type Desk, type Refusal, REFUSED, tooOften, waitOf } from "./Desk.ts"

/** Who asks, and hears the answer once. */
export interface Asker {
  /** The text of the address that the question came from. */
  readonly host: string
  /**
   * Every answer is a bencoded dictionary, and refusals are no errors to HTTP. Each character of the body is a byte: Node writes
   * texts with one copy less than bytes.
   */
  readonly hear: (body: string) => void
}

const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1")

interface Asking {
  readonly asker: Asker
  readonly query: HttpTracker.AnnounceQuery
}

export class HttpQuestions {
  readonly #desk: Desk
  readonly #batch: AnnounceBatch<Asking>
  /** For the address of the question at hand. */
  readonly #room = new Uint8Array(HostBytes.MAX_BYTES)
  #scrapes = 0

  constructor(desk: Desk) {
    this.#desk = desk
    this.#batch = new AnnounceBatch<Asking>({
      submit: desk.submit,
      answer: this.#answer,
      answered: (count, ms) => desk.counters.took(ms, count),
      elapsed: desk.elapsed
    })
  }

  /** Those that are not answered yet. */
  get pending(): number {
    return this.#batch.pending + this.#scrapes
  }

  /** `text` is what stands behind the `?`. */
  announce(text: string, asker: Asker): void {
    const desk = this.#desk
    const parsed = HttpTracker.parseAnnounce(text)
    if (Result.isFailure(parsed)) {
      return this.#refuse(asker, "malformed", { text: parsed.failure, retryInMs: undefined })
    }
    const query = parsed.success
    const length = HttpTracker.writeHost(asker.host, query.ip, this.#room)
    if (length === 0) return this.#refuse(asker, "malformed", REFUSED.address)
    const waitMs = waitOf(desk, this.#room, length)
    if (waitMs > 0) return this.#refuse(asker, "rate-limited", tooOften(waitMs))
    const asked = this.#batch.next
    HttpTracker.fillIn(asked, query, this.#room, length, desk)
    if (!desk.admits(asked.infoHash)) return this.#refuse(asker, "not-tracked", REFUSED.notTracked)
    if (this.#batch.isFull) return this.#refuse(asker, "busy", REFUSED.busy)
    desk.counters.announces[length === 4 ? "http4" : "http6"]++
    this.#batch.add({ asker, query })
  }

  scrape(text: string, asker: Asker): void {
    const desk = this.#desk
    const infoHashes = HttpTracker.parseScrape(text)
    if (infoHashes.length === 0) return this.#refuse(asker, "malformed", REFUSED.scrapeAll)
    const length = HostBytes.write(asker.host, this.#room, 0)
    if (length === 0) return this.#refuse(asker, "malformed", REFUSED.address)
    const waitMs = waitOf(desk, this.#room, length)
    if (waitMs > 0) return this.#refuse(asker, "rate-limited", tooOften(waitMs))
    desk.counters.scrapes[length === 4 ? "http4" : "http6"]++
    this.#scrapes++
    desk.scrape(infoHashes, (counts) => {
      this.#scrapes--
      if (counts === undefined) return this.#refuse(asker, "store-lost", REFUSED.storeLost)
      const files = new Map(infoHashes.map((infoHash, at) => [infoHash, counts[at]!] as const))
      asker.hear(latin1(HttpTracker.encodeScrape(files)))
    })
  }

  #refuse(asker: Asker, trouble: Trouble, { retryInMs, text }: Refusal): void {
    this.#desk.counters.troubles[trouble]++
    asker.hear(latin1(HttpTracker.encodeFailure(text, { retryInMs })))
  }

  readonly #answer = ({ asker, query }: Asking, asked: Announcing, answer: Answer | undefined): void => {
    const desk = this.#desk
    desk.log?.("http", asked, answer)
    if (answer === undefined) return this.#refuse(asker, "store-lost", REFUSED.storeLost)
    if (answer === "TooManyTorrents") return this.#refuse(asker, "table-full", REFUSED.tableFull)
    const { compact } = asked
    const reply: HttpTracker.ServerReply = {
      // One by one, since spreading an answer takes as long as writing it.
      seeders: answer.seeders,
      leechers: answer.leechers,
      completed: answer.completed,
      peers4: answer.peers4,
      peers6: answer.peers6,
      ids4: answer.ids4,
      ids6: answer.ids6,
      intervalMs: desk.intervalMs(),
      minIntervalMs: desk.minIntervalMs,
      externalIp: compact.slice(0, -2)
    }
    asker.hear(HttpTracker.encodeReply(reply, query, latin1))
  }
}
