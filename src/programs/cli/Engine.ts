/** The services of one client, assembled: what `leech`, `seed` and the demo run on. */
import * as Layer from "effect/Layer"
import { Download } from "../../services/Download.ts"
import { FileStore } from "../../services/FileStore.ts"
import { PeerConnection } from "../../services/PeerConnection.ts"
import { PieceVerifier } from "../../services/PieceVerifier.ts"
import { ResumeStore } from "../../services/ResumeStore.ts"
import { Session, type SessionError, type SessionOptions } from "../../services/Session.ts"
import { Tracker } from "../../services/Tracker.ts"
import { Transport } from "../../services/Transport.ts"
import { UploadServer } from "../../services/UploadServer.ts"

export interface EngineOptions extends SessionOptions {
  /** Where resume records are kept. */
  readonly stateDir: string
}

export type Engine =
  | Download
  | FileStore
  | PeerConnection
  | PieceVerifier
  | ResumeStore
  | Session
  | Tracker
  | UploadServer

const hasAddress = (bind: SessionOptions["bind"]): boolean => bind?.v4 !== undefined || bind?.v6 !== undefined

/** A new client with a session of its own each time it is built. */
export const layer = (options: EngineOptions): Layer.Layer<Engine, SessionError> =>
  Layer.fresh(
    Layer.mergeAll(Session.layer(options), Download.layer).pipe(
      Layer.provideMerge(
        Layer.mergeAll(
          PeerConnection.layer,
          PieceVerifier.layerNode,
          FileStore.layerDisk(),
          ResumeStore.layerDisk({ stateDir: options.stateDir }),
          UploadServer.layer,
          Tracker.layer({ localAddress: hasAddress(options.bind) ? options.bind : undefined })
        )
      ),
      Layer.provide(Transport.layerTcp)
    )
  )
