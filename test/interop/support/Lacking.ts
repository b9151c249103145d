/** What a machine lacks for a test: a failure where interoperation is required, a skipped test elsewhere. */
import { assert, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import type * as Clients from "./Clients.ts"

const required = process.env["FRESHET_INTEROP"] === "required"

export const debian = (client: Clients.Client): string | undefined =>
  client.installed() ? undefined : `the Debian package ${client.package}`

/** A program, and the Debian package that it is in. */
export const command = (name: string, inPackage = name): string | undefined =>
  spawnSync("which", [name]).status === 0 ? undefined : `the Debian package ${inPackage}`

/** One test that says what is missing. */
export const report = (needs: ReadonlyArray<string>): void =>
  it(`needs ${needs.join(" and ")}`, ({ skip }) => {
    const message = `interoperation needs ${needs.join(" and ")}`
    if (required) assert.fail(`${message} (FRESHET_INTEROP=required)`)
    skip(message)
  })
