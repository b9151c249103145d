/** Watches what a program asks of the network, call by call, as the kernel hears it: strace. */
import * as fs from "node:fs"

/** The command that runs `argv` and writes its calls to `file`. */
export const watching = (file: string, argv: ReadonlyArray<string>): ReadonlyArray<string> => [
  "strace",
  "-f",
  "-qq",
  "-e",
  "trace=network",
  "-o",
  file,
  ...argv
]

export interface Seen {
  /** `host:port` of everything that was connected or sent to; a path, or the kind of the socket, where there is no host. */
  readonly reached: ReadonlySet<string>
  /** Calls of `listen`. */
  readonly listens: number
  /** Ports that sockets were bound to, 0 for any. */
  readonly bound: ReadonlySet<number>
}

const ADDRESS = /inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"/

const placeOf = (line: string): string => {
  const [, four, six] = ADDRESS.exec(line) ?? []
  const [, port] = /port=htons\((\d+)\)/.exec(line) ?? []
  return four ?? six ? `${four ?? six}:${port}` : /sa_family=\w+(?:, sun_path="[^"]*")?/.exec(line)![0]
}

export const read = (file: string): Seen => {
  const lines = fs.readFileSync(file, "utf8").split("\n")
  const calls = (name: RegExp) => lines.filter((line) => name.test(line) && line.includes("sa_family="))
  return {
    // A bare AF_UNSPEC undoes the connecting of a datagram socket.
    reached: new Set(
      calls(/ (?:connect|sendto|sendmsg|sendmmsg)\(/).map(placeOf).filter((place) => !place.endsWith("UNSPEC"))
    ),
    listens: lines.filter((line) => / listen\(/.test(line)).length,
    bound: new Set(calls(/ bind\(/).map((line) => Number(/port=htons\((\d+)\)/.exec(line)?.[1] ?? -1)))
  }
}
