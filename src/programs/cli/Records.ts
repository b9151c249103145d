/**
 * What `--json` prints: one JSON object per line (NDJSON), told apart by `type`. Sizes are bytes, rates bytes/s, `time`
 * is Unix time in ms, other times are ms. A key that has nothing to say is `null`, never absent.
 */
import * as Schema from "effect/Schema"
import * as BanCause from "../../domain/swarm/BanCause.ts"
import * as PeerState from "../../domain/swarm/PeerState.ts"
import * as StallCause from "../../domain/swarm/StallCause.ts"
import * as JsonLine from "./JsonLine.ts"

/** Bytes/s; fractions of one are nobody's concern. */
const Rate = Schema.Natural

const documented = <S extends Schema.Top>(schema: S, description: string) => schema.annotateKey({ description })

const time = documented(Schema.Natural, "When it happened, Unix time in ms")
const infoHash = documented(
  Schema.String,
  "SHA-1 of the info dictionary, 40 hex digits; of a torrent of version 2 alone, the first 40 of its SHA-256"
)
const infoHashV2 = documented(
  Schema.NullOr(Schema.String),
  "SHA-256 of the info dictionary, 64 hex digits; null: version 1 alone"
)
const ofAny = documented(
  Schema.NullOr(Schema.String),
  "The torrent it is about, 40 hex digits; null: none in particular"
)
const total = documented(Schema.Natural, "Bytes of the chosen files")
const done = documented(Schema.Natural, "Bytes of the chosen files that are verified and written")
const downloaded = documented(Schema.Natural, "Payload bytes received in this run")
const uploaded = documented(Schema.Natural, "Payload bytes sent in this run")
const ratio = documented(
  Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0)),
  "Bytes uploaded for each byte of the torrent"
)
const path = documented(Schema.String, "Where the payload lies")
const elapsed = documented(Schema.Natural, "Time since the start, ms")

const File = Schema.Struct({
  path: documented(Schema.String, "Below the download folder, parts separated by /"),
  length: documented(Schema.Natural, "Bytes"),
  pad: documented(Schema.Boolean, "A padding file: zeros that are never stored (BEP 47)")
})

const Metadata = Schema.Struct({
  type: Schema.tag("metadata"),
  time,
  infoHash,
  infoHashV2,
  name: documented(Schema.String, "Name of the file or of the top folder"),
  total: documented(Schema.Natural, "Bytes of all files, without padding"),
  pieceLength: documented(Schema.Natural, "Bytes of every piece but the last"),
  pieces: documented(Schema.Natural, "Number of pieces"),
  private: documented(Schema.Boolean, "Peers come from the torrent's own trackers alone (BEP 27)"),
  trackers: documented(Schema.Array(Schema.Array(Schema.String)), "Tiers of announce URLs (BEP 12)"),
  files: documented(Schema.Array(File), "In the order of the torrent, from which --select-file counts")
})

const Magnet = Schema.Struct({
  type: Schema.tag("magnet"),
  time,
  infoHash: documented(Schema.String, "The link's hash of version 1, or the first 40 digits of that of version 2"),
  infoHashV2: documented(
    Schema.NullOr(Schema.String),
    "The link's hash of version 2, 64 hex digits; null: it has none"
  ),
  name: documented(Schema.NullOr(Schema.String), "What the link calls the torrent; null: nothing"),
  state: documented(
    Schema.Literals(["metadata", "layers"]),
    "metadata: the info dictionary is fetched; layers: it is there, and piece hashes of version 2 are fetched"
  ),
  received: documented(Schema.Natural, "Bytes of the metadata that are there, of the attempt that has come furthest"),
  size: documented(Schema.NullOr(Schema.Natural), "Bytes that peers say the metadata has; null: nobody has told"),
  peers: documented(Schema.Natural, "Connected peers"),
  givers: documented(Schema.Natural, "Connected peers that say they have the metadata")
})

const Checking = Schema.Struct({
  type: Schema.tag("checking"),
  time,
  infoHash,
  checked: documented(Schema.Natural, "Bytes hashed"),
  total: documented(Schema.Natural, "Bytes to be hashed")
})

const Progress = Schema.Struct({
  type: Schema.tag("progress"),
  time,
  infoHash,
  done,
  total,
  down: documented(Rate, "Payload received, bytes/s"),
  up: documented(Rate, "Payload sent, bytes/s"),
  downloaded,
  uploaded,
  peers: documented(Schema.Natural, "Connected peers, seeds among them"),
  seeds: documented(Schema.Natural, "Connected peers that have everything"),
  webSeeds: documented(Schema.Natural, "Web seeds that data is fetched from; they are not among the peers"),
  eta: documented(Schema.NullOr(Schema.Natural), "Time left until complete, ms; null: unknown, or complete"),
  ratio
})

const Piece = Schema.Struct({
  type: Schema.tag("piece"),
  time,
  infoHash,
  index: documented(Schema.Natural, "From 0"),
  state: documented(Schema.Literals(["landed", "corrupt"]), "landed: verified and written; corrupt: the hash differs")
})

const Block = Schema.Struct({
  type: Schema.tag("block"),
  time,
  infoHash,
  piece: documented(Schema.Natural, "The piece that it is of, from 0"),
  index: documented(Schema.Natural, "Which 16 KiB of the piece, from 0"),
  state: documented(Schema.Literal("corrupt"), "Its own hash differs; it is fetched again"),
  address: documented(
    Schema.NullOr(Schema.String),
    "Who sent it; null: it was on the disk, or its sender left long ago"
  )
})

const Tracker = Schema.Struct({
  type: Schema.tag("tracker"),
  time,
  infoHash,
  url: documented(Schema.String, "Announce URL"),
  state: documented(Schema.Literals(["answered", "failed"]), "How the announce ended"),
  seeds: documented(Schema.NullOr(Schema.Natural), "Seeds in the swarm; null: not told"),
  leeches: documented(Schema.NullOr(Schema.Natural), "Leeches in the swarm; null: not told"),
  message: documented(Schema.NullOr(Schema.String), "Why it failed; null: it did not")
})

const WebSeed = Schema.Struct({
  type: Schema.tag("webSeed"),
  time,
  infoHash,
  url: documented(Schema.String, "Where it is, without user and password"),
  state: documented(
    Schema.Literals(["answered", "failed", "lacks", "dropped"]),
    "answered: it gives data; failed: it rests; lacks: it has not one of the files; dropped: it is not asked again"
  ),
  file: documented(Schema.NullOr(Schema.String), "The file that it lacks, parts of its path separated by /"),
  message: documented(Schema.NullOr(Schema.String), "Why; null: nothing is wrong"),
  retryIn: documented(Schema.NullOr(Schema.Natural), "When it is asked again, ms; null: it does not rest")
})

const Published = Schema.Struct({
  type: Schema.tag("published"),
  time,
  infoHash,
  url: documented(Schema.String, "Origin of the tracker"),
  state: documented(
    Schema.Literals(["added", "known", "failed"]),
    "added: it lists the torrent now; known: it did already; failed: it does not"
  ),
  name: documented(Schema.NullOr(Schema.String), "What it is listed as; null: it is not"),
  message: documented(Schema.NullOr(Schema.String), "Why it failed; null: it did not")
})

const Listening = Schema.Struct({
  type: Schema.tag("listening"),
  time,
  announce: documented(Schema.Array(Schema.String), "Announce URLs of a tracker that takes questions from now on"),
  page: documented(Schema.NullOr(Schema.String), "URL of its page; null: it speaks no HTTP"),
  worker: documented(Schema.NullOr(Schema.Natural), "Which of several processes it is; null: the only one")
})

const Saved = Schema.Struct({
  type: Schema.tag("saved"),
  time,
  infoHash,
  path: documented(Schema.String, "Where the .torrent of a link lies")
})

const Snapshot = Schema.Struct({
  type: Schema.tag("snapshot"),
  time,
  file: documented(Schema.String, "What a tracker reads when it is started again"),
  peers: documented(Schema.Natural, "Peers in it"),
  torrents: documented(Schema.Natural, "Torrents that have peers")
})

const Catalogue = Schema.Struct({
  type: Schema.tag("catalogue"),
  time,
  infoHash,
  infoHashV2,
  name: documented(Schema.String, "Name of the file or of the top folder"),
  state: documented(
    Schema.Literals(["published", "removed"]),
    "published: a tracker lists the torrent now; removed: it was taken back"
  ),
  from: documented(Schema.NullOr(Schema.String), "IP address of who did it; null: unknown")
})

const Reloaded = Schema.Struct({
  type: Schema.tag("reloaded"),
  time
})

export const Peer = Schema.Struct({
  type: Schema.tag("peer"),
  time,
  infoHash,
  address: documented(Schema.String, "192.0.2.1:6881 or [2001:db8::1]:6881"),
  state: documented(Schema.Literals(["connected", "introduced", "disconnected", "banned"]), "What became of it"),
  client: documented(Schema.NullOr(Schema.String), "What it says it runs, when introduced (BEP 10); null otherwise"),
  reason: documented(Schema.NullOr(Schema.String), "Why it is gone; null: it is not"),
  cipher: documented(
    Schema.NullOr(Schema.Literals(["none", "plaintext", "rc4"])),
    "When connected: none, not encrypted; plaintext, its handshake alone; rc4, all of it; null otherwise"
  ),
  cause: documented(Schema.NullOr(Schema.Literals(BanCause.TAGS)), "Why it is banned; null: it is not"),
  lasts: documented(Schema.NullOr(Schema.Natural), "How long the ban lasts, ms; null: for good, or there is none")
})

export type Peer = typeof Peer.Type

const stallCause = documented(Schema.NullOr(Schema.Literals(StallCause.TAGS)), "Why nothing comes; null: it does")
const next = documented(
  Schema.NullOr(Schema.Natural),
  "Until a tracker is asked again, ms; null: it is not, or no matter"
)

const Stalled = Schema.Struct({
  type: Schema.tag("stalled"),
  time,
  infoHash,
  state: documented(
    Schema.Literals(["stalled", "moving"]),
    "stalled: nothing came for 10 s, or the cause is another; moving: it goes on"
  ),
  cause: stallCause,
  message: documented(Schema.NullOr(Schema.String), "The cause in words; null: it goes on"),
  peers: documented(Schema.NullOr(Schema.Natural), "How many peers it is about; null: about none"),
  piece: documented(Schema.NullOr(Schema.Natural), "The piece that nobody has, from 0; null: another cause"),
  next
})

const StatusTracker = Schema.Struct({
  url: documented(Schema.String, "Announce URL"),
  state: documented(Schema.Literals(["ok", "warning", "error"]), "How the last announce ended"),
  message: documented(Schema.NullOr(Schema.String), "What it said; null: all is well"),
  peers: documented(Schema.Natural, "Peers that it named"),
  next
})

const StatusPeer = Schema.Struct({
  address: documented(Schema.String, "192.0.2.1:6881 or [2001:db8::1]:6881; of a web seed its URL"),
  client: documented(Schema.String, "Program and version, as it says or by its peer id (BEP 20)"),
  flags: documented(
    Schema.String,
    "D gives, d chokes us, U takes, u is choked by us, I has called us, S snubs us, P is on parole"
  ),
  pieces: documented(Schema.Natural, "That it has"),
  down: documented(Rate, "What it gives, bytes/s"),
  up: documented(Rate, "What it takes, bytes/s"),
  asked: documented(Schema.Natural, "Blocks asked of it"),
  window: documented(Schema.Natural, "Blocks that may be asked of it at once"),
  state: documented(Schema.Literals(PeerState.TAGS), "What goes on"),
  message: documented(Schema.String, "The same in words")
})

const Status = Schema.Struct({
  type: Schema.tag("status"),
  time,
  infoHash,
  state: documented(
    Schema.Literals(["Metadata", "Checking", "Downloading", "Stalled", "Done"]),
    "How the torrent stands"
  ),
  cause: stallCause,
  message: documented(Schema.String, "The same in words"),
  memory: documented(Schema.Natural, "Bytes of pieces under way, over all torrents"),
  memoryLimit: documented(Schema.Natural, "The most there may be"),
  known: documented(Schema.Natural, "Addresses of peers that are known"),
  banned: documented(Schema.Natural, "Peers that are banned at present"),
  trackers: documented(Schema.Array(StatusTracker), "Those that were asked"),
  peers: documented(Schema.Array(StatusPeer), "Those that are connected, and every connection to a web seed")
})

const SuperSeed = Schema.Struct({
  type: Schema.tag("superSeed"),
  time,
  infoHash,
  state: documented(Schema.Literal("ended"), "Peers are served as usual from here on"),
  reason: documented(
    Schema.Literals(["AnotherSeed", "EnoughCopies"]),
    "AnotherSeed: a peer has everything; EnoughCopies: every piece is with two peers"
  )
})

const Warning = Schema.Struct({
  type: Schema.tag("warning"),
  time,
  infoHash: ofAny,
  message: documented(Schema.String, "One line; the program goes on")
})

const Failure = Schema.Struct({
  type: Schema.tag("error"),
  time,
  infoHash: ofAny,
  message: documented(Schema.String, "One line; the program ends"),
  exitCode: documented(Schema.Natural, "With which the program will exit")
})

const Complete = Schema.Struct({
  type: Schema.tag("complete"),
  time,
  infoHash,
  path,
  total,
  elapsed
})

const Connections = Schema.Struct({
  none: documented(Schema.Natural, "Not encrypted"),
  plaintext: documented(Schema.Natural, "Encrypted in their handshake alone"),
  rc4: documented(Schema.Natural, "Encrypted")
})

const Summary = Schema.Struct({
  type: Schema.tag("summary"),
  time,
  infoHash,
  infoHashV2,
  path,
  done,
  total,
  downloaded,
  uploaded,
  down: documented(Rate, "Mean rate until the last piece, bytes/s"),
  ratio,
  blocked: documented(Schema.Natural, "Hosts that a blocklist kept away: not called, or hung up on"),
  elapsed,
  connections: documented(Connections, "Connections that were made in this run"),
  exitCode: documented(Schema.Natural, "With which the program will exit")
})

const LeftOut = Schema.Struct({
  path: documented(Schema.String, "Below the folder, parts separated by /"),
  why: documented(
    Schema.Literals(["Junk", "Hidden", "Excluded", "Link", "Special"]),
    "Junk: left by a desktop; Link: a symbolic link; Special: no regular file"
  )
})

const ofVersion = (version: number) => `of version ${version}; null: it is not of that version, or not made`

const Created = Schema.Struct({
  type: Schema.tag("created"),
  time,
  infoHash: documented(Schema.NullOr(Schema.String), `SHA-1 of the info dictionary, 40 hex digits, ${ofVersion(1)}`),
  infoHashV2: documented(
    Schema.NullOr(Schema.String),
    `SHA-256 of the info dictionary, 64 hex digits, ${ofVersion(2)}`
  ),
  path: documented(Schema.NullOr(Schema.String), "Where the torrent was written; null: it was not"),
  magnet: documented(Schema.NullOr(Schema.String), "A link to the torrent; null: it was not made"),
  name: documented(Schema.String, "Name of the file or of the top folder"),
  version: documented(Schema.Literals(["1", "2", "hybrid"]), "Of the torrent (BEP 3, BEP 52)"),
  total: documented(Schema.Natural, "Bytes of all files"),
  pieceLength: documented(Schema.Natural, "Bytes of every piece but the last"),
  pieces: documented(Schema.Natural, "Number of pieces"),
  files: documented(Schema.Natural, "Number of files"),
  leftOut: documented(Schema.Array(LeftOut), "Files and folders that are not in it"),
  warnings: documented(Schema.Array(Schema.String), "What is allowed but seldom meant, a line each")
})

export const Record = Schema.Union([
  Created,
  Magnet,
  Metadata,
  Checking,
  Progress,
  Piece,
  Block,
  Tracker,
  WebSeed,
  Published,
  Listening,
  Catalogue,
  Reloaded,
  Saved,
  Snapshot,
  Peer,
  SuperSeed,
  Stalled,
  Status,
  Warning,
  Failure,
  Complete,
  Summary
]).pipe(Schema.toTaggedUnion("type"))

export type Record = typeof Record.Type

const Line = Schema.fromJsonString(Record)

const encodeLine = Schema.encodeSync(Line)

/** One line of printable JSON, without its end of line. A number that its field forbids is a defect and throws. */
export const encode = (record: Record): string => JsonLine.printable(encodeLine(record))

/** Reads one line, as a program that watches would; throws on what is no record. */
export const decode: (line: string) => Record = Schema.decodeSync(Line)
