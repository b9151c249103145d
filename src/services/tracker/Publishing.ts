/** `POST /torrents`: who may publish. */
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
