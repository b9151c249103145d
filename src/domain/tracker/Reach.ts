/**
 * How far an address carries. A tracker that hands a private address to the world, or its own loopback to anyone, sends
 * peers to machines that are not the ones that announced.
 */

/** Higher is nearer: an asker may hear of peers whose reach is no higher than its own. */
export const PUBLIC = 0
/** RFC 1918, shared (RFC 6598), link-local and unique local addresses. */
export const PRIVATE = 1
export const LOOPBACK = 2

export type Reach = typeof PUBLIC | typeof PRIVATE | typeof LOOPBACK

const of4 = (a: number, b: number): Reach => {
  if (a === 127) return LOOPBACK
  const isPrivate = a === 10 || (a === 172 && (b & 0xf0) === 16) || (a === 192 && b === 168) ||
    (a === 169 && b === 254) || (a === 100 && (b & 0xc0) === 64)
  return isPrivate ? PRIVATE : PUBLIC
}

const isLoopback6 = (bytes: Uint8Array): boolean => {
  for (let i = 0; i < 15; i++) if (bytes[i] !== 0) return false
  return bytes[15] === 1
}

/** Of an entry of BEP 23 (6 bytes) or BEP 7 (18 bytes). */
export const of = (compact: Uint8Array): Reach => {
  const a = compact[0]!
  const b = compact[1]!
  if (compact.length === 6) return of4(a, b)
  if ((a & 0xfe) === 0xfc || (a === 0xfe && (b & 0xc0) === 0x80)) return PRIVATE
  return a === 0 && isLoopback6(compact) ? LOOPBACK : PUBLIC
}
