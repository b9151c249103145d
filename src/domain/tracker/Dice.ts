/**
 * Many random integers fast: Chris Doty-Humphrey's sfc32, 2 ns each where a number of the Random service takes 20. Fair,
 * not secret.
 */

/** Integers of 32 bits, unsigned, from a state that `random` (numbers in [0, 1)) chooses. */
export const make = (random: () => number): () => number => {
  const word = () => Math.floor(random() * 2 ** 32) | 0
  let a = word()
  let b = word()
  let c = word()
  let counter = 1
  const next = (): number => {
    const out = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + out | 0
    return out >>> 0
  }
  for (let i = 0; i < 12; i++) next()
  return next
}
