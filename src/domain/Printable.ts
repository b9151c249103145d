/** Foreign texts as they can be shown, on a terminal or a page, without harm to what stands around them. */

/**
 * What moves the cursor, reorders the line, hides or is half a character. The joiners stay: Persian, the scripts of India
 * and emoji are written with them.
 */
const UNPRINTABLE = /(?!\p{Join_Control})[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

/** Where terminals disagree whether a character with one of these is one column wide or two. */
const VARIATION_SELECTORS = /[\ufe00-\ufe0f\u{e0100}-\u{e01ef}]/gu

/** No script stacks more signs on one character than this; names that do overflow into the lines around them. */
const STACKED =
  /([\p{M}\p{Join_Control}\u1160-\u11ff\ud7b0-\ud7ff]{4})[\p{M}\p{Join_Control}\u1160-\u11ff\ud7b0-\ud7ff]+/gu

const escape = (char: string): string => {
  const code = char.codePointAt(0)!
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`
}

/**
 * A text that somebody else chose (a name, a tracker's message), made safe to show: control characters, escape
 * sequences and marks that reverse the direction of writing become visible `\x1b` and `\u{202e}`. One line, idempotent.
 */
export const printable = (text: string): string =>
  text.replace(VARIATION_SELECTORS, "").replace(UNPRINTABLE, escape).replace(STACKED, "$1")
