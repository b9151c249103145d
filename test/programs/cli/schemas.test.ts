import { assert, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import { documentOf } from "../../../scripts/schemas.ts"
import { EditReport } from "../../../src/programs/cli/EditReport.ts"
import { ShownTorrent } from "../../../src/programs/cli/ShownTorrent.ts"
import { VerifyReport } from "../../../src/programs/cli/VerifyReport.ts"

describe("the JSON Schema documents", () => {
  for (const name of ["show", "verify", "edit"] as const) {
    it(`of ${name} are what scripts/schemas.ts makes of the code`, () => {
      const file = new URL(`schemas/${name}.schema.json`, import.meta.url)
      assert.strictEqual(fs.readFileSync(file, "utf8"), documentOf(name))
    })
  }

  it("document every field", () => {
    for (const { fields } of [ShownTorrent, VerifyReport, EditReport]) {
      for (const [name, field] of Object.entries(fields)) {
        assert.isString(field.ast.context?.annotations?.["description"], name)
      }
    }
  })
})
