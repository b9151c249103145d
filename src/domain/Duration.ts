/** Times as people read them. */
import { sane } from "./ByteCount.ts"

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const LONGEST = 100 * DAY

const two = (n: number): string => String(n).padStart(2, "0")

/** A time in ms, rounded down: `0.4s`, `6s`, `51m14s`, `2h05m`, `3d4h`, `>99d`. */
export const text = (ms: number): string => {
  const t = sane(ms)
  const whole = (unit: number) => Math.floor(t / unit)
  if (t < SECOND) return t < 100 ? "0s" : `${(whole(100) / 10).toFixed(1)}s`
  if (t < MINUTE) return `${whole(SECOND)}s`
  if (t < HOUR) return `${whole(MINUTE)}m${two(whole(SECOND) % 60)}s`
  if (t < DAY) return `${whole(HOUR)}h${two(whole(MINUTE) % 60)}m`
  return t < LONGEST ? `${whole(DAY)}d${whole(HOUR) % 24}h` : ">99d"
}
