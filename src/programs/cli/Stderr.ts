/** The standard error stream, as a screen for progress lines. */
import * as Painter from "./Painter.ts"

/** Columns of a progress line where there is no terminal. */
const PLAIN_WIDTH = 160

export interface Stderr {
  readonly screen: Painter.Screen
  readonly style: Painter.Style
  readonly isTerminal: boolean
}

/** A terminal that wants to be left alone says so in its environment (no-color.org). */
export const styleOf = (stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv): Painter.Style => ({
  color: stream.isTTY && (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb",
  unicode: /utf-?8/i.test(env["LC_ALL"] || env["LC_CTYPE"] || env["LANG"] || "UTF-8")
})

// Some terminals say that they have none.
const columnsOf = (stream: NodeJS.WriteStream): number => stream.columns || 80

/** Columns for texts; `undefined` when nobody looks at them. A terminal's last one stays free. */
export const columns = (): number | undefined =>
  process.stderr.isTTY && process.env["TERM"] !== "dumb" ? columnsOf(process.stderr) - 1 : undefined

export const open = (): Stderr => {
  const stream = process.stderr
  const isTerminal = stream.isTTY && process.env["TERM"] !== "dumb"
  const screen = new Painter.Screen({
    write: (text) => {
      stream.write(text)
    },
    isTTY: isTerminal,
    columns: () => isTerminal ? columnsOf(stream) : PLAIN_WIDTH
  })
  return { screen, style: styleOf(stream, process.env), isTerminal }
}
