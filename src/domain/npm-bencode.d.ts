/** The part of the npm package `bencode`, which has no types of its own, that we call. */
declare module "bencode" {
  /** Byte strings stay bytes; keys become text; a repeated key keeps its last value. */
  export type Decoded = number | Uint8Array | Array<Decoded> | { [key: string]: Decoded }

  const bencode: {
    readonly decode: (bytes: Uint8Array) => Decoded
    readonly encode: (value: unknown) => Uint8Array
  }
  export default bencode
}
