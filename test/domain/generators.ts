import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"

export const int = (minimum: number, maximum: number): Arbitrary.Arbitrary<number> =>
  Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum, maximum })))

export const bytes = (minLength: number, maxLength: number): Arbitrary.Arbitrary<Uint8Array> =>
  Arbitrary.array(int(0, 255), { minLength, maxLength }).pipe(Arbitrary.map((xs) => Uint8Array.from(xs)))

/** Short texts over an alphabet, so that equal and nearly equal ones are common. */
export const textOf = (alphabet: ReadonlyArray<string>, minLength: number, maxLength: number) =>
  Arbitrary.array(int(0, alphabet.length - 1), { minLength, maxLength }).pipe(
    Arbitrary.map((indexes) => indexes.map((i) => alphabet[i]!).join(""))
  )
