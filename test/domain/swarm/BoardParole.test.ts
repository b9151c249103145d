import { assert, describe, it } from "@effect/vitest"
import * as Bitfield from "../../../src/domain/Bitfield.ts"
import * as PeerAddress from "../../../src/domain/PeerAddress.ts"
import * as PeerId from "../../../src/domain/PeerId.ts"
import * as PieceLayout from "../../../src/domain/PieceLayout.ts"
import { Board } from "../../../src/domain/swarm/Board.ts"
import { Peer } from "../../../src/domain/swarm/Peer.ts"
import { PieceBuffers } from "../../../src/domain/swarm/PieceBuffers.ts"
import { PiecePicker } from "../../../src/domain/swarm/PiecePicker.ts"
import * as Message from "../../../src/domain/wire/Message.ts"
import { randomOf } from "./seeded.ts"

const BLOCKS = 4
const BLOCK = PieceLayout.BLOCK

/** One piece of four blocks, and what was asked for. */
const setUp = () => {
  const layout = PieceLayout.make(BLOCKS * BLOCK, BLOCKS * BLOCK)
  const all = Bitfield.full(layout.pieces)
  const picker = new PiecePicker(layout.pieces, all, "Rarest", randomOf(1))
  const asked: Array<readonly [peer: number, block: number]> = []
  const board = new Board({
    layout,
    fetched: layout,
    picker,
    buffers: new PieceBuffers(1 << 20),
    ask: (peer, _piece, begin) => asked.push([peer.key, begin / BLOCK]),
    cancel: () => {}
  })
  const peer = (key: number) => {
    picker.availability.addSeed()
    const made = new Peer({
      key,
      identity: key,
      id: PeerId.make(randomOf(key)),
      address: PeerAddress.make(`10.0.0.${key}`, 6881)!,
      inbound: false,
      v2: false,
      bits: all.slice(),
      outbox: new Message.Outbox(),
      wire: { flush: () => {}, close: () => {} },
      now: 0
    })
    made.isSeed = true
    made.peerChoking = false
    return made
  }
  const give = (peer: Peer, block: number) => board.receive(peer, 0, block * BLOCK, new Uint8Array(BLOCK), 0, BLOCK, 0)
  return { board, peer, asked, give }
}

describe("Board, with peers on parole", () => {
  it("keeps a piece for the one that fills it", () => {
    const { asked, board, peer } = setUp()
    const suspect = peer(1)
    suspect.onParole = true
    board.fill(suspect, 2, 0)
    board.fill(peer(2), BLOCKS, 0)
    assert.deepStrictEqual(asked, [[1, 0], [1, 1]])
  })

  it("frees a piece whose peer has gone after asking for all of it", () => {
    const { asked, board, give, peer } = setUp()
    const suspect = peer(1)
    suspect.onParole = true
    board.fill(suspect, 2 * BLOCKS, 0)
    assert.strictEqual(give(suspect, 0), "Taken")
    board.fill(suspect, BLOCKS, 0)
    assert.isTrue(board.release(suspect))
    asked.length = 0
    board.fill(peer(2), BLOCKS, 0)
    assert.deepStrictEqual(asked, [[2, 1], [2, 2], [2, 3]])
  })

  it("lets a suspect finish what others began when there is nothing else to fetch", () => {
    const { asked, board, give, peer } = setUp()
    const gone = peer(1)
    board.fill(gone, BLOCKS, 0)
    give(gone, 0)
    board.release(gone)
    const suspect = peer(2)
    suspect.onParole = true
    asked.length = 0
    board.fill(suspect, 1, 0)
    assert.deepStrictEqual(asked, [[2, 1]])
    // It is not kept for the suspect: whoever comes may help.
    board.fill(peer(3), BLOCKS, 0)
    assert.deepStrictEqual(asked, [[2, 1], [3, 2], [3, 3]])
  })
})
