/**
 * A table of swarms as bytes, in frames of some 128 KiB: a table of a million peers is written and read piece by piece.
 * Every frame carries its number and a checksum, so what is missing, damaged or out of order is known, and what comes before
 * it is still good.
 *
 * ```
 * frame     uint32 length of the content, uint32 number from 0, content, SHA-1 of all before
 * first     "freshsws", uint32 version, 32 bytes connection key
 * others    torrents, end to end:
 *             info hash 20, completed uint32, a seed was last heard float64 (NaN for never), peers uint32, and each of them:
 *               traits byte (2 bits role, 4 completed is counted, 8 IPv6, 16 key), id 20, address 6 or 18, over at uint32
 *               seconds, key uint32 where it has one
 * last      no content
 * ```
 *
 * Integers are big-endian, times milliseconds unless it says seconds. A torrent may come in several parts.
 */
import * as Result from "effect/Result"
import * as Bytes from "../Bytes.ts"
import * as Digest from "../Digest.ts"
import * as InfoHash from "../InfoHash.ts"
import { KEY_BYTES } from "./ConnectionIds.ts"
import * as PeerClass from "./PeerClass.ts"
import type { SwarmTable } from "./SwarmTable.ts"
import type { Torrent } from "./Torrents.ts"

const MAGIC = Bytes.fromUtf8("freshsws")
const VERSION = 2
/** The last version without keys, which is read too. */
const KEYLESS = 1
const HEAD = 12 + KEY_BYTES

const FRAME_HEAD = 8
const TORRENT_HEAD = InfoHash.BYTES + 4 + 8 + 4
const ENTRY4 = 1 + 20 + 6 + 4
const ENTRY6 = ENTRY4 + 12
const KEY_SIZE = 4
const LARGEST = ENTRY6 + KEY_SIZE

const ROLE = 3
const FINISHED = 4
const IPV6 = 8
const KEYED = 16

/** Content of one frame: some 4000 peers, which are packed in 1 ms and read in 4. */
const CONTENT = 128 * 1024

/** No frame is longer. */
export const MAX_FRAME = FRAME_HEAD + CONTENT + Digest.SHA1_BYTES

export interface Head {
  readonly connectionKey: Uint8Array
}

/** A buffer for one frame after another. */
class Frame {
  readonly bytes = new Uint8Array(MAX_FRAME)
  readonly view = new DataView(this.bytes.buffer)
  end = FRAME_HEAD
  private number = 0

  get room(): number {
    return FRAME_HEAD + CONTENT - this.end
  }

  get isEmpty(): boolean {
    return this.end === FRAME_HEAD
  }

  /** The finished frame, a copy; the next one begins. */
  seal(): Uint8Array<ArrayBuffer> {
    this.view.setUint32(0, this.end - FRAME_HEAD)
    this.view.setUint32(4, this.number++)
    this.bytes.set(Digest.sha1(this.bytes.subarray(0, this.end)), this.end)
    const sealed = this.bytes.slice(0, this.end + Digest.SHA1_BYTES)
    this.end = FRAME_HEAD
    return sealed
  }
}

const packHead = (frame: Frame, head: Head): void => {
  frame.bytes.set(MAGIC, frame.end)
  frame.view.setUint32(frame.end + 8, VERSION)
  frame.bytes.set(head.connectionKey, frame.end + 12)
  frame.end += HEAD
}

/** Packs peers from `from` on while there is room, and says where it ended. */
const packTorrent = (frame: Frame, { peers, pools, torrents }: SwarmTable, torrent: Torrent, from: number): number => {
  const { bytes, end: start, view } = frame
  let at = start + TORRENT_HEAD
  let place = from
  for (const full = FRAME_HEAD + CONTENT - LARGEST; place < torrent.size && at <= full; place++) {
    const slot = pools.slotAt(torrent, place)
    const kind = peers.kind(slot)
    const size = PeerClass.isIpv4(kind) ? ENTRY4 : ENTRY6
    const key = peers.peerKey(slot)
    bytes[at] = PeerClass.roleOf(kind) | (peers.isFinished(slot) ? FINISHED : 0) | (size === ENTRY6 ? IPV6 : 0) |
      (key === 0 ? 0 : KEYED)
    peers.copyId(slot, bytes, at + 1)
    peers.copyAddress(slot, size - 25, bytes, at + 21)
    view.setUint32(at + size - 4, peers.expiry(slot))
    at += size
    if (key === 0) continue
    view.setUint32(at, key)
    at += KEY_SIZE
  }
  torrents.copyHash(torrent, bytes, start)
  view.setUint32(start + 20, torrent.completed)
  view.setFloat64(start + 24, torrent.lastSeedAt ?? Number.NaN)
  view.setUint32(start + 32, place - from)
  frame.end = at
  return place
}

/** Packs a torrent in parts of at least half a frame, or whole, as long as the table knows it. */
const parts = function*(frame: Frame, table: SwarmTable, torrent: Torrent): Generator<Uint8Array<ArrayBuffer>, void> {
  let place = 0
  do {
    const need = TORRENT_HEAD + LARGEST * Math.min(torrent.size - place, CONTENT / LARGEST / 2)
    if (frame.room < need) yield frame.seal()
    if (table.torrents.at(torrent.number) !== torrent) return
    place = packTorrent(frame, table, torrent, place)
  } while (place < torrent.size)
}

/**
 * The frames of a table. It may change between two of them: a torrent is packed whole where it fits in half a frame, and of
 * a larger one peers that change their place meanwhile may be missing, until their next announce.
 */
export const frames = function*(table: SwarmTable, head: Head): Generator<Uint8Array<ArrayBuffer>, void> {
  const frame = new Frame()
  packHead(frame, head)
  yield frame.seal()
  for (let number = 0; number < table.torrents.numbers; number++) {
    const torrent = table.torrents.at(number)
    if (torrent !== undefined) yield* parts(frame, table, torrent)
  }
  if (!frame.isEmpty) yield frame.seal()
  yield frame.seal()
}

/** The length of a frame from its first 4 bytes; `undefined` when no frame is so long. */
export const frameLength = (head: Uint8Array): number | undefined => {
  const content = Bytes.readUint32(head, 0)
  return content <= CONTENT ? FRAME_HEAD + content + Digest.SHA1_BYTES : undefined
}

/** The content of a whole frame, if it is the one with this number. */
export const open = (frame: Uint8Array, number: number): Uint8Array | undefined => {
  const end = frame.length - Digest.SHA1_BYTES
  return end >= FRAME_HEAD && Bytes.readUint32(frame, 4) === number &&
      Bytes.equals(Digest.sha1(frame.subarray(0, end)), frame.subarray(end))
    ? frame.subarray(FRAME_HEAD, end)
    : undefined
}

/** Reads the first frame's content; the failure is what to tell the user after the name of the file. */
export const decodeHead = (content: Uint8Array): Result.Result<Head, string> => {
  if (content.length !== HEAD || !Bytes.equals(content.subarray(0, MAGIC.length), MAGIC)) {
    return Result.fail("is not a snapshot of swarms")
  }
  const view = new DataView(content.buffer, content.byteOffset, content.length)
  const version = view.getUint32(8)
  if (version !== VERSION && version !== KEYLESS) {
    return Result.fail(`is of version ${version}, which this program does not know`)
  }
  return Result.succeed({ connectionKey: content.slice(12) })
}

/**
 * Takes the torrents of a frame into a table, without the peers whose time is over, as far as the table has room. False
 * when the content makes no sense; what came before that is in the table. {@link SwarmTable.settle} has to follow the last.
 */
export const restore = (content: Uint8Array, table: SwarmTable, now: number): boolean => {
  const view = new DataView(content.buffer, content.byteOffset, content.length)
  let at = 0
  while (at < content.length) {
    if (content.length - at < TORRENT_HEAD) return false
    const lastSeedAt = view.getFloat64(at + 24)
    const torrent = table.recall(
      content.subarray(at, at + InfoHash.BYTES),
      view.getUint32(at + 20),
      Number.isNaN(lastSeedAt) ? undefined : lastSeedAt
    )
    let left = view.getUint32(at + 32)
    for (at += TORRENT_HEAD; left > 0; left--) {
      const traits = content[at] ?? 0
      const size = (traits & IPV6) === 0 ? ENTRY4 : ENTRY6
      const end = at + size + ((traits & KEYED) === 0 ? 0 : KEY_SIZE)
      if (end > content.length || (traits & ROLE) === ROLE) return false
      const compact = content.subarray(at + 21, at + size - 4)
      if (torrent !== undefined) {
        const peerId = content.subarray(at + 1, at + 21)
        const key = end === at + size ? 0 : view.getUint32(at + size)
        const known = { peerId, compact, key, role: traits & ROLE, finished: (traits & FINISHED) !== 0 }
        table.readmit(torrent, known, view.getUint32(at + size - 4), now)
      }
      at = end
    }
    if (torrent !== undefined) table.settleTorrent(torrent)
  }
  return true
}
