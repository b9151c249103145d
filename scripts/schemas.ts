// Prints the JSON Schema of what a program prints with --json: node scripts/schemas.ts show > docs/show.schema.json
import * as Schema from "effect/Schema"
import { EditReport } from "../src/programs/cli/EditReport.ts"
import { ShownTorrent } from "../src/programs/cli/ShownTorrent.ts"
import { VerifyReport } from "../src/programs/cli/VerifyReport.ts"

const SCHEMAS = { show: ShownTorrent, verify: VerifyReport, edit: EditReport } as const

export type Name = keyof typeof SCHEMAS

type Json = null | boolean | number | string | ReadonlyArray<Json> | { readonly [key: string]: Json }

/** A description stands beside what it describes, not in a schema of its own. */
const flattened = (json: Json): Json => {
  if (Array.isArray(json)) return json.map(flattened)
  if (typeof json !== "object" || json === null) return json
  const { allOf, ...rest } = Object.fromEntries(Object.entries(json).map(([key, value]) => [key, flattened(value)]))
  if (!Array.isArray(allOf)) return allOf === undefined ? rest : { ...rest, allOf }
  const parts = allOf as ReadonlyArray<{ readonly [key: string]: Json }>
  const isPlain = parts.every((part) => Object.keys(part).every((key) => !(key in rest)))
  return isPlain ? Object.assign(rest, ...parts) : { ...rest, allOf }
}

/** The text of a JSON Schema document (draft 2020-12), with its end of line. */
export const documentOf = (name: Name): string => {
  const { definitions, schema } = Schema.toJsonSchemaDocument(SCHEMAS[name])
  const document = { $schema: "https://json-schema.org/draft/2020-12/schema", ...schema, $defs: definitions }
  return `${JSON.stringify(flattened(document as Json), undefined, 2)}\n`
}

const name = process.argv[2]
if (import.meta.main) {
  if (name === undefined || !Object.hasOwn(SCHEMAS, name)) {
    console.error(`usage: node scripts/schemas.ts ${Object.keys(SCHEMAS).join("|")}`)
    process.exit(28)
  }
  process.stdout.write(documentOf(name as Name))
}
