/** A swarm among fake peers, without any I/O: what the services do around it is done here by hand. */
import { assert } from "@effect/vitest"
import * as Bitfield from "../../../src/domain/Bitfield.ts"
import * as Fetched from "../../../src/domain/Fetched.ts"
import * as PieceLayout from "../../../src/domain/PieceLayout.ts"
import * as PieceTrees from "../../../src/domain/PieceTrees.ts"
import type { BanCause } from "../../../src/domain/swarm/BanCause.ts"
import type { Extensions } from "../../../src/domain/swarm/Extensions.ts"
import type { OpenPiece } from "../../../src/domain/swarm/OpenPiece.ts"
import type { Peer } from "../../../src/domain/swarm/Peer.ts"
import { PieceBuffers } from "../../../src/domain/swarm/PieceBuffers.ts"
import type { Order } from "../../../src/domain/swarm/PiecePicker.ts"
import { RateLimit } from "../../../src/domain/swarm/RateLimit.ts"
import { Swarm } from "../../../src/domain/swarm/Swarm.ts"
import * as HashMessage from "../../../src/domain/wire/HashMessage.ts"
import * as Message from "../../../src/domain/wire/Message.ts"
import { numbers } from "../../support/messages.ts"
import { noise } from "../../support/payload.ts"
import type * as Payload from "../../support/payload.ts"
import { bitsOf, type Far, far, listOf } from "./fakes.ts"
import { below } from "./seeded.ts"

export interface SwarmModelOptions {
  readonly random: () => number
  readonly pieces?: number
  readonly pieceLength?: number
  readonly short?: number
  readonly memory?: number
  readonly have?: Iterable<number>
  readonly wanted?: Iterable<number>
  /** Bytes/s. */
  readonly rate?: number
  /** By chance when absent. */
  readonly order?: Order
  readonly extensions?: Extensions
  /** In place of a rate. */
  readonly limit?: RateLimit
  /** Of version 2, in place of random bytes of version 1. */
  readonly torrent?: Payload.Torrent
}

/** Blocks found wrong. */
export interface Wrong {
  readonly piece: number
  readonly blocks: ReadonlyArray<number>
  readonly senders: ReadonlyArray<number>
}

/** A far end with what it says it has been told by us. */
export interface Member extends Far {
  readonly told: Set<number>
  isOpen: boolean
  interested: boolean
  /** Corrupts what it sends. */
  liar: boolean
  /** Pieces that it gives though it chokes us. */
  readonly allows: Set<number>
  /** Hashes that we have asked it for. */
  readonly hashRequests: Array<HashMessage.HashRange>
}

export class SwarmModel {
  readonly layout: PieceLayout.PieceLayout
  readonly payload: Uint8Array
  readonly buffers: PieceBuffers
  readonly swarm: Swarm
  readonly random: () => number
  readonly members: Array<Member> = []
  readonly full: Array<OpenPiece> = []
  readonly spills: Array<OpenPiece> = []
  readonly asked: Array<Peer> = []
  readonly interest: Array<readonly ["on" | "off", Peer]> = []
  readonly liars = new Set<number>()
  readonly hashesAsked: Array<Peer> = []
  readonly wrong: Array<Wrong> = []
  /** Why peers were convicted. */
  readonly causes: Array<BanCause["_tag"]> = []
  /** Blocks of spilled pieces, as the disk would keep them. */
  readonly disk: Uint8Array
  readonly wanted: Bitfield.Bitfield
  corrupted = 0
  now = 0
  #keys = 0

  constructor(options: SwarmModelOptions) {
    const { have = [], memory = 1e9, pieceLength = 2 * PieceLayout.BLOCK, pieces = 6, random, short = 0 } = options
    this.random = random
    const { torrent } = options
    this.layout = torrent?.metainfo.layout ?? PieceLayout.make(pieces * pieceLength - short, pieceLength)
    this.payload = torrent?.payload ?? noise(this.layout.totalLength, 1 + below(random, 1e9))
    this.disk = new Uint8Array(this.layout.totalLength)
    this.buffers = new PieceBuffers(memory)
    const count = this.layout.pieces
    this.wanted = options.wanted === undefined ? Bitfield.full(count) : bitsOf(count, options.wanted)
    this.swarm = new Swarm({
      layout: this.layout,
      fetched: torrent && Fetched.layoutOf(torrent.metainfo),
      have: bitsOf(count, have),
      wanted: this.wanted,
      order: options.order ?? (random() < 0.5 ? "Rarest" : "Sequential"),
      buffers: this.buffers,
      random,
      extensions: options.extensions,
      limit: options.limit ?? new RateLimit(options.rate ?? Infinity, 0),
      trees: torrent && {
        treeOf: (piece) => PieceTrees.of(torrent.metainfo, piece)!,
        rootOf: (file) => torrent.metainfo.files[file]!.piecesRoot!
      },
      hooks: {
        onFull: (piece) => this.full.push(piece),
        onSpill: (piece) => this.spills.push(piece),
        onAsked: (peer) => this.asked.push(peer),
        onInterested: (peer) => this.interest.push(["on", peer]),
        onNotInterested: (peer) => this.interest.push(["off", peer]),
        onHashesAsked: (peer) => this.hashesAsked.push(peer),
        onWrongBlocks: (piece, blocks, senders) => this.onWrongBlocks({ piece, blocks, senders }),
        onBanned: (identities, cause) => this.onBanned(identities, cause)
      }
    })
  }

  join(identity?: number, v2 = false, fast = false, extended = false): Member {
    const key = ++this.#keys
    const { pieces } = this.layout
    const member: Member = {
      ...far({ key, pieces, v2, fast, extended, now: this.now, ...(identity === undefined ? {} : { identity }) }),
      hashRequests: [],
      allows: new Set(),
      told: new Set(),
      isOpen: true,
      interested: false,
      liar: false
    }
    this.members.push(member)
    this.swarm.opened(member.peer)
    member.peer.wire.flush()
    this.hear(member)
    return member
  }

  /** Joins with these pieces and unchokes us. */
  joinWith(pieces: Iterable<number>, identity?: number, v2 = false, fast = false): Member {
    const member = this.join(identity, v2, fast)
    assert.isUndefined(this.swarm.bitfield(member.peer, bitsOf(this.layout.pieces, pieces)))
    this.swarm.unchoke(member.peer)
    this.end(member)
    return member
  }

  joinSeed(identity?: number, v2 = false, fast = false): Member {
    return this.joinWith(Array.from({ length: this.layout.pieces }, (_, piece) => piece), identity, v2, fast)
  }

  /** The wrong blocks are all wrong, and all the wrong ones. */
  onWrongBlocks(wrong: Wrong): void {
    this.wrong.push(wrong)
    const piece = this.swarm.board.open.get(wrong.piece)!
    const offset = PieceLayout.pieceOffset(this.layout, wrong.piece)
    for (let block = 0; block < piece.blocks; block++) {
      const from = block * PieceLayout.BLOCK
      const to = Math.min(from + PieceLayout.BLOCK, piece.bytes.length)
      const isRight =
        Buffer.compare(piece.bytes.subarray(from, to), this.payload.subarray(offset + from, offset + to)) === 0
      assert.strictEqual(isRight, !wrong.blocks.includes(block))
    }
  }

  onBanned(identities: ReadonlyArray<number>, { _tag }: BanCause): void {
    this.causes.push(_tag)
    for (const identity of identities) this.liars.add(identity)
  }

  /** The read of a peer has ended. */
  end(member: Member): void {
    this.swarm.batchEnded(member.peer, this.now)
    for (const other of this.members) this.hear(other)
  }

  leave(member: Member): void {
    if (!member.isOpen) return
    member.isOpen = false
    this.members.splice(this.members.indexOf(member), 1)
    this.swarm.closed(member.peer, this.now)
    for (const other of this.members) this.hear(other)
  }

  /** What the far end makes of what it was sent; the protocol's rules for us are held here. */
  hear(member: Member): void {
    const { peer } = member
    for (const message of member.read()) {
      const isFirst = member.inbox.find(({ id }) => id !== Message.EXTENDED) === message
      if (isFirst && peer.fast) {
        const first = [Message.BITFIELD, Message.HAVE_ALL, Message.HAVE_NONE]
        assert.include(first, message.id, "what we have must come first")
      }
      if (message.id === Message.BITFIELD) {
        assert.isTrue(isFirst, "a bitfield must come first")
        for (const piece of listOf(message.payload)) member.told.add(piece)
      }
      if (message.id === Message.HAVE_ALL || message.id === Message.HAVE_NONE || message.id === Message.REJECT) {
        assert.isTrue(peer.fast, "a message of the fast extension to a peer that does not speak it")
      }
      if (message.id === Message.HAVE_ALL) {
        for (let piece = 0; piece < this.layout.pieces; piece++) member.told.add(piece)
      }
      if (message.id === Message.HAVE) {
        const piece = numbers(message)[0]!
        assert.isTrue(Bitfield.has(this.swarm.have, piece), "told of a piece that is not there")
        assert.isFalse(member.told.has(piece), "told twice")
        member.told.add(piece)
      }
      if (message.id === Message.INTERESTED || message.id === Message.NOT_INTERESTED) {
        assert.notStrictEqual(member.interested, message.id === Message.INTERESTED, "said twice")
        member.interested = message.id === Message.INTERESTED
      }
      if (message.id === Message.HASH_REQUEST) {
        assert.isTrue(peer.v2, "a hash request in version 1")
        member.hashRequests.push(HashMessage.readRange(message.payload, 0))
      }
      if (message.id === Message.REQUEST) {
        assert.isTrue(member.interested, "a request without interest")
        // Whoever was convicted is taken for choking, and had been asked before.
        const isAllowed = member.allows.has(numbers(message)[0]!)
        assert.isFalse(peer.peerChoking && !peer.isLiar && !isAllowed, "a request while choked")
      }
    }
  }

  /** The far end answers up to `count` of its requests in one read. */
  answer(member: Member, count = 1): void {
    this.hear(member)
    for (const [piece, begin, length] of member.requests.splice(0, count)) this.send(member, piece, begin, length)
    this.end(member)
  }

  /** The far end refuses up to `count` of its requests, or the answers it owes to those that were taken back. */
  refuse(member: Member, list: "requests" | "takenBack", count = 1): void {
    this.hear(member)
    for (const [piece, begin, length] of member[list].splice(0, count)) {
      assert.isUndefined(this.swarm.reject(member.peer, piece, begin, length, this.now))
    }
    this.end(member)
  }

  send(member: Member, piece: number, begin: number, length: number): string | undefined {
    const at = PieceLayout.pieceOffset(this.layout, piece) + begin
    const bytes = this.payload.slice(at, at + length)
    if (member.liar) bytes[0]! ^= 0xff
    const verdict = this.swarm.block(member.peer, piece, begin, bytes, 0, bytes.length, this.now)
    bytes.fill(0xee)
    return verdict
  }

  /** Verifies and writes one full piece, as the download does. */
  settle(): boolean {
    const piece = this.full.shift()
    if (piece === undefined) return false
    const offset = PieceLayout.pieceOffset(this.layout, piece.index)
    this.#readBack(piece, offset)
    const right = this.payload.subarray(offset, offset + piece.bytes.length)
    if (Buffer.compare(piece.bytes, right) === 0) {
      this.swarm.landed(piece, this.now)
    } else {
      this.corrupted++
      this.swarm.corrupt(piece, this.now)
    }
    this.expel()
    for (const other of this.members) this.hear(other)
    return true
  }

  /** Proven liars go, as the service sees to it. */
  expel(): void {
    for (const member of this.members.slice()) if (this.liars.has(member.peer.identity)) this.leave(member)
  }

  #readBack(piece: OpenPiece, offset: number): void {
    if (piece.onDisk === undefined) return
    for (const block of listOf(piece.onDisk)) {
      const from = block * PieceLayout.BLOCK
      const to = Math.min(from + PieceLayout.BLOCK, piece.bytes.length)
      piece.bytes.set(this.disk.subarray(offset + from, offset + to), from)
    }
  }

  /** Writes the blocks of one piece that gives way. */
  spill(): void {
    const piece = this.spills.shift()
    if (piece === undefined) return
    const offset = PieceLayout.pieceOffset(this.layout, piece.index)
    for (const block of listOf(piece.received())) {
      if (piece.onDisk !== undefined && Bitfield.has(piece.onDisk, block)) continue
      const from = block * PieceLayout.BLOCK
      this.disk.set(piece.bytes.subarray(from, from + PieceLayout.BLOCK), offset + from)
    }
    this.swarm.spilled(piece, this.now)
    for (const other of this.members) this.hear(other)
  }

  tick(ms: number): void {
    this.now += ms
    this.swarm.tick(this.now)
    for (const member of this.members) this.hear(member)
  }

  check(): void {
    const { have, haveCount, missing } = this.swarm
    const lacking = (piece: number) => Bitfield.has(this.wanted, piece) && !Bitfield.has(have, piece)
    const pieces = Array.from({ length: this.layout.pieces }, (_, piece) => piece)
    assert.strictEqual(haveCount, Bitfield.count(have))
    assert.strictEqual(missing, pieces.filter(lacking).length)
    let used = 0
    for (const piece of this.swarm.board.open.values()) used += piece.bytes.length
    assert.strictEqual(this.buffers.used, used)
    for (const { peer, requests, takenBack } of this.members) {
      // Every request has one answer to come, be it a block or a reject.
      if (peer.fast) assert.strictEqual(peer.outstanding + peer.forgiven, requests.length + takenBack.length)
      const wants = listOf(peer.bits).filter(lacking).length
      assert.strictEqual(peer.wants, wants)
      assert.strictEqual(peer.amInterested, wants > 0)
      assert.strictEqual(peer.has, Bitfield.count(peer.bits))
      assert.strictEqual(peer.isSeed, peer.has === this.layout.pieces)
      if (peer.peerChoking && !peer.fast) assert.strictEqual(peer.outstanding, 0)
    }
  }
}
