/**
 * relay.ts IP:PORT TARGET_IP:PORT: hands connections on, byte by byte, and prints every message but blocks and requests, once
 * for each kind and direction: `>` of whoever has called, `<` of the target. Prints "relaying" when it can be called.
 */
import * as net from "node:net"
import { FrameReader } from "../../../src/domain/wire/FrameReader.ts"
import * as Handshake from "../../../src/domain/wire/Handshake.ts"
import * as Message from "../../../src/domain/wire/Message.ts"

const NAMES: Record<number, string> = {
  [Message.CHOKE]: "choke",
  [Message.UNCHOKE]: "unchoke",
  [Message.BITFIELD]: "bitfield",
  [Message.HAVE]: "have",
  [Message.SUGGEST]: "suggest",
  [Message.HAVE_ALL]: "have all",
  [Message.HAVE_NONE]: "have none",
  [Message.REJECT]: "reject",
  [Message.ALLOWED_FAST]: "allowed fast",
  [Message.EXTENDED]: "extended"
}

const MAX_FRAME = 1 << 20

const told = new Set<string>()
const tell = (line: string): void => {
  if (told.has(line)) return
  told.add(line)
  console.log(line)
}

const listen = (direction: "<" | ">"): (bytes: Uint8Array) => void => {
  const reader = new FrameReader({
    onHandshake: (bytes, at) => {
      const { extended, fast } = Handshake.decode(bytes, at) ?? {}
      tell(`${direction} handshake${fast === true ? " fast" : ""}${extended === true ? " extended" : ""}`)
      return true
    },
    onFrame: (bytes, at, length) => {
      const name = length === 0 ? undefined : NAMES[bytes[at]!]
      if (name === undefined) return true
      const isHandshake = bytes[at] === Message.EXTENDED && bytes[at + 1] === 0
      const said = isHandshake ? Buffer.from(bytes.slice(at + 2, at + length)).toString("latin1") : ""
      tell(`${direction} ${name} ${said.replace(/[^ -~]/g, ".")}`.trimEnd())
      return true
    }
  }, MAX_FRAME)
  return (bytes) => void reader.push(bytes, 0, bytes.length)
}

const [own = "", target = ""] = process.argv.slice(2)
const placeOf = (text: string): { readonly host: string; readonly port: number } => ({
  host: text.split(":")[0]!,
  port: Number(text.split(":")[1])
})

const server = net.createServer((caller) => {
  const onward = net.connect({ ...placeOf(target), localAddress: placeOf(own).host })
  for (const [from, to, direction] of [[caller, onward, ">"], [onward, caller, "<"]] as const) {
    const note = listen(direction)
    from.on("data", (chunk) => {
      note(chunk)
      to.write(chunk)
    })
    from.on("close", () => to.end())
    from.on("error", () => to.destroy())
  }
})
server.listen({ ...placeOf(own) }, () => console.log("relaying"))
