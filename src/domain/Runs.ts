/** Runs of neighbouring numbers, pieces or blocks or files, as people write them: `3-5, 9`. */

/** Both ends included. */
export interface Run {
  readonly first: number
  readonly last: number
}

export type Runs = ReadonlyArray<Run>

/** The runs of those from `first` to `last` that are so. */
export const where = (first: number, last: number, is: (number: number) => boolean): Runs => {
  const runs: Array<Run> = []
  for (let at = first; at <= last; at++) {
    if (!is(at)) continue
    const from = at
    while (at < last && is(at + 1)) at++
    runs.push({ first: from, last: at })
  }
  return runs
}

/** In order, with what overlaps or touches made one. */
export const merged = (runs: Runs): Runs => {
  const out: Array<Run> = []
  for (const run of runs.toSorted((a, b) => a.first - b.first)) {
    const before = out.at(-1)
    if (before === undefined || run.first > before.last + 1) out.push(run)
    else out[out.length - 1] = { first: before.first, last: Math.max(before.last, run.last) }
  }
  return out
}

/** How many numbers they hold. */
export const count = (runs: Runs): number => runs.reduce((sum, { first, last }) => sum + last - first + 1, 0)

/** `3-5, 9`, or of more than `most` runs `3-5, 9 and 12 more runs`. */
export const format = (runs: Runs, most = Infinity): string => {
  const shown = runs.slice(0, most).map(({ first, last }) => first === last ? `${first}` : `${first}-${last}`).join(
    ", "
  )
  return runs.length > most ? `${shown} and ${runs.length - most} more runs` : shown
}
