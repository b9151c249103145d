/** Patterns of file names, as shells and `.gitignore` have them. */

/** A part of a pattern: one character, or any number of characters. */
type Token =
  | { readonly kind: "One"; readonly fits: (char: string) => boolean }
  /** `*`, within a part of the path. */
  | { readonly kind: "Within" }
  /** `**`, whatever it is. */
  | { readonly kind: "Any" }
  /** Any number of whole parts, each with its slash. */
  | { readonly kind: "Parts" }

const within = (first: string, last: string) => (char: string): boolean =>
  first.codePointAt(0)! <= char.codePointAt(0)! && char.codePointAt(0)! <= last.codePointAt(0)!

/** What stands in brackets; `undefined` when a range of it ends before it begins. */
const oneOf = (chars: ReadonlyArray<string>, isAllowed: boolean): Token | undefined => {
  const ranges: Array<(char: string) => boolean> = []
  for (let at = 0; at < chars.length; at++) {
    const isRange = chars[at + 1] === "-" && at + 2 < chars.length
    const [first, last] = [chars[at]!, chars[isRange ? at + 2 : at]!]
    if (first.codePointAt(0)! > last.codePointAt(0)!) return undefined
    ranges.push(within(first, last))
    if (isRange) at += 2
  }
  return { kind: "One", fits: (char) => char !== "/" && ranges.some((includes) => includes(char)) === isAllowed }
}

const literally = (wanted: string): Token => ({ kind: "One", fits: (char) => char === wanted })

/** The token at the beginning of a pattern, and how much of the pattern it takes. */
const read = (pattern: string): readonly [token: Token | undefined, length: number] => {
  if (pattern.startsWith("**/")) return [{ kind: "Parts" }, 3]
  if (pattern.startsWith("**")) return [{ kind: "Any" }, 2]
  const char = String.fromCodePoint(pattern.codePointAt(0)!)
  if (char === "*") return [{ kind: "Within" }, 1]
  if (char === "?") return [{ kind: "One", fits: (char) => char !== "/" }, 1]
  const set = /^\[([!^]?)(\]?[^\]/]*)\]/.exec(pattern)
  if (set !== null) return [oneOf(Array.from(set[2]!), set[1] === ""), set[0].length]
  if (char !== "\\" || pattern.length === 1) return [literally(char), char.length]
  const escaped = String.fromCodePoint(pattern.codePointAt(1)!)
  return [literally(escaped), 1 + escaped.length]
}

const tokensOf = (pattern: string): ReadonlyArray<Token> | undefined => {
  const tokens: Array<Token> = []
  for (let rest = pattern; rest !== "";) {
    const [token, length] = read(rest)
    if (token === undefined) return undefined
    tokens.push(token)
    rest = rest.slice(length)
  }
  return tokens
}

/** From where the pattern so far can end in the path to where it can end with one token more. */
const advance = (token: Token, chars: ReadonlyArray<string>, ends: ReadonlyArray<boolean>): Array<boolean> => {
  const next = token.kind === "One" ? ends.map(() => false) : Array.from(ends)
  // Whether what precedes may be the beginning of a part that the token takes.
  let inPart = false
  for (const [at, char] of chars.entries()) {
    if (token.kind === "One") next[at + 1] = ends[at]! && token.fits(char)
    else if (token.kind === "Any") next[at + 1] ||= next[at]!
    else if (token.kind === "Within") next[at + 1] ||= next[at]! && char !== "/"
    else {
      next[at + 1] ||= inPart && char === "/"
      inPart = (inPart || next[at]!) && char !== "/"
    }
  }
  return next
}

/** Takes pattern × path steps at the most, whatever they are: no regular expression, which some pattern would stop for hours. */
const isFitting = (tokens: ReadonlyArray<Token>, text: string): boolean => {
  const chars = Array.from(text)
  let ends = [true, ...chars.map(() => false)]
  for (const token of tokens) {
    ends = advance(token, chars, ends)
    if (!ends.includes(true)) return false
  }
  return ends.at(-1)!
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
  const tokens = tokensOf(whole)
  if (tokens === undefined) return undefined
  const isOfName = !pattern.slice(0, -1).includes("/")
  return (path) => isFitting(tokens, isOfName ? path.slice(path.lastIndexOf("/") + 1) : path)
}
