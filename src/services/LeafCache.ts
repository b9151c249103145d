/** Leaf hashes of pieces that were read to answer somebody, for those who ask next. */

/** Bytes of hashes kept: those of 4 GiB. The ones that were not used for longest go first. */
const KEPT = 8 << 20

export class LeafCache {
  readonly #kept: number
  /** In order of last use. */
  readonly #leaves = new Map<string, Uint8Array>()
  #bytes = 0

  constructor(kept = KEPT) {
    this.#kept = kept
  }

  /** Bytes of hashes kept now. */
  get bytes(): number {
    return this.#bytes
  }

  get(torrent: string, piece: number): Uint8Array | undefined {
    const key = `${torrent}/${piece}`
    const leaves = this.#leaves.get(key)
    if (leaves === undefined) return undefined
    this.#leaves.delete(key)
    this.#leaves.set(key, leaves)
    return leaves
  }

  set(torrent: string, piece: number, leaves: Uint8Array): void {
    this.#forget(`${torrent}/${piece}`)
    this.#leaves.set(`${torrent}/${piece}`, leaves)
    this.#bytes += leaves.length
    for (const key of this.#leaves.keys()) {
      if (this.#bytes <= this.#kept) return
      this.#forget(key)
    }
  }

  /** Forgets those of a torrent. */
  drop(torrent: string): void {
    for (const key of this.#leaves.keys()) if (key.startsWith(`${torrent}/`)) this.#forget(key)
  }

  #forget(key: string): void {
    this.#bytes -= this.#leaves.get(key)?.length ?? 0
    this.#leaves.delete(key)
  }
}
