/** `POST /torrents`: who may publish, and how a torrent is read from a request without reading too much. */
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Stream from "effect/Stream"
import { timingSafeEqual } from "node:crypto"
import * as Bytes from "../../domain/Bytes.ts"
import * as Digest from "../../domain/Digest.ts"

/** Hashes are compared, so that the time tells neither how much of the token is right nor how long it is. */
const isEqual = (a: string, b: string): boolean =>
  timingSafeEqual(Digest.sha256(Bytes.fromUtf8(a)), Digest.sha256(Bytes.fromUtf8(b)))

/** RFC 6750. */
export const isAuthorized = (authorization: string | undefined, token: string): boolean =>
  isEqual(/^Bearer +(\S+) *$/i.exec(authorization ?? "")?.[1] ?? "", token)

/**
 * Whether a page of another site made the browser send this: a publisher's browser may reach a tracker that the page's
 * author does not.
 */
export const isFromElsewhere = (origin: string | undefined, host: string | undefined): boolean =>
  origin !== undefined && !(URL.canParse(origin) && new URL(origin).host === host?.toLowerCase())

export type Body = Uint8Array | "TooLarge" | "Broken"

/** Ends as soon as there are too many bytes, whether the request says so or not. */
export const readBody = Effect.fnUntraced(
  function*(request: HttpServerRequest.HttpServerRequest, maxBytes: number): Effect.fn.Return<Body> {
    if (Number(request.headers["content-length"] ?? 0) > maxBytes) return "TooLarge"
    const chunks: Array<Uint8Array> = []
    let size = 0
    return yield* Stream.runForEach(request.stream, (chunk) => {
      size += chunk.length
      chunks.push(chunk)
      return size > maxBytes ? Effect.fail("TooLarge" as const) : Effect.void
    }).pipe(
      Effect.map(() => Bytes.concat(chunks)),
      Effect.catch((error) => Effect.succeed<Body>(error === "TooLarge" ? error : "Broken"))
    )
  }
)
