/** What the JSON of several programs is made of. */
import * as Schema from "effect/Schema"

export const documented = <S extends Schema.Top>(schema: S, description: string) => schema.annotateKey({ description })

export const text = Schema.NullOr(Schema.String)

const hex = (pattern: RegExp) => Schema.NullOr(Schema.String.check(Schema.isPattern(pattern)))

export const sha1 = hex(/^[0-9a-f]{40}$/)

export const sha256 = hex(/^[0-9a-f]{64}$/)
