/** Why a peer must be dropped; `undefined` when all is well. */
export type Verdict = string | undefined
