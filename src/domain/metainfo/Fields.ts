/** What fields of both versions are read with. */
import * as Bencode from "../Bencode.ts"

/** An integer of 0 or more. */
export const size = (value: Bencode.Value | undefined): number | undefined => {
  const number = Bencode.integer(value)
  return number !== undefined && number >= 0 ? number : undefined
}

/** Bytes of a value as it stands in the document. */
export const span = (value: Bencode.Value | undefined): number => value === undefined ? 0 : value.end - value.start

/** A list of one text or more. */
export const texts = (value: Bencode.Value | undefined): Array<string> | undefined => {
  const found: Array<string> = []
  for (const item of Bencode.items(value)) {
    const text = Bencode.text(item)
    if (text === undefined) return undefined
    found.push(text)
  }
  return found.length === 0 ? undefined : found
}

/** What BEP 47 says of a file; flags that nobody knows are ignored. */
export interface Attributes {
  readonly padding: boolean
  readonly executable: boolean
  /** Where the symbolic link points; a link that points nowhere is none. */
  readonly symlink: ReadonlyArray<string> | undefined
}

const NONE: Attributes = { padding: false, executable: false, symlink: undefined }

export const attributes = (
  fields: { readonly attr?: Bencode.Value; readonly "symlink path"?: Bencode.Value }
): Attributes => {
  if (fields.attr === undefined) return NONE
  const flags = Bencode.text(fields.attr) ?? ""
  return {
    padding: flags.includes("p"),
    executable: flags.includes("x"),
    symlink: flags.includes("l") ? texts(fields["symlink path"]) : undefined
  }
}
