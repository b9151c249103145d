// A series of announces, made inside a namespace: node announces.ts ANNOUNCE_URL
// Prints one line of JSON for each, what the tracker counts and whom it names, and "end".
import * as Result from "effect/Result"
import * as http from "node:http"
import * as Bencode from "../../../src/domain/Bencode.ts"
import * as PeerAddress from "../../../src/domain/PeerAddress.ts"

const url = process.argv[2] ?? ""
const infoHash = Array.from({ length: 20 }, (_, i) => `%${(i + 65).toString(16)}`).join("")

/** Who announces, by the last byte of the address, with what is left and what has happened. */
const series: ReadonlyArray<readonly [host: number, left: number, event?: "started" | "completed" | "stopped"]> = [
  [11, 0, "started"],
  [12, 900, "started"],
  [13, 900, "started"],
  [14, 0, "started"],
  [12, 0, "completed"],
  [12, 0, "completed"],
  [13, 500],
  [11, 0],
  [14, 0, "stopped"],
  [13, 100],
  [13, 100, "stopped"],
  [12, 0]
]

const get = (host: number, left: number, event: string | undefined): Promise<Uint8Array> =>
  new Promise((resolve, reject) => {
    const query =
      `info_hash=${infoHash}&peer_id=-XX0001-0000000000${host}&port=${7000 + host}&uploaded=0&downloaded=0` +
      `&left=${left}&compact=1&numwant=50${event === undefined ? "" : `&event=${event}`}`
    http.get(`${url}?${query}`, { localAddress: `10.78.0.${host}`, agent: false }, (response) => {
      const parts: Array<Buffer> = []
      response.on("data", (part: Buffer) => parts.push(part)).on("end", () => resolve(Buffer.concat(parts)))
    }).on("error", reject)
  })

const peersOf = (field: Bencode.Closed | undefined): Array<string> =>
  ArrayBuffer.isView(field) ? PeerAddress.fromCompact(field, 4).map(PeerAddress.format).sort() : []

for (const [host, left, event] of series) {
  const fields = Result.getOrThrow(Bencode.decodeClosed(await get(host, left, event), Bencode.DOCUMENT))
  const [complete, incomplete, downloaded] = ["complete", "incomplete", "downloaded"].map((name) => fields.get(name))
  console.log(JSON.stringify({
    asker: `10.78.0.${host}:${7000 + host}`,
    seed: left === 0,
    stopped: event === "stopped",
    complete,
    incomplete,
    downloaded,
    peers: peersOf(fields.get("peers"))
  }))
}
console.log("end")
