import * as Effect from "effect/Effect"
import type { VerifyOptions } from "./DocumentFlags.ts"
export const runVerify = (_options: VerifyOptions) => Effect.void
