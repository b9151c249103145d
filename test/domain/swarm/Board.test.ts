import { assert, describe, it } from "@effect/vitest"
import * as Bitfield from "../../../src/domain/Bitfield.ts"
import * as PieceLayout from "../../../src/domain/PieceLayout.ts"
import { BoardModel } from "./boardModel.ts"
import { bitsOf, type Far } from "./fakes.ts"
import { below, int, randomOf, seed } from "./seeded.ts"

const { BLOCK } = PieceLayout

const modelOf = (seed: number): BoardModel => {
  const random = randomOf(seed)
  const pieceLength = [BLOCK, 40_000, 4 * BLOCK, 5 * BLOCK - 1][below(random, 4)]!
  const pieces = 1 + below(random, 12)
  const memory = pieceLength * (random() < 0.2 ? 0.5 : 1 + below(random, 6))
  const padded = random() < 0.5 ? 0 : random()
  const model = new BoardModel({ random, pieces, pieceLength, memory, padded, short: below(random, pieceLength) })
  for (let piece = 0; piece < pieces; piece++) {
    if (random() > 0.2) continue
    // Padding too: a record may tell of blocks that nobody is asked for.
    const blocks = PieceLayout.blocksIn(model.whole, piece)
    model.board.remember(
      piece,
      bitsOf(blocks, Array.from({ length: blocks }, (_, i) => i).filter(() => random() < 0.6))
    )
  }
  return model
}

const misbehave = (model: BoardModel, from: Far): void => {
  const { layout, random } = model
  const piece = below(random, layout.pieces)
  const blocks = PieceLayout.blocksIn(layout, piece)
  const block = below(random, blocks)
  const size = PieceLayout.blockSize(layout, piece, block)
  if (random() < 0.6) {
    const { forgiven } = from.peer
    const asked = [model.board.open.get(piece)?.holder[block], model.board.open.get(piece)?.second[block]]
      .includes(from.peer)
    const receipt = model.send(from, piece, block * BLOCK, size)
    if (asked) assert.notStrictEqual(receipt, "Unasked")
    else assert.strictEqual(receipt === "Unasked", forgiven === 0)
    return
  }
  const misfits: Array<readonly [number, number, number]> = [
    [layout.pieces, 0, BLOCK],
    [2 ** 32 - 1, 2 ** 32 - 1, BLOCK],
    [piece, block * BLOCK + 1, size],
    [piece, blocks * BLOCK, size],
    [piece, block * BLOCK, size - 1],
    [piece, block * BLOCK, size + 1]
  ]
  const misfit = misfits[below(random, misfits.length)]!
  assert.strictEqual(model.send(from, ...misfit), "Misfit")
}

/** One random event among the peers of the model. */
const step = (model: BoardModel): void => {
  const { random } = model
  model.now += below(random, 400)
  const some = model.peers[below(random, model.peers.length)]
  const dice = random()
  if (dice < 0.06) model.join(random() < 0.3 ? 1 : random())
  else if (dice < 0.12) model.settle(random() < 0.8)
  else if (dice < 0.15) model.freeze()
  else if (dice < 0.19) model.spill()
  if (dice < 0.19 || some === undefined) return
  if (dice < 0.23) return model.leave(some)
  if (dice < 0.27) return model.choke(some)
  if (dice < 0.35) some.peer.peerChoking = false
  else if (dice < 0.38) some.peer.onParole = !some.peer.onParole
  else if (dice < 0.41) some.peer.window.onTimedOut(model.now)
  else if (dice < 0.44) some.peer.downRate = random() * 1e6
  else if (dice < 0.47) model.board.release(some.peer)
  else if (dice < 0.66) model.fill(some, below(random, 12))
  else if (dice < 0.96) model.answer(some)
  else misbehave(model, some)
}

describe("Board", () => {
  it.prop("keeps its books whatever the peers do", [seed], ([seed]) => {
    const model = modelOf(seed)
    for (let steps = 0; steps < 400; steps++) {
      step(model)
      model.check()
    }
  }, { arbitrary: { runs: 60 } })

  it.prop("finishes with one honest peer, on parole or not, after anything that others did", [seed, int(0, 300)], (
    [seed, prefix]
  ) => {
    const model = modelOf(seed)
    for (let steps = 0; steps < prefix; steps++) step(model)
    for (const other of model.peers.slice()) model.leave(other)
    const honest = model.join(1)
    honest.peer.onParole = model.random() < 0.5
    honest.peer.downRate = model.random() * 1e6
    for (let rounds = 0; !model.isDone; rounds++) {
      assert.isBelow(rounds, 5000, "the torrent stands still")
      while (model.frozen.length > 0) model.spill()
      model.fill(honest, 1 + below(model.random, 10))
      if (honest.requests.length === 0 && model.full.length === 0) {
        assert.isFalse(model.board.canOpen(), "a peer with everything has nothing to do")
        model.freeze()
      }
      model.answer(honest)
      model.settle(true)
      model.check()
    }
    assert.strictEqual(model.buffers.used, 0)
    assert.strictEqual(model.board.open.size, 0)
  }, { arbitrary: { runs: 200 } })

  it.prop("asks nobody for a block twice while there is somebody else to ask", [seed], ([seed]) => {
    const random = randomOf(seed)
    const model = new BoardModel({ random, pieces: 6, pieceLength: 4 * BLOCK, short: 0, memory: 1e9 })
    const peers = [model.join(1), model.join(1), model.join(1)]
    let asked = 0
    for (const peer of peers) asked += model.fill(peer, 8)
    assert.strictEqual(asked, 24)
    const requests = new Set(peers.flatMap((peer) => peer.requests.map(([piece, begin]) => `${piece}/${begin}`)))
    assert.strictEqual(requests.size, 24)
  })

  it("doubles the blocks of a slow peer in the endgame, and cancels the later one", () => {
    const model = new BoardModel({ random: randomOf(1), pieces: 1, pieceLength: 8 * BLOCK, short: 0, memory: 1e9 })
    const [slow, fast] = [model.join(1), model.join(1)]
    assert.strictEqual(model.fill(slow, 8), 8)
    assert.strictEqual(model.fill(fast, 8), 0)
    model.now = 5000
    assert.strictEqual(model.fill(fast, 8), 4)
    model.check()
    const third = model.join(1)
    assert.strictEqual(model.fill(third, 8), 4)
    assert.strictEqual(model.fill(model.join(1), 8), 0)
    const [piece, begin, length] = fast.requests[0]!
    assert.strictEqual(model.send(fast, piece, begin, length), "Taken")
    slow.peer.wire.flush()
    slow.read()
    assert.strictEqual(slow.peer.outstanding, 7)
    assert.lengthOf(slow.requests, 7)
    assert.notDeepInclude(slow.requests, [piece, begin, length])
    assert.strictEqual(model.send(slow, piece, begin, length), "Taken")
    assert.strictEqual(model.board.wasted, BLOCK)
    assert.strictEqual(model.send(slow, piece, begin, length), "Unasked")
    model.check()
  })

  it("lets a piece go free again when the peer on parole that kept it leaves", () => {
    const model = new BoardModel({ random: randomOf(1), pieces: 1, pieceLength: 4 * BLOCK, short: 0, memory: 1e9 })
    const suspect = model.join(1)
    suspect.peer.onParole = true
    assert.strictEqual(model.fill(suspect, 4), 4)
    const other = model.join(1)
    model.now = 60_000
    assert.strictEqual(model.fill(other, 4), 0)
    model.leave(suspect)
    assert.strictEqual(model.fill(other, 4), 4)
  })

  it("gives a peer on parole what others have begun when nothing else is left", () => {
    const model = new BoardModel({ random: randomOf(1), pieces: 1, pieceLength: 4 * BLOCK, short: 0, memory: 1e9 })
    const first = model.join(1)
    model.fill(first, 2)
    model.answer(first)
    const suspect = model.join(1)
    suspect.peer.onParole = true
    assert.strictEqual(model.fill(suspect, 4), 2)
    model.check()
  })

  it("keeps blocks that were taken back from another peer out of the piece of one on parole", () => {
    const model = new BoardModel({ random: randomOf(1), pieces: 2, pieceLength: 2 * BLOCK, short: 0, memory: 1e9 })
    const [liar, suspect] = [model.join(1), model.join(1)]
    model.fill(liar, 4)
    model.board.release(liar.peer)
    const open = [...model.board.open.values()]
    for (const piece of open) model.board.freeze(piece)
    model.frozen.push(...open)
    for (const _ of open) model.spill()
    suspect.peer.onParole = true
    model.fill(suspect, 4)
    for (const [piece, begin, length] of suspect.requests.slice()) {
      assert.strictEqual(model.send(liar, piece, begin, length), "Taken")
    }
    assert.strictEqual(suspect.peer.outstanding, 4)
    model.check()
  })

  it("asks again for one block of a piece that was whole on the disk without a verdict", () => {
    const model = new BoardModel({ random: randomOf(1), pieces: 2, pieceLength: 3 * BLOCK, short: 0, memory: 1e9 })
    model.board.remember(0, Bitfield.full(3))
    const peer = model.join(1)
    assert.strictEqual(model.fill(peer, 9), 4)
    assert.lengthOf(peer.requests.filter(([piece]) => piece === 0), 1)
    for (let i = 0; i < 4; i++) model.answer(peer)
    assert.lengthOf(model.full, 2)
  })
})
