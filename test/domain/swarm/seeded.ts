import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"

export const int = (minimum: number, maximum: number) =>
  Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum, maximum })))

export const seed = int(0, 0xffff_ffff)

/** Repeatable numbers in [0, 1): a Weyl sequence through the finaliser of MurmurHash3. */
export const randomOf = (seed: number): () => number => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x9e37_79b9) >>> 0
    let x = Math.imul(state ^ (state >>> 16), 0x85eb_ca6b)
    x = Math.imul(x ^ (x >>> 13), 0xc2b2_ae35)
    return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32
  }
}

/** An integer in [0, below). */
export const below = (random: () => number, below: number): number => Math.floor(random() * below)
