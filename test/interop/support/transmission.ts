// Transmission's daemon as a peer, run inside the namespace and driven over its RPC:
// node transmission.ts seed|leech TORRENT DIR ADDRESS PORT CONFIG_DIR
// with TRANSMISSION_ENCRYPTION=required it speaks with nobody who does not encrypt;
// prints "ready", "uploading", "done"; a leech closes the daemon when all is there, so that its cache is on disk.
// In the environment: TRANSMISSION_PEX tells peers of peers (BEP 11); TRANSMISSION_RATE is a limit both ways in KB/s.
import { spawn } from "node:child_process"
import { once } from "node:events"
import * as fs from "node:fs"
import { setTimeout } from "node:timers/promises"

const [mode = "", torrent = "", dir = "", address = "", port = "", config = ""] = process.argv.slice(2)
const rpcPort = Number(port) + 1000
const pause = 50
const withPex = "TRANSMISSION_PEX" in process.env
const rate = Number(process.env["TRANSMISSION_RATE"] ?? 0)
const patience = withPex ? 4000 : 1200

fs.mkdirSync(config, { recursive: true })
fs.writeFileSync(
  `${config}/settings.json`,
  JSON.stringify({
    "bind-address-ipv4": address,
    "peer-port": Number(port),
    "rpc-port": rpcPort,
    "rpc-bind-address": address,
    "rpc-authentication-required": false,
    "rpc-whitelist-enabled": false,
    "dht-enabled": false,
    "lpd-enabled": false,
    "pex-enabled": withPex,
    "speed-limit-down": rate,
    "speed-limit-down-enabled": rate > 0,
    "speed-limit-up": rate,
    "speed-limit-up-enabled": rate > 0,
    "utp-enabled": false,
    "port-forwarding-enabled": false,
    "download-dir": dir,
    "incomplete-dir-enabled": false,
    "encryption": process.env["TRANSMISSION_ENCRYPTION"] === "required" ? 2 : 1
  })
)
// The daemon must not outlive this script, whatever ends it.
const daemon = spawn(
  "setpriv",
  ["--pdeathsig", "KILL", "transmission-daemon", "-f", "-g", config, "--log-info"],
  { stdio: "inherit" }
)
daemon.once("exit", (code) => process.exit(code ?? 1))

let session = ""
const call = async (method: string, args: object): Promise<Record<string, unknown>> => {
  for (let turn = 0; turn < patience; turn++) {
    const response = await fetch(`http://${address}:${rpcPort}/transmission/rpc`, {
      method: "POST",
      headers: { "X-Transmission-Session-Id": session },
      body: JSON.stringify({ method, arguments: args })
    }).catch(() => undefined)
    if (response?.ok === true) {
      const { arguments: answer, result } = await response.json() as {
        arguments: Record<string, unknown>
        result: string
      }
      if (result !== "success") throw new Error(`transmission: ${method}: ${result}`)
      return answer
    }
    session = response?.headers.get("X-Transmission-Session-Id") ?? session
    if (response?.status !== 409) await setTimeout(pause)
  }
  throw new Error(`transmission does not answer ${method}`)
}

interface Torrent {
  readonly status: number
  readonly leftUntilDone: number
  readonly uploadedEver: number
  readonly errorString: string
}
const seeding = 6
const fields = ["status", "leftUntilDone", "uploadedEver", "errorString"]
const said = new Set<string>()
const say = (word: string) => {
  if (!said.has(word)) console.log(word)
  said.add(word)
}

let complete = false
await call("torrent-add", { filename: torrent, "download-dir": dir })
if (mode === "leech") say("ready")
for (let turn = 0; turn < patience; turn++) {
  const { torrents } = await call("torrent-get", { fields }) as { torrents: Array<Torrent> }
  const [state] = torrents
  if (state === undefined) throw new Error("transmission lost the torrent")
  if (state.errorString !== "") say(`transmission reports: ${state.errorString}`)
  if (state.uploadedEver > 0) say("uploading")
  if (state.status === seeding && state.leftUntilDone === 0) {
    say("ready")
    complete = true
    if (mode === "leech") break
  }
  await setTimeout(pause)
}
if (mode === "leech") {
  if (!complete) throw new Error(`transmission is not done after ${patience * pause / 1000} s`)
  say("done")
  daemon.removeAllListeners("exit")
  await Promise.all([once(daemon, "exit"), call("session-close", {})])
  process.exit(0)
}
await once(daemon, "exit")
