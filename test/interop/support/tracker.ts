// A tracker for the tests of interoperation, run inside the namespace: node tracker.ts ADDRESS PORT.
// It prints a line of JSON per announce, so that a test can wait for what a client tells the swarm.
import { createServer } from "node:http"

interface Peer {
  readonly ip: string
  readonly port: number
  readonly left: number
}

const swarms = new Map<string, Map<string, Peer>>()

const parameters = (url: string): Map<string, string> =>
  new Map(
    url.slice(url.indexOf("?") + 1).split("&").map((part) => {
      const [key = "", value = ""] = part.split("=", 2)
      return [key, value.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCodePoint(parseInt(hex, 16)))]
    })
  )

const compact = ({ ip, port }: Peer): Buffer => Buffer.from([...ip.split(".").map(Number), port >> 8, port & 255])

const reply = (swarm: Map<string, Peer>, self: string): Buffer => {
  const others = [...swarm].filter(([key]) => key !== self).map(([, peer]) => peer)
  const seeds = [...swarm.values()].filter((peer) => peer.left === 0).length
  const peers = Buffer.concat(others.map(compact))
  return Buffer.concat([
    Buffer.from(
      `d8:completei${seeds}e10:incompletei${swarm.size - seeds}e8:intervali5e12:min intervali2e5:peers${peers.length}:`
    ),
    peers,
    Buffer.from("e")
  ])
}

const announce = (url: string, ip: string): Buffer => {
  const query = parameters(url)
  const infoHash = Buffer.from(query.get("info_hash") ?? "", "latin1").toString("hex")
  const port = Number(query.get("port"))
  const left = Number(query.get("left"))
  const event = query.get("event") ?? ""
  const uploaded = Number(query.get("uploaded"))
  console.log(JSON.stringify({ ip, port, event, left, uploaded, infoHash }))
  const swarm = swarms.get(infoHash) ?? new Map<string, Peer>()
  swarms.set(infoHash, swarm)
  const key = `${ip}:${port}`
  if (event === "stopped") swarm.delete(key)
  else swarm.set(key, { ip, port, left })
  return reply(swarm, key)
}

const [host, port] = process.argv.slice(2)
createServer((request, response) => {
  const { url = "" } = request
  if (url.startsWith("/announce?")) response.end(announce(url, request.socket.remoteAddress ?? ""))
  else response.writeHead(404).end()
}).listen(Number(port), host, () => console.log("listening"))
