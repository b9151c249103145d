/** A proxy of the test's own, which remembers what it was asked for: SOCKS5 with UDP ASSOCIATE, and HTTP CONNECT. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as dgram from "node:dgram"
import * as net from "node:net"

export interface ProxyOptions {
  readonly host?: string
  readonly port?: number
  /** What it wants to hear, as `user:password`. */
  readonly login?: string
  /** Where names lead; others are unreachable. */
  readonly names?: Readonly<Record<string, string>>
  readonly onAsked?: (what: string) => void
  /** Bytes that it sends in one go with its consent, as from the target. */
  readonly early?: Uint8Array
}

export interface ProxyServer {
  readonly port: number
  /** `tcp name:port` and `udp name:port`, as they were asked for. */
  readonly asked: ReadonlyArray<string>
  /** Whoever connected, and the sources of datagrams. */
  readonly callers: ReadonlySet<string>
}

/** Takes so many bytes from the front, as they come. */
class Reader {
  readonly #socket: net.Socket
  constructor(socket: net.Socket) {
    this.#socket = socket
  }
  async take(length: number): Promise<Buffer> {
    while (true) {
      const bytes: Buffer | null = this.#socket.read(length)
      if (bytes?.length === length) return bytes
      if (bytes !== null) this.#socket.unshift(bytes)
      if (this.#socket.readableEnded || this.#socket.destroyed) throw new Error("ended")
      await new Promise((resolve) => this.#socket.once("readable", resolve).once("close", resolve))
    }
  }
  async line(): Promise<string> {
    let line = ""
    while (!line.endsWith("\n")) line += (await this.take(1)).toString("latin1")
    return line.trimEnd()
  }
}

interface Place {
  readonly host: string
  readonly port: number
}

const readPlace = (bytes: Buffer): Place & { readonly end: number } => {
  const type = bytes[0]!
  const length = type === 1 ? 4 : type === 4 ? 16 : bytes[1]!
  const from = type === 3 ? 2 : 1
  const raw = bytes.subarray(from, from + length)
  const host = type === 1
    ? raw.join(".")
    : type === 4
    ? Array.from({ length: 8 }, (_, i) => raw.readUInt16BE(2 * i).toString(16)).join(":")
    : raw.toString("latin1")
  const end = from + length
  return { host, port: bytes.readUInt16BE(end), end: end + 2 }
}

const ip4 = (host: string): ReadonlyArray<number> => host.split(".").map(Number)

const reply = (code: number, at: Place = { host: "0.0.0.0", port: 0 }) =>
  Buffer.from([5, code, 0, 1, ...ip4(at.host), at.port >> 8, at.port & 255])

class Server {
  readonly asked: Array<string> = []
  readonly callers = new Set<string>()
  readonly #options: ProxyOptions
  readonly #sockets = new Set<net.Socket>()
  readonly #relays = new Set<dgram.Socket>()
  readonly server: net.Server

  constructor(options: ProxyOptions) {
    this.#options = options
    this.server = net.createServer((socket) => {
      this.callers.add(socket.remoteAddress!)
      this.#keep(socket)
      this.#serve(socket).catch(() => socket.destroy())
    })
  }

  #note(what: string): void {
    this.asked.push(what)
    this.#options.onAsked?.(what)
  }

  #keep(socket: net.Socket): net.Socket {
    this.#sockets.add(socket)
    return socket.on("error", () => {}).on("close", () => this.#sockets.delete(socket))
  }

  #resolve(host: string): string | undefined {
    return net.isIP(host) === 0 ? this.#options.names?.[host] : host
  }

  async #serve(socket: net.Socket): Promise<void> {
    const reader = new Reader(socket)
    const first = await reader.take(1)
    if (first[0] === 5) return this.#socks(socket, reader)
    return this.#http(socket, first.toString("latin1") + await reader.line(), reader)
  }

  async #socks(socket: net.Socket, reader: Reader): Promise<void> {
    const { login } = this.#options
    const methods = await reader.take((await reader.take(1))[0]!)
    const method = login === undefined ? 0 : 2
    if (!methods.includes(method)) return void socket.end(Buffer.from([5, 255]))
    socket.write(Buffer.from([5, method]))
    if (login !== undefined) {
      const user = await reader.take((await reader.take(2))[1]!)
      const password = await reader.take((await reader.take(1))[0]!)
      const isRight = `${user}:${password}` === login
      socket.write(Buffer.from([1, isRight ? 0 : 1]))
      if (!isRight) return void socket.end()
    }
    const head = await reader.take(5)
    const rest = head[3] === 1 ? 5 : head[3] === 4 ? 17 : head[4]! + 2
    const to = readPlace(Buffer.concat([head.subarray(3), await reader.take(rest)]))
    if (head[1] === 3) return this.#associate(socket)
    return this.#tunnel(socket, to, reply(0), (code) => reply(code))
  }

  async #http(socket: net.Socket, line: string, reader: Reader): Promise<void> {
    const { login } = this.#options
    const headers: Array<string> = []
    for (let header; (header = await reader.line()) !== "";) headers.push(header)
    const [, host = "", port = ""] = /^CONNECT \[?([^\]]+)\]?:(\d+) HTTP\/1\.1$/.exec(line) ?? []
    const wanted = login && `Proxy-Authorization: Basic ${Buffer.from(login).toString("base64")}`
    if (wanted !== undefined && !headers.includes(wanted)) return void socket.end("HTTP/1.1 407 No\r\n\r\n")
    return this.#tunnel(
      socket,
      { host, port: Number(port) },
      Buffer.from("HTTP/1.1 200 OK\r\n\r\n"),
      () => Buffer.from("HTTP/1.1 502 Bad Gateway\r\n\r\n")
    )
  }

  #tunnel(socket: net.Socket, to: Place, consent: Buffer, refusal: (code: number) => Buffer): void {
    this.#note(`tcp ${to.host}:${to.port}`)
    const host = this.#resolve(to.host)
    if (host === undefined) return void socket.end(refusal(4))
    const far = this.#keep(net.connect({ host, port: to.port }))
    far.once("error", () => socket.end(refusal(5)))
    far.once("connect", () => {
      socket.write(Buffer.concat([consent, this.#options.early ?? new Uint8Array()]))
      socket.pipe(far)
      far.pipe(socket)
    })
    far.on("close", () => socket.destroy())
    socket.on("close", () => far.destroy())
  }

  #associate(control: net.Socket): void {
    const relay = dgram.createSocket("udp4")
    this.#relays.add(relay)
    let client: Place | undefined
    relay.on("message", (bytes, { address, port }) => {
      if (client === undefined || port === client.port) {
        client = { host: address, port }
        this.callers.add(address)
        const to = readPlace(bytes.subarray(3))
        this.#note(`udp ${to.host}:${to.port}`)
        const host = this.#resolve(to.host)
        if (host !== undefined) relay.send(bytes.subarray(3 + to.end), to.port, host)
        return
      }
      const header = Buffer.from([0, 0, 0, 1, ...ip4(address), port >> 8, port & 255])
      relay.send(Buffer.concat([header, bytes]), client.port, client.host)
    })
    relay.bind(0, this.#options.host ?? "127.0.0.1", () => {
      control.write(reply(0, { host: "0.0.0.0", port: relay.address().port }))
    })
    control.on("close", () => {
      this.#relays.delete(relay)
      relay.close()
    })
  }

  close(): void {
    this.server.close()
    for (const socket of this.#sockets) socket.destroy()
  }
}

export const start = (options: ProxyOptions = {}): Effect.Effect<ProxyServer, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<Server>((resume) => {
      const server = new Server(options)
      server.server.listen(options.port ?? 0, options.host ?? "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  ).pipe(Effect.map(({ asked, callers, server }) => {
    const address = server.address()
    return { asked, callers, port: typeof address === "object" && address !== null ? address.port : 0 }
  }))
