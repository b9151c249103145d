/** A peer without a client behind it: it calls a node, says what the test says, and remembers what it hears. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Bytes from "../../src/domain/Bytes.ts"
import type * as InfoHash from "../../src/domain/InfoHash.ts"
import * as PeerId from "../../src/domain/PeerId.ts"
import { FrameReader } from "../../src/domain/wire/FrameReader.ts"
import * as Handshake from "../../src/domain/wire/Handshake.ts"
import * as Message from "../../src/domain/wire/Message.ts"
import { randomOf } from "../domain/swarm/seeded.ts"
import * as Swarm from "./swarm.ts"

export interface Frame {
  readonly id: number
  readonly payload: Uint8Array
}

export interface ScriptedPeer {
  readonly peerId: PeerId.PeerId
  /** What the node has said so far, without keep-alives. */
  readonly frames: ReadonlyArray<Frame>
  /** Whether the node has answered the handshake and not hung up. */
  readonly isConnected: () => boolean
  /** Says more, once the node has answered. */
  readonly say: (write: (outbox: Message.Outbox) => void) => void
  /** Sends whole messages as they are. */
  readonly send: (bytes: Uint8Array) => void
}

export interface Script {
  readonly number: number
  /** The node to call. */
  readonly target: number
  /** When it calls (ms from now); at once when absent. */
  readonly after?: number | undefined
  /** Said with the handshake. */
  readonly greeting?: ((outbox: Message.Outbox) => void) | undefined
  readonly onFrame?: ((frame: Frame, peer: Pick<ScriptedPeer, "say" | "send">) => void) | undefined
  /** What it calls the torrent by; the torrent's own hash when absent. */
  readonly infoHash?: InfoHash.InfoHash | undefined
  /** Whether it says that it speaks version 2, the fast extension, and extension messages. */
  readonly v2?: boolean | undefined
  readonly fast?: boolean | undefined
  readonly extended?: boolean | undefined
}

const MAX_FRAME = 1 << 20

/** How often it says that it is alive (ms). */
const ALIVE = 60_000

const talk = Effect.fnUntraced(function*(swarm: Swarm.Swarm, script: Script, state: State) {
  const machine = swarm.network.host({ addresses: [Swarm.host(script.number)] })
  const link = yield* machine.dial(Swarm.address(script.target))
  state.send = (bytes) => link.send([bytes])
  const say = sayOf(state)
  const infoHash = script.infoHash ?? swarm.torrent.metainfo.infoHash
  link.send([Handshake.encode(infoHash, state.peerId, script)])
  if (script.greeting !== undefined) say(script.greeting)
  const reader = new FrameReader({
    onHandshake: () => {
      state.connected = true
      return true
    },
    onFrame: (bytes, at, length) => {
      if (length === 0) return true
      const frame = { id: bytes[at]!, payload: bytes.slice(at + 1, at + length) }
      state.frames.push(frame)
      script.onFrame?.(frame, { say, send: state.send })
      return true
    }
  }, MAX_FRAME)
  yield* Effect.sync(() => say((outbox) => outbox.keepAlive())).pipe(
    Effect.delay(ALIVE),
    Effect.forever,
    Effect.forkScoped
  )
  yield* Effect.exit(link.receive((bytes, from, to) => reader.push(bytes, from, to)))
  state.connected = false
}, (effect) => Effect.ignore(Effect.scoped(effect)))

interface State {
  readonly peerId: PeerId.PeerId
  readonly frames: Array<Frame>
  connected: boolean
  send: ScriptedPeer["send"]
}

const sayOf = (state: State): ScriptedPeer["say"] => (write) => {
  const outbox = new Message.Outbox()
  write(outbox)
  state.send(outbox.take())
}

/** Starts the peer in the scope; it connects as virtual time passes. */
export const start = Effect.fnUntraced(function*(
  swarm: Swarm.Swarm,
  script: Script
): Effect.fn.Return<ScriptedPeer, never, Scope.Scope> {
  const state: State = {
    peerId: PeerId.make(randomOf(script.number)),
    frames: [],
    connected: false,
    send: () => {}
  }
  yield* Effect.forkScoped(Effect.delay(talk(swarm, script, state), script.after ?? 0))
  return {
    peerId: state.peerId,
    frames: state.frames,
    isConnected: () => state.connected,
    say: sayOf(state),
    send: (bytes) => state.send(bytes)
  }
})

/** The pieces that a node has spoken of, in the order it did. */
export const advertised = (frame: Frame): Array<number> => {
  if (frame.id === Message.HAVE) return [Bytes.readUint32(frame.payload, 0)]
  if (frame.id !== Message.BITFIELD) return []
  const pieces: Array<number> = []
  frame.payload.forEach((byte, i) => {
    for (let bit = 0; bit < 8; bit++) if ((byte & (0x80 >>> bit)) !== 0) pieces.push(8 * i + bit)
  })
  return pieces
}
