/** Peer messages read the slow and obvious way, to hold the real codec against. */

export interface Message {
  /** -1 for a keep-alive. */
  readonly id: number
  readonly payload: Uint8Array
}

const uint32 = (bytes: Uint8Array, at: number): number =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(at)

/** All messages of a run of bytes; throws when it does not end with the last message. */
export const parse = (bytes: Uint8Array): Array<Message> => {
  const out: Array<Message> = []
  let at = 0
  while (at < bytes.length) {
    const length = uint32(bytes, at)
    const body = bytes.slice(at + 4, at + 4 + length)
    if (body.length !== length) throw new Error(`a message of ${length} bytes is cut at ${body.length}`)
    out.push(length === 0 ? { id: -1, payload: body } : { id: body[0]!, payload: body.slice(1) })
    at += 4 + length
  }
  return out
}

/** The payload as 32-bit numbers. */
export const numbers = ({ payload }: Message): Array<number> =>
  Array.from({ length: payload.length / 4 }, (_, i) => uint32(payload, 4 * i))

/** One message from its id, numbers and trailing bytes. */
export const message = (
  id: number,
  numbers: ReadonlyArray<number> = [],
  tail: Uint8Array = new Uint8Array(0)
): Uint8Array => {
  const out = new Uint8Array(5 + 4 * numbers.length + tail.length)
  const view = new DataView(out.buffer)
  view.setUint32(0, out.length - 4)
  out[4] = id
  numbers.forEach((value, i) => view.setUint32(5 + 4 * i, value))
  out.set(tail, 5 + 4 * numbers.length)
  return out
}
