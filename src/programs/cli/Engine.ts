/** The services of one client, assembled: what `leech`, `seed` and the demo run on. */
import * as Layer from "effect/Layer"
import { Download } from "../../services/Download.ts"
import { FileStore } from "../../services/FileStore.ts"
import { PeerConnection } from "../../services/PeerConnection.ts"
import { PieceVerifier } from "../../services/PieceVerifier.ts"
import * as ProxiedTransport from "../../services/proxy/ProxiedTransport.ts"
import { Resolver } from "../../services/Resolver.ts"
import { ResumeStore } from "../../services/ResumeStore.ts"
import { Session, type SessionError, type SessionOptions } from "../../services/Session.ts"
import { Tracker } from "../../services/Tracker.ts"
import { Transport } from "../../services/Transport.ts"
import { UploadServer } from "../../services/UploadServer.ts"
import { Connector } from "../../services/webseed/Connector.ts"
import { VERSION } from "./Main.ts"

export interface EngineOptions extends SessionOptions {
  /** Where resume records are kept. */
  readonly stateDir: string
}

export type Engine =
  | Connector
  | Download
  | FileStore
  | PeerConnection
  | PieceVerifier
  | ResumeStore
  | Session
  | Tracker
  | UploadServer

const localAddressOf = (bind: SessionOptions["bind"]) =>
  bind?.v4 !== undefined || bind?.v6 !== undefined ? bind : undefined

const transportOf = ({ bind: localAddress, proxy }: SessionOptions): Layer.Layer<Transport> =>
  proxy === undefined
    ? Transport.layerTcp
    : ProxiedTransport.layer({ proxy, localAddress }).pipe(Layer.provide(Resolver.layer))

/** A new client with a session of its own each time it is built. */
export const layer = (options: EngineOptions): Layer.Layer<Engine, SessionError> =>
  Layer.fresh(
    Layer.mergeAll(Session.layer({ client: `freshet ${VERSION}`, ...options }), Download.layer).pipe(
      Layer.provideMerge(
        Layer.mergeAll(
          PeerConnection.layer,
          PieceVerifier.layerNode,
          FileStore.layerDisk(),
          ResumeStore.layerDisk({ stateDir: options.stateDir }),
          UploadServer.layer,
          Tracker.layer({ localAddress: localAddressOf(options.bind), proxy: options.proxy }),
          Connector.layer({ localAddress: localAddressOf(options.bind), proxy: options.proxy })
        )
      ),
      Layer.provide(transportOf(options))
    )
  )
