/** Foreign texts laid out on a terminal, never wider than it. */
import * as Format from "./Format.ts"

/** Lines of at most `columns`, broken at spaces where there are some. The text is printable. */
export const wrap = (text: string, columns: number): Array<string> => {
  const lines: Array<string> = []
  let rest = text
  while (Format.isWider(rest, columns)) {
    // A character that is wider than the line stands alone all the same.
    const fits = Format.cut(rest, columns, "") || String.fromCodePoint(rest.codePointAt(0)!)
    const space = fits.lastIndexOf(" ")
    const end = space > fits.length / 2 ? space : fits.length
    lines.push(rest.slice(0, end))
    rest = rest.slice(end).trimStart()
  }
  return [...lines, rest]
}

/** As {@link wrap}, with all lines but the first moved in. */
export const hanging = (text: string, columns: number, indent: number): Array<string> => {
  const [first = ""] = wrap(text, columns)
  const rest = text.slice(first.length).trimStart()
  if (rest === "") return [first]
  return [first, ...wrap(rest, Math.max(1, columns - indent)).map((line) => " ".repeat(indent) + line)]
}

/**
 * Lines of at most `columns`, all but the first behind `hang`. Words stay whole: one that is wider than a line is left for
 * the terminal to break, so that a path or URL can be copied. The text is printable.
 */
export const paragraph = (text: string, columns: number, hang = ""): Array<string> => {
  const [first = "", ...words] = text.split(" ")
  const lines: Array<string> = []
  let line = first
  let taken = Format.width(first)
  let isBlank = first === ""
  for (const word of words) {
    const width = Format.width(word)
    if (isBlank || taken + 1 + width <= columns) {
      line += ` ${word}`
      taken += 1 + width
      isBlank &&= word === ""
    } else {
      lines.push(line)
      line = hang + word
      taken = Format.width(hang) + width
      isBlank = word === ""
    }
  }
  return [...lines, line]
}

/** The beginning of a text that may be of any length, and how much is left out. */
export const shortened = (text: string, most: number): string => {
  if (text.length <= most) return text
  const kept = text.slice(0, most).replace(/[\ud800-\udbff]$/, "")
  return `${kept} (and ${text.length - kept.length} more characters)`
}
