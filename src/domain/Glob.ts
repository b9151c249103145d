/** Patterns of file names, as shells and `.gitignore` have them. */

/** What a character of a pattern means in a regular expression, and how many characters of the pattern it takes. */
const translate = (pattern: string, at: number): readonly [source: string, length: number] => {
  if (pattern.startsWith("**/", at)) return ["(?:[^/]+/)*", 3]
  if (pattern.startsWith("**", at)) return [".*", 2]
  if (pattern[at] === "*") return ["[^/]*", 1]
  if (pattern[at] === "?") return ["[^/]", 1]
  const set = /^\[([!^]?)(\]?[^\]/]*)\]/.exec(pattern.slice(at))
  if (set !== null) return [`[${set[1] === "" ? "" : "^/"}${set[2]!.replace(/[\\[\]^]/g, "\\$&")}]`, set[0].length]
  const escaped = pattern[at] === "\\" && at + 1 < pattern.length
  return [pattern[at + (escaped ? 1 : 0)]!.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&"), escaped ? 2 : 1]
}

/** Longest pattern, in characters. */
export const MAX_LENGTH = 1024

/**
 * Whether a path, with `/` between its parts, fits. `*` and `?` stand for what is within a part, `**` for any number of parts,
 * `[a-z]` and `[!a-z]` for one character; `\` takes the meaning from the next. A pattern without a slash is about the last
 * part alone, wherever that is. `undefined` when this is no pattern.
 */
export const compile = (pattern: string): ((path: string) => boolean) | undefined => {
  const whole = pattern.replace(/^\/|\/$/g, "")
  if (whole === "" || pattern.length > MAX_LENGTH) return undefined
  let source = pattern.slice(0, -1).includes("/") ? "" : "(?:.*/)?"
  for (let at = 0; at < whole.length;) {
    const [part, length] = translate(whole, at)
    source += part
    at += length
  }
  try {
    const expression = new RegExp(`^${source}$`, "su")
    return (path) => expression.test(path)
  } catch {
    return undefined
  }
}
