/** The options of the programs, by the names that aria2's users know. Every value is checked here, once. */
import * as Argument from "effect/cli/Argument"
import * as CliError from "effect/cli/CliError"
import * as Flag from "effect/cli/Flag"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Glob from "../../domain/Glob.ts"
import * as Host from "../../domain/Host.ts"
import * as PeerAddress from "../../domain/PeerAddress.ts"
import * as PieceLength from "../../domain/PieceLength.ts"
import * as Proxy from "../../domain/Proxy.ts"
import * as SeedUrl from "../../domain/webseed/SeedUrl.ts"
import { MAX_PEERS } from "../../services/torrent/TorrentOptions.ts"
import * as Encryption from "./Encryption.ts"

/** A flag whose text is read by `read`; `undefined` means that it is wrong, and `expected` says what would be right. */
export const parsed = <A>(
  name: string,
  metavar: string,
  expected: string,
  read: (text: string) => A | undefined,
  visible = (text: string): string => text
) =>
  Flag.String(name).pipe(
    Flag.withMetavar(metavar),
    Flag.mapEffect((text) => {
      const value = read(text)
      return value === undefined
        ? new CliError.InvalidValue({ option: name, value: visible(text), expected, kind: "flag" })
        : Effect.succeed(value)
    })
  )

/** Names that other programs of the field have for a flag. */
export const alsoCalled = (...names: ReadonlyArray<string>) => <A>(flag: Flag.Flag<A>): Flag.Flag<A> =>
  names.reduce((flag, name) => Flag.withAlias(flag, name), flag)

export const wholeNumber = (least: number, most: number) => (text: string): number | undefined => {
  const value = Number(text)
  return /^\d{1,10}$/.test(text) && value >= least && value <= most ? value : undefined
}

const number = (text: string): number | undefined => /^\d+(\.\d+)?$/.test(text) ? Number(text) : undefined

const UNITS: Readonly<Record<string, number>> = { "": 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 }

/** `500K`, `2M`, `1.5M` or plain bytes; K is 1024. */
export const parseSize = (text: string): number | undefined => {
  const match = /^(\d+(?:\.\d+)?)([KMG]?)(?:i?B)?$/i.exec(text)
  return match === null ? undefined : Math.floor(Number(match[1]) * UNITS[match[2]!.toUpperCase()]!)
}

/** `1-3,7`: numbers from 1 on, as `--show-files` prints them, to indices from 0 on. */
export const parseSelection = (text: string): ReadonlySet<number> | undefined => {
  const chosen = new Set<number>()
  for (const part of text.split(",")) {
    const match = /^(\d{1,7})(?:-(\d{1,7}))?$/.exec(part.trim())
    if (match === null) return undefined
    const from = Number(match[1])
    const to = Number(match[2] ?? match[1])
    if (from < 1 || to < from || to - from > 1_048_576) return undefined
    for (let file = from; file <= to; file++) chosen.add(file - 1)
  }
  return chosen
}

const address = (text: string): PeerAddress.PeerAddress | undefined => PeerAddress.make(text, 1)

export const webUrl = (text: string): string | undefined =>
  URL.canParse(text) && /^https?:$/.test(new URL(text).protocol) ? text : undefined

const blocklist = (text: string): string | undefined =>
  /^[a-z][a-z\d+.-]+:\/\//i.test(text) ? webUrl(text) : text === "" ? undefined : text

/** Of RFC 6750, and what else a header can hold. */
const token = (text: string): string | undefined => /^[\x21-\x7e]{1,1024}$/.test(text) ? text : undefined

/** People leave out the path; over HTTP it is nearly always the same. */
export const trackerUrl = (text: string): string | undefined => {
  if (!URL.canParse(text)) return undefined
  const { pathname, protocol, search } = new URL(text)
  if (protocol === "udp:") return text
  if (protocol !== "http:" && protocol !== "https:") return undefined
  return pathname === "/" && search === "" ? new URL("/announce", text).href : text
}

/** Browsers announce over WebSocket: such a tracker is of no use to us, but to others who read the torrent. */
const announceUrl = (text: string): string | undefined =>
  trackerUrl(text) ?? (URL.canParse(text) && /^wss?:$/.test(new URL(text).protocol) ? text : undefined)

/** A tier of BEP 12, for those who write a torrent. */
export const tier = (text: string): ReadonlyArray<string> | undefined => {
  const urls = text.split(",").map((url) => announceUrl(url.trim()))
  return urls.every((url) => url !== undefined) ? urls : undefined
}

/** At most one address for each family. */
const onePerFamily = (addresses: ReadonlyArray<PeerAddress.PeerAddress>) =>
  new Set(addresses.map(({ family }) => family)).size === addresses.length
    ? Effect.succeed(addresses)
    : new CliError.InvalidValue({
      option: "bind",
      value: addresses.map(({ host }) => host).join(", "),
      expected: "one address for each of IPv4 and IPv6",
      kind: "flag"
    })

const limit = (name: string, what: string) =>
  parsed(name, "SPEED", "a speed like 500K or 2M; 0 is no limit", parseSize).pipe(
    Flag.withDescription(`${what}, like 500K or 2M a second (K is 1024; default: no limit)`),
    Flag.map((rate) => rate === 0 ? Infinity : rate),
    Flag.withDefault(Infinity)
  )

export const off = (name: string, description: string) =>
  Flag.Boolean(name).pipe(
    // Else `--quiet yes` would take a torrent called `yes` for its value.
    Flag.withOptionalValue("true"),
    Flag.withDescription(description),
    Flag.withDefault(false)
  )

export const maxTorrentSize = parsed("max-torrent-size", "SIZE", "a size like 64M", parseSize).pipe(
  Flag.withDescription("the largest .torrent taken (default: 64M)"),
  Flag.withDefault(64 * 1024 * 1024)
)

export const quiet = off("quiet", "show no progress").pipe(Flag.withAlias("q"))

export const summaryInterval = parsed(
  "summary-interval",
  "SEC",
  "a number of seconds, at least 1",
  wholeNumber(1, 86_400)
).pipe(
  Flag.withDescription("seconds between progress lines where stderr is no terminal (default: 10)"),
  Flag.withDefault(10)
)

const PROXIES = "a URL like socks5://127.0.0.1:1080 or http://user:password@host:3128"

/**
 * The environment's `all_proxy` and its like are not heeded: they stand for some protocols and are full of exceptions, and
 * half a proxy is worse than none. The variable of our own keeps a password out of the list of processes.
 */
export const proxy = Flag.String("proxy").pipe(
  Flag.withMetavar("URL"),
  alsoCalled("all-proxy"),
  Flag.withDescription(
    "go through this proxy, socks5:// or http://, with everything or not at all; no listener (default: $FRESHET_PROXY)"
  ),
  Flag.withFallbackConfig(Config.String("FRESHET_PROXY")),
  Flag.mapEffect((text) => {
    const value = Proxy.parse(text)
    return value === undefined
      ? new CliError.InvalidValue({ option: "proxy", value: Proxy.conceal(text), expected: PROXIES, kind: "flag" })
      : Effect.succeed(value)
  }),
  Flag.optional
)

const dir = (what: string) =>
  Flag.String("dir").pipe(
    alsoCalled("d", "w", "download-dir"),
    Flag.withMetavar("DIR"),
    Flag.withDescription(`${what} (default: the current one)`),
    Flag.withDefault(".")
  )

/** What `leech` and `seed` share. */
const common = {
  dir: dir("the folder that the files are in"),
  bind: parsed("bind", "ADDR", "an IP address", address).pipe(
    alsoCalled("interface", "listen-ip"),
    Flag.withDescription("local address of everything: listener, dials, announces; one per family (default: all)"),
    Flag.atLeast(0),
    Flag.mapEffect(onePerFamily)
  ),
  listenPort: parsed("listen-port", "N", "a port from 0 to 65535", wholeNumber(0, 65_535)).pipe(
    alsoCalled("p", "port", "peer-port", "torrent-port"),
    Flag.withDescription("the port to listen on, 0 for any (default: the first free one of 6881-6889)"),
    Flag.optional
  ),
  proxy,
  blocklist: parsed("blocklist", "FILE|URL", "a file or an http(s) URL", blocklist).pipe(
    alsoCalled("b"),
    Flag.withDescription(
      "talk to no peer at its addresses: P2P, DAT, CIDR or plain ranges, also as gzip; may be repeated"
    ),
    Flag.atLeast(0)
  ),
  peer: parsed("peer", "HOST:PORT", "an address like host:6881, 192.0.2.1:6881 or [2001:db8::1]:6881", Host.parse)
    .pipe(
      alsoCalled("initial-peers"),
      Flag.withDescription("a peer to connect to; may be repeated"),
      Flag.atLeast(0)
    ),
  tracker: parsed("tracker", "URL", "a tracker's URL like http://host:6969/announce", trackerUrl).pipe(
    alsoCalled("t", "a", "announce", "bt-tracker"),
    Flag.withDescription("a tracker to ask besides the torrent's own; may be repeated"),
    Flag.atLeast(0)
  ),
  noTracker: off("no-tracker", "ask no tracker at all"),
  noPex: off("no-pex", "tell peers of no peers, and heed none of whom they tell (private torrents never do)"),
  maxPeers: parsed("max-peers", "N", "a number from 1 to 10000", wholeNumber(1, 10_000)).pipe(
    alsoCalled("bt-max-peers"),
    Flag.withDescription(`connected peers at the most (default: ${MAX_PEERS})`),
    Flag.withDefault(MAX_PEERS)
  ),
  maxUploads: parsed("max-uploads", "N", "a number from 0 to 1000", wholeNumber(0, 1000)).pipe(
    Flag.withDescription("peers served at once; grows while upload capacity stands unused (default: 8)"),
    Flag.withDefault(8)
  ),
  maxDownload: limit("max-download-limit", "download at the most").pipe(
    alsoCalled("max-overall-download-limit", "download-limit", "downlimit", "ratelimit-download")
  ),
  maxUpload: limit("max-upload-limit", "upload at the most").pipe(
    alsoCalled("u", "max-overall-upload-limit", "upload-limit", "uplimit", "ratelimit-upload")
  ),
  encryption: parsed("encryption", "HOW", "require, prefer, allow or off", Encryption.parse).pipe(
    alsoCalled("e"),
    Flag.withDescription(
      "encrypted connections: require (RC4 or nothing), prefer, allow (once a plain call is refused), off (default: allow)"
    ),
    Flag.withDefault("allow")
  ),
  checkIntegrity: off("check-integrity", "hash all existing files, whatever the resume record says").pipe(
    Flag.withAlias("V")
  ),
  seedTime: parsed("seed-time", "MIN", "a number of minutes", number).pipe(
    Flag.withDescription("share for so many minutes once all is there; 0 is for ever"),
    Flag.optional
  ),
  seedRatio: parsed("seed-ratio", "R", "a ratio like 1.5", number).pipe(
    Flag.withDescription("share until uploaded / size reaches this; 0 is for ever"),
    Flag.optional
  ),
  stateDir: Flag.String("state-dir").pipe(
    Flag.withMetavar("DIR"),
    Flag.withDescription("where resume records are kept (default: $XDG_STATE_HOME/freshet)"),
    Flag.optional
  ),
  maxTorrentSize,
  json: off("json", "write records of what happens to stdout, one JSON object a line"),
  quiet,
  summaryInterval
}

export const leech = {
  torrent: Argument.String("torrent").pipe(
    Argument.withDescription(
      "a .torrent file, - for one on stdin, its http(s) URL, a magnet link or an info hash; with --from its name"
    )
  ),
  ...common,
  dir: dir("the folder to put the files in"),
  from: parsed("from", "URL", "a tracker's address like http://host:6969", webUrl).pipe(
    Flag.withDescription("find the torrent by its name, or the beginning of it, at this tracker"),
    Flag.optional
  ),
  selectFile: parsed("select-file", "LIST", "a list of file numbers like 1-3,7", parseSelection).pipe(
    alsoCalled("s", "select"),
    Flag.withDescription("fetch these files only, by the numbers of --show-files, like 1-3,7"),
    Flag.optional
  ),
  metadataOnly: off("metadata-only", "of a magnet link, write the .torrent into --dir and exit").pipe(
    alsoCalled("bt-metadata-only")
  ),
  saveMetadata: Flag.String("save-metadata").pipe(
    Flag.withMetavar("FILE"),
    Flag.withDescription("where to write the .torrent of a magnet link, - for stdout"),
    Flag.optional
  ),
  /** What aria2 calls so: the place is not to be named. */
  keepMetadata: off("bt-save-metadata", "of a magnet link, write the .torrent into --dir, and go on").pipe(
    Flag.withHidden
  ),
  showFiles: off("show-files", "list the files of the torrent and exit").pipe(alsoCalled("S", "l", "list")),
  webSeed: parsed("web-seed", "URL", "an http(s) address like http://host/files/", webUrl, SeedUrl.hidden).pipe(
    alsoCalled("webseed"),
    Flag.withDescription("a web server to fetch from besides the torrent's own (BEP 19); may be repeated"),
    Flag.atLeast(0)
  ),
  noWebseed: off("no-webseed", "do not fetch from the torrent's own web seeds").pipe(alsoCalled("no-web-seed")),
  sequential: off("sequential", "fetch pieces in order instead of rarest first").pipe(
    alsoCalled("sequential-download")
  ),
  keepSeeding: off("keep-seeding", "stay and share when all is there"),
  allowOverwrite: off("allow-overwrite", "write over files that are not this torrent's"),
  onComplete: Flag.String("on-complete").pipe(
    alsoCalled("f", "on-done", "on-bt-download-complete", "on-download-complete"),
    Flag.withMetavar("CMD"),
    Flag.withDescription("run this when all is there; no shell, TR_TORRENT_* in its environment"),
    Flag.optional
  ),
  stopTimeout: parsed("stop-timeout", "SEC", "a number of seconds, at least 1", wholeNumber(1, 31_536_000)).pipe(
    alsoCalled("bt-stop-timeout"),
    Flag.withDescription("give up when nothing came for so long"),
    Flag.optional
  )
}

/** What `seed` and `create` share. */
export const making = {
  exclude: parsed("exclude", "GLOB", "a pattern like *.part or cache/**", Glob.compile).pipe(
    alsoCalled("x"),
    Flag.withDescription(
      "leave out files and folders that are called so; with a slash: that lie there; may be repeated"
    ),
    Flag.atLeast(0)
  ),
  includeHidden: off("include-hidden", "take files and folders whose names begin with a dot"),
  v2: off("v2", "make a version 2 torrent (BEP 52): hashed by 16 KiB, fewer clients read it"),
  hybrid: off("hybrid", "make a torrent of versions 1 and 2 in one"),
  pieceLength: parsed("piece-length", "SIZE", "a multiple of 16K up to 64M", (text) => {
    const size = parseSize(text)
    return size !== undefined && PieceLength.isPossible(size, false) ? size : undefined
  }).pipe(
    Flag.withDescription("bytes of a piece, like 256K; for version 2 a power of two (default: by the size of it all)"),
    Flag.optional
  ),
  comment: Flag.String("comment").pipe(
    Flag.withMetavar("TEXT"),
    Flag.withDescription("a comment for the torrent that is made"),
    Flag.optional
  )
}

export const seed = {
  source: Argument.String("source").pipe(
    Argument.withDescription("a .torrent file, or a file or folder to make a torrent of and share")
  ),
  ...common,
  saveTorrent: Flag.String("save-torrent").pipe(
    Flag.withMetavar("FILE"),
    alsoCalled("o"),
    Flag.withDescription("where to write the torrent that is made of a file or folder"),
    Flag.optional
  ),
  ...making,
  publish: off("publish", "list the torrent at each http(s) --tracker, for leech --from to find it by name"),
  publishToken: parsed("publish-token", "TOKEN", "a token without spaces", token, () => "***").pipe(
    Flag.withDescription("what the tracker wants of those who publish (default: $FRESHET_PUBLISH_TOKEN)"),
    Flag.withFallbackConfig(Config.String("FRESHET_PUBLISH_TOKEN")),
    Flag.optional
  ),
  private: off("private", "make a private torrent (BEP 27)"),
  super: off(
    "super",
    "super-seed (BEP 16): show each peer one piece at a time until the swarm has a copy or two; for the first seed"
  ).pipe(alsoCalled("super-seeding"))
}

/** The values of a set of flags. */
export type Values<Config> = { readonly [K in keyof Config]: Value<Config[K]> }
type Value<P> = P extends Flag.Flag<infer A> ? A : P extends Argument.Argument<infer A> ? A : never

export type LeechOptions = Values<typeof leech>
export type SeedOptions = Values<typeof seed>
export type CommonOptions = Values<typeof common>
