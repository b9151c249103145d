/** Bencode (BEP 3) from our own values, into one growing buffer. */
import * as Bytes from "./Bytes.ts"

/** Texts become UTF-8; a dictionary's fields that are `undefined` are left out. */
export type Encodable =
  | string
  | Uint8Array
  | number
  | bigint
  | ReadonlyArray<Encodable>
  | ReadonlyMap<string | Uint8Array, Encodable>
  | { readonly [key: string]: Encodable | undefined }

const isList = (value: Encodable): value is ReadonlyArray<Encodable> => Array.isArray(value)

const isMap = (value: Encodable): value is ReadonlyMap<string | Uint8Array, Encodable> => value instanceof Map

const toBytes = (text: string | Uint8Array): Uint8Array => typeof text === "string" ? Bytes.fromUtf8(text) : text

const fieldsOf = (
  value: ReadonlyMap<string | Uint8Array, Encodable> | { readonly [key: string]: Encodable | undefined }
): Array<readonly [key: Uint8Array, value: Encodable]> => {
  const fields: Array<readonly [Uint8Array, Encodable]> = []
  for (const [key, field] of isMap(value) ? value : Object.entries(value)) {
    if (field !== undefined) fields.push([toBytes(key), field])
  }
  return fields.sort((a, b) => Bytes.compare(a[0], b[0]))
}

class Writer {
  bytes = new Uint8Array(512)
  length = 0

  private reserve(size: number): void {
    if (this.length + size <= this.bytes.length) return
    const grown = new Uint8Array(Math.max(this.length + size, this.bytes.length * 2))
    grown.set(this.bytes)
    this.bytes = grown
  }

  ascii(text: string): void {
    this.reserve(text.length)
    for (let i = 0; i < text.length; i++) this.bytes[this.length++] = text.charCodeAt(i)
  }

  string(content: Uint8Array): void {
    this.ascii(`${content.length}:`)
    this.reserve(content.length)
    this.bytes.set(content, this.length)
    this.length += content.length
  }

  value(value: Encodable): void {
    if (typeof value === "string" || value instanceof Uint8Array) return this.string(toBytes(value))
    if (typeof value === "bigint") return this.ascii(`i${value}e`)
    if (typeof value === "number") {
      if (!Number.isSafeInteger(value)) throw new RangeError(`bencode has no number ${value}`)
      return this.ascii(`i${value}e`)
    }
    if (isList(value)) {
      this.ascii("l")
      for (const item of value) this.value(item)
    } else {
      this.ascii("d")
      for (const [key, field] of fieldsOf(value)) {
        this.string(key)
        this.value(field)
      }
    }
    this.ascii("e")
  }
}

/**
 * The canonical bencode of a value: keys sorted as raw bytes (BEP 3). A number that is no integer within ±(2^53 - 1) is
 * a defect of the caller and throws a `RangeError`.
 */
export const encode = (value: Encodable): Uint8Array => {
  const writer = new Writer()
  writer.value(value)
  return writer.bytes.slice(0, writer.length)
}
