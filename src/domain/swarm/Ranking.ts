/**
 * In which order addresses are preferred: by canonical priority (BEP 40) once we know how others see us, and until then by
 * chance, though the same for a host each time, so that nobody gains by calling again.
 */
import * as Bytes from "../Bytes.ts"
import * as PeerAddress from "../PeerAddress.ts"
import * as PeerPriority from "../PeerPriority.ts"
import type { ExternalAddress } from "./ExternalAddress.ts"

interface Known {
  readonly own: string | undefined
  readonly rank: number
}

export class Ranking {
  readonly #external: ExternalAddress
  readonly #port: number
  readonly #salt: Uint8Array
  /** By the object: every peer has one address as long as it is here. */
  readonly #known = new WeakMap<PeerAddress.PeerAddress, Known>()

  /** @param port on which we listen */
  constructor(external: ExternalAddress, port: number, random: () => number) {
    this.#external = external
    this.#port = port
    this.#salt = Uint8Array.from({ length: 8 }, () => Math.floor(random() * 256))
  }

  /** In [0, 1); the greater is preferred. */
  of(address: PeerAddress.PeerAddress): number {
    const own = this.#external.of(address.family)
    const known = this.#known.get(address)
    if (known !== undefined && known.own === own) return known.rank
    const rank = this.#reckon(address, own) / 2 ** 32
    this.#known.set(address, { own, rank })
    return rank
  }

  #reckon(address: PeerAddress.PeerAddress, own: string | undefined): number {
    if (own === undefined) return PeerPriority.crc32c(Bytes.concat([this.#salt, PeerAddress.toCompact(address)]))
    return PeerPriority.between({ host: own, port: this.#port, family: address.family }, address)
  }
}
