/** HTML out of texts that strangers wrote: whatever is put into a template is escaped, unless it is HTML already. */

/** A piece of HTML in which everything foreign is escaped. */
export class Html {
  readonly source: string
  constructor(source: string) {
    this.source = source
  }
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  "\"": "&quot;",
  "'": "&#39;"
}

/** Safe between tags and in quoted attributes. */
export const escape = (text: string): string => text.replace(/[&<>"']/g, (char) => ENTITIES[char]!)

type Part = string | number | Html | ReadonlyArray<Html>

const sourceOf = (part: Part): string =>
  part instanceof Html
    ? part.source
    : typeof part === "object"
    ? part.map(({ source }) => source).join("")
    : escape(String(part))

/** A template whose attributes are all in double quotes. */
export const html = (strings: TemplateStringsArray, ...parts: ReadonlyArray<Part>): Html => {
  let source = strings[0]!
  for (let i = 0; i < parts.length; i++) source += sourceOf(parts[i]!) + strings[i + 1]!
  return new Html(source)
}

export const nothing: Html = new Html("")
