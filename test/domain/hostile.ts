import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"

/** What names are made of when nobody means well, among what they are made of otherwise. */
const PARTS = [
  "a",
  "sample.bin",
  "Übung",
  "映画",
  "한국어",
  "\u1112\u1161\u11ab",
  "e\u0301",
  "\u0301".repeat(9),
  "🎬",
  "👩\u200d👧",
  "❤\ufe0f",
  "🇫🇷",
  "\u200c",
  "\ud800",
  "\udc00",
  "\x00",
  "\x1b[2J",
  "\x1b]0;owned\x07",
  "\x9b31m",
  "\r",
  "\n",
  "\t",
  "\b",
  "\x7f",
  "\u202e",
  "\u2066",
  "\u2028",
  "\ufeff",
  "\\",
  " "
]

const part = Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: PARTS.length - 1 })))

export const hostileText: Arbitrary.Arbitrary<string> = Arbitrary.array(part, { maxLength: 60 }).pipe(
  Arbitrary.map((parts) => parts.map((at) => PARTS[at]!).join(""))
)
