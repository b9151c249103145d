/** Sizes and rates as people read them. */

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] as const

/** From here on a number is shown in the next unit: three digits at most. */
const NEXT_UNIT = 999.5

/** What is not a positive number becomes 0, what no file can have the most that one can. */
export const sane = (n: number): number => n > 0 ? Math.min(n, Number.MAX_SAFE_INTEGER) : 0

const unitOf = (bytes: number): number => {
  let unit = 0
  for (let n = bytes; n >= NEXT_UNIT && unit < UNITS.length - 1; n /= 1024) unit++
  return unit
}

const scaled = (bytes: number, unit: number, round: (n: number) => number): string => {
  const n = bytes / 1024 ** unit
  const tenths = round(n * 10) / 10
  return unit === 0 || tenths >= 100 ? String(round(n)) : tenths.toFixed(1)
}

/** A size in bytes: `512 B`, `18.3 MiB`, `320 GiB`. What is not a positive number counts as 0. */
export const bytes = (size: number): string => {
  const unit = unitOf(sane(size))
  return `${scaled(sane(size), unit, Math.round)} ${UNITS[unit]}`
}

/** Two sizes in the unit of the whole: `18.3/48.0 MiB`. The part is rounded down, so that it looks whole only when it is. */
export const pair = (part: number, whole: number): string => {
  const unit = unitOf(sane(whole))
  const round = part >= whole ? Math.round : Math.floor
  return `${scaled(sane(part), unit, round)}/${scaled(sane(whole), unit, Math.round)} ${UNITS[unit]}`
}

/** A rate in bytes/s: `4.5 MiB/s`. */
export const rate = (bytesPerSecond: number): string => `${bytes(bytesPerSecond)}/s`
