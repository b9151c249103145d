/** JSON that may be shown on a terminal, whatever texts it holds. */

/** Control characters that JSON lets through, and those that reverse or break a line. */
const UNSAFE = /[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

const escape = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`

/** The same JSON, with what would act on a terminal escaped. */
export const printable = (json: string): string => json.replace(UNSAFE, escape)
