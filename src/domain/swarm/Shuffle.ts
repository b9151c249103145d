/** All pieces in random order (Fisher and Yates); `random` gives numbers in [0, 1). */
export const pieces = (count: number, random: () => number): Array<number> => {
  const items = Array.from({ length: count }, (_, piece) => piece)
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    const other = items[i]!
    items[i] = items[j]!
    items[j] = other
  }
  return items
}
