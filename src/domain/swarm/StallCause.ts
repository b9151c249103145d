/** Why nothing comes, though something is missing. */
import * as ByteCount from "../ByteCount.ts"
import * as Duration from "../Duration.ts"

export type StallCause =
  /** Nobody was named to us; when a tracker will be asked again (ms), if one will. */
  | { readonly _tag: "NoPeersKnown"; readonly trackers: number; readonly nextInMs: number | undefined }
  /** Nobody is connected, and all trackers fail or warn. */
  | { readonly _tag: "TrackerSays"; readonly message: string; readonly nextInMs: number | undefined }
  /** Peers are being called, and none has failed yet. */
  | { readonly _tag: "Connecting"; readonly peers: number }
  /** All calls came to nothing, mostly for this reason. */
  | { readonly _tag: "NobodyAnswers"; readonly tried: number; readonly refusal: string | undefined }
  /** All that were named are banned. */
  | { readonly _tag: "OnlyBadPeers"; readonly banned: number }
  /** All that are to be called are on the blocklist. */
  | { readonly _tag: "OnlyBlocked"; readonly peers: number }
  /** Of the pieces that are missing, nobody connected has this one (from 0) and so many others. */
  | { readonly _tag: "NobodyHas"; readonly piece: number; readonly others: number; readonly peers: number }
  | { readonly _tag: "AllChoke"; readonly peers: number }
  /** Peers were asked and send nothing. */
  | { readonly _tag: "WaitingForPeers"; readonly peers: number; readonly blocks: number }
  /** Pieces wait to be hashed and written, and memory for more is not there, or nothing else is missing. */
  | { readonly _tag: "DiskBehind"; readonly pieces: number }
  /** Other torrents, or pieces whose peers have left, have all of the memory (bytes) for pieces under way. */
  | { readonly _tag: "MemorySpent"; readonly limit: number }
  /** Bytes/s. */
  | { readonly _tag: "DownloadLimit"; readonly rate: number }
  /** Of a magnet link: nobody connected says that it has the metadata. */
  | { readonly _tag: "NobodyHasMetadata"; readonly peers: number }
  /** What is claimed of the metadata's size (bytes) is more than is taken. */
  | { readonly _tag: "MetadataTooLarge"; readonly size: number }
  /** Peers that have the metadata were asked. */
  | { readonly _tag: "WaitingForMetadata"; readonly peers: number }
  /** The metadata is there, and nobody connected gives the piece hashes of version 2. */
  | { readonly _tag: "WaitingForHashes"; readonly peers: number }

export type Tag = StallCause["_tag"]

export const TAGS = [
  "NoPeersKnown",
  "TrackerSays",
  "Connecting",
  "NobodyAnswers",
  "OnlyBadPeers",
  "OnlyBlocked",
  "NobodyHas",
  "AllChoke",
  "WaitingForPeers",
  "DiskBehind",
  "MemorySpent",
  "DownloadLimit",
  "NobodyHasMetadata",
  "MetadataTooLarge",
  "WaitingForMetadata",
  "WaitingForHashes"
] as const satisfies ReadonlyArray<Tag>

const many = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`

const soon = (ms: number | undefined): string =>
  ms === undefined || ms === Infinity
    ? ""
    : `; asked again in ${Duration.text(Math.max(1, Math.ceil(ms / 1000)) * 1000)}`

/** A web seed could help. */
const ASK_FOR_OTHERS: ReadonlySet<Tag> = new Set<Tag>([
  "NoPeersKnown",
  "TrackerSays",
  "Connecting",
  "NobodyAnswers",
  "OnlyBadPeers",
  "OnlyBlocked",
  "NobodyHas"
])

/**
 * One line, as the end of "nothing comes: ".
 *
 * @param webTrouble what is wrong with the web seed that failed last
 */
export const text = (cause: StallCause, webTrouble?: string): string => {
  if (webTrouble === undefined || !ASK_FOR_OTHERS.has(cause._tag)) return wordsOf(cause)
  return cause._tag === "NoPeersKnown" && cause.trackers === 0 ? webTrouble : `${wordsOf(cause)}; ${webTrouble}`
}

const wordsOf = (cause: StallCause): string => {
  switch (cause._tag) {
    case "NoPeersKnown":
      return cause.trackers === 0
        ? "no peer is known, and there is no tracker to ask"
        : `no tracker knows a peer${soon(cause.nextInMs)}`
    case "TrackerSays":
      return `no peer is known; ${cause.message}${soon(cause.nextInMs)}`
    case "Connecting":
      return `calling ${many(cause.peers, "peer")}`
    case "NobodyAnswers":
      return `${cause.tried === 1 ? "the only peer tried does not answer" : `none of ${cause.tried} peers answers`}${
        cause.refusal === undefined ? "" : `: ${cause.refusal}`
      }`
    case "OnlyBadPeers":
      return cause.banned === 1 ? "the only peer known is banned" : `all ${cause.banned} peers known are banned`
    case "OnlyBlocked":
      return cause.peers === 1
        ? "the only peer known is on the blocklist"
        : `all ${cause.peers} peers known are on the blocklist`
    case "NobodyHas":
      return `${
        cause.peers === 1 ? "the only peer does not have" : `none of ${cause.peers} peers has`
      } piece ${cause.piece}${cause.others === 0 ? "" : ` and ${many(cause.others, "other")}`}`
    case "AllChoke":
      return cause.peers === 1 ? "the only peer with what is missing chokes us" : `all ${cause.peers} peers choke us`
    case "WaitingForPeers":
      return cause.blocks === 0
        ? `${many(cause.peers, "peer")} that ${cause.peers === 1 ? "lets us ask sends" : "let us ask send"} nothing`
        : `${many(cause.peers, "peer")} asked for ${many(cause.blocks, "block")} ${
          cause.peers === 1 ? "sends" : "send"
        } nothing`
    case "DiskBehind":
      return `the disk is behind: ${many(cause.pieces, "piece")} to be checked and written`
    case "MemorySpent":
      return `no memory is free for another piece, of ${ByteCount.bytes(cause.limit)} for those under way`
    case "DownloadLimit":
      return `the download limit of ${ByteCount.rate(cause.rate)}`
    case "NobodyHasMetadata":
      return cause.peers === 1 ? "the only peer has no metadata" : `none of ${cause.peers} peers has the metadata`
    case "MetadataTooLarge":
      return `metadata of ${ByteCount.bytes(cause.size)} is over the limit`
    case "WaitingForMetadata":
      return `${many(cause.peers, "peer")} with the metadata ${cause.peers === 1 ? "sends" : "send"} nothing`
    case "WaitingForHashes":
      return `none of ${many(cause.peers, "peer")} gives the piece hashes of version 2`
  }
}
