/** The torrent that a pool of peers is for: a magnet link at first perhaps, of which more is learnt. */
import * as InfoHash from "../../domain/InfoHash.ts"
import type { InfoHashV2 } from "../../domain/InfoHashV2.ts"
import type { PeerPoolOptions } from "../PeerPool.ts"

/** Owned by a PeerPool. */
export class Subject {
  #options: PeerPoolOptions
  #metainfo: PeerPoolOptions["metainfo"]
  /** Why nobody is let in or dialled any more. */
  shutReason: string | undefined

  constructor(options: PeerPoolOptions) {
    this.#options = options
    this.#metainfo = options.metainfo
  }

  get options(): PeerPoolOptions {
    return this.#options
  }

  get metainfo(): PeerPoolOptions["metainfo"] {
    return this.#metainfo
  }

  /** By which version 2 is agreed on; `undefined` where there is none. */
  get v2(): InfoHash.InfoHash | undefined {
    const { infoHashV2 } = this.#metainfo
    return infoHashV2 === undefined ? undefined : InfoHash.truncate(infoHashV2)
  }

  /** Returns which swarm of the next torrent is one of this. */
  become(next: PeerPoolOptions): (swarm: number) => number {
    const { swarms } = this.#metainfo
    this.#options = next
    this.#metainfo = next.metainfo
    return (swarm) => Math.max(0, next.metainfo.swarms.indexOf(swarms[swarm]!))
  }

  /** It is a hybrid, and has another swarm. */
  upgrade(infoHashV2: InfoHashV2): void {
    const swarms = [...this.#metainfo.swarms, InfoHash.truncate(infoHashV2)]
    this.#metainfo = { ...this.#metainfo, infoHashV2, swarms }
  }
}
