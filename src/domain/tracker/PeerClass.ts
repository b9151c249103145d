/**
 * What decides who hears of a peer: family, reach and role, as one number below {@link CLASSES}. The order makes the classes
 * that a leech may hear of neighbours: of one family, all up to a reach.
 */
import type { Role } from "./Announcing.ts"
import * as Reach from "./Reach.ts"

/** Also the order within a reach. */
const ROLES: ReadonlyArray<Role> = ["leech", "paused", "seed"]

export const LEECH = 0
export const PAUSED = 1
export const SEED = 2

/** Classes of one reach, one of each role. */
export const PER_REACH = ROLES.length
export const PER_FAMILY = 3 * PER_REACH
export const CLASSES = 2 * PER_FAMILY

export const of = (compact: Uint8Array, role: Role): number =>
  (compact.length === 6 ? 0 : PER_FAMILY) + Reach.of(compact) * PER_REACH +
  (role === "leech" ? LEECH : role === "seed" ? SEED : PAUSED)

export const roleOf = (kind: number): number => kind % PER_REACH

export const roleNamed = (kind: number): Role => ROLES[roleOf(kind)]!

export const isIpv4 = (kind: number): boolean => kind < PER_FAMILY
