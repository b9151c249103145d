/** The files of version 2 as `info` has them (BEP 52, "file tree"): dictionaries inside each other, a name a level. */
import * as Bytes from "../Bytes.ts"

/** The order of files in a file tree, by the raw bytes of their names: that of a hybrid's list of files as well. */
export const compare = (a: ReadonlyArray<Uint8Array>, b: ReadonlyArray<Uint8Array>): number => {
  const shared = Math.min(a.length, b.length)
  for (let i = 0; i < shared; i++) {
    const difference = Bytes.compare(a[i]!, b[i]!)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}
