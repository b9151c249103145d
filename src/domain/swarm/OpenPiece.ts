/** A piece on its way: its bytes, and for every block whether it is there and who was asked for it. The Board changes it. */
import * as Bitfield from "../Bitfield.ts"
import type { Peer } from "./Peer.ts"

/** What stands in {@link OpenPiece.state} for a block. */
export const FREE = 0
export const REQUESTED = 1
export const RECEIVED = 2

const nobody = (blocks: number): Array<Peer | undefined> => {
  const peers: Array<Peer | undefined> = []
  for (let block = 0; block < blocks; block++) peers.push(undefined)
  return peers
}

export class OpenPiece {
  readonly index: number
  /** Blocks to fetch: without those of padding at the end. */
  readonly blocks: number
  /** The whole piece; blocks that arrived stand in their place, and padding at the end is there from the start. */
  readonly bytes: Uint8Array
  readonly state: Uint8Array
  /** Who was asked for a block, and who was asked as well. */
  readonly holder: Array<Peer | undefined>
  readonly second: Array<Peer | undefined>
  /** Identity of the peer that sent a block, negative for a block that was on the disk. */
  readonly sender: Int32Array
  /** Blocks written to the disk by an earlier run or a spill; `bytes` lacks them until they are read back. */
  readonly onDisk: Uint8Array | undefined
  free: number
  missing: number
  /** No free block stands before this one. */
  cursor = 0
  /** Peers whose current piece this is. */
  workers = 0
  /** A peer on parole fills this piece alone, so that a wrong piece has one sender. */
  exclusive: Peer | undefined = undefined
  /** Taken off the peers: its blocks are on their way to the disk. */
  frozen = false
  /** When a block last arrived, or the piece was opened. */
  movedAt: number

  constructor(index: number, blocks: number, bytes: Uint8Array, onDisk: Uint8Array | undefined, now: number) {
    this.index = index
    this.blocks = blocks
    this.bytes = bytes
    this.state = new Uint8Array(blocks)
    this.holder = nobody(blocks)
    this.second = nobody(blocks)
    this.sender = new Int32Array(blocks).fill(-1)
    this.onDisk = onDisk
    this.free = blocks
    this.missing = blocks
    this.movedAt = now
    if (onDisk !== undefined) {
      Bitfield.forEach(onDisk, (block) => {
        this.state[block] = RECEIVED
        this.free--
        this.missing--
      })
    }
  }

  /** The blocks that are in `bytes` or on the disk, as bits. */
  received(): Bitfield.Bitfield {
    const mask = Bitfield.make(this.blocks)
    for (let block = 0; block < this.blocks; block++) if (this.state[block] === RECEIVED) Bitfield.set(mask, block)
    return mask
  }
}
