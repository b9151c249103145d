/** The standard output, as far as what is written there depends on who reads it. */
import type * as Painter from "./Painter.ts"
import * as Stderr from "./Stderr.ts"

export interface Stdout {
  /** `undefined` when nobody looks at it: a file or another program. */
  readonly terminal: { readonly columns: number; readonly style: Painter.Style } | undefined
}

/** A terminal's last column stays free. Some say that they have none. */
const USUAL_COLUMNS = 80

export const open = (): Stdout => {
  const stream = process.stdout
  if (!stream.isTTY || process.env["TERM"] === "dumb") return { terminal: undefined }
  return {
    terminal: { columns: (stream.columns || USUAL_COLUMNS) - 1, style: Stderr.styleOf(stream, process.env) }
  }
}
