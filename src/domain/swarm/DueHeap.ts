/** Things that are due at a time, the earliest first; any of them can be taken out in O(log n). */

/** The place of what is in no heap. */
export const OUTSIDE = -1

export interface Due {
  /** Changes only through {@link DueHeap.put}. */
  dueAt: number
  /** Its place in the heap, or {@link OUTSIDE}: the heap's own. */
  at: number
}

/** A binary heap whose members know their place; a member is in one heap at most. */
export class DueHeap<A extends Due> {
  readonly #items: Array<A> = []

  get size(): number {
    return this.#items.length
  }

  /** What is due first. */
  get first(): A | undefined {
    return this.#items[0]
  }

  /** A member at random, `random` being in [0, 1). */
  any(random: number): A | undefined {
    return this.#items[Math.floor(random * this.#items.length)]
  }

  /** Puts it in, or moves it to where its new time belongs. */
  put(item: A, dueAt: number): void {
    this.remove(item)
    item.dueAt = dueAt
    this.#rise(item, this.#items.push(item) - 1)
  }

  /** Takes it out, if it is in. */
  remove(item: A): void {
    if (item.at === OUTSIDE) return
    const hole = item.at
    item.at = OUTSIDE
    const last = this.#items.pop()!
    if (last === item) return
    const parent = this.#items[(hole - 1) >>> 1]
    if (hole > 0 && parent!.dueAt > last.dueAt) this.#rise(last, hole)
    else this.#sink(last, hole)
  }

  #rise(item: A, from: number): void {
    let at = from
    while (at > 0) {
      const parent = this.#items[(at - 1) >>> 1]!
      if (parent.dueAt <= item.dueAt) break
      this.#place(parent, at)
      at = (at - 1) >>> 1
    }
    this.#place(item, at)
  }

  #sink(item: A, from: number): void {
    let at = from
    for (;;) {
      const left = this.#items[2 * at + 1]
      const right = this.#items[2 * at + 2]
      const child = right !== undefined && right.dueAt < left!.dueAt ? right : left
      if (child === undefined || child.dueAt >= item.dueAt) break
      const next = child.at
      this.#place(child, at)
      at = next
    }
    this.#place(item, at)
  }

  #place(item: A, at: number): void {
    this.#items[at] = item
    item.at = at
  }
}
