/** `--encryption`, and what other programs of the field call it. */
import * as Policy from "../../domain/wire/mse/Policy.ts"

/** Transmission's `-er`, `-ep` and `-et` are read as `-e r` and so on. */
const LETTERS: Readonly<Record<string, Policy.Policy>> = { r: "require", p: "prefer", t: "allow" }

export const parse = (text: string): Policy.Policy | undefined =>
  LETTERS[text] ?? Policy.POLICIES.find((policy) => policy === text)

/** Flags of others that stand for a value of ours: Transmission's, and aria2's, which take `true`, `false` or nothing. */
const SYNONYMS: Readonly<Record<string, Policy.Policy>> = {
  "--encryption-required": "require",
  "--encryption-preferred": "prefer",
  "--encryption-tolerated": "allow",
  "--bt-require-crypto": "require",
  "--bt-require-crypto=true": "require",
  "--bt-require-crypto=false": "allow",
  "--bt-force-encryption": "require",
  "--bt-force-encryption=true": "require",
  "--bt-force-encryption=false": "allow"
}

/** The argument in our words. */
export const expand = (arg: string): string => {
  const policy = SYNONYMS[arg]
  return policy === undefined ? arg : `--encryption=${policy}`
}
