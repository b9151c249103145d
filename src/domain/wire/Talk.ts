/**
 * Talking a proxy into a connection to somebody else. The talk is a plain machine over bytes, the same for whatever
 * carries them.
 */
import type * as Host from "../Host.ts"

/** The talk has failed. */
export interface Failed {
  readonly _tag: "Failed"
  /** Whether it is the proxy that is in trouble or does not want us, or whom we wanted to reach. */
  readonly blames: "proxy" | "target"
  /** The system's code for the like, `EPROXY` where it has none. */
  readonly code: string
  /** What the proxy does, in words that follow its name: `refuses this user and password`. */
  readonly detail: string
}

export type Step =
  | { readonly _tag: "More" }
  | { readonly _tag: "Say"; readonly bytes: Uint8Array }
  | {
    readonly _tag: "Open"
    /** What came behind the proxy's last word: it is the target's. */
    readonly rest: Uint8Array
    /** Where the proxy does it, if it says so. */
    readonly bound: Host.Host | undefined
  }
  | Failed

export interface Talk {
  /** What is said first. */
  readonly begin: () => Uint8Array
  /** Takes what has arrived, which is copied; not to be called after `Open` or `Failed`. */
  readonly push: (bytes: Uint8Array) => Step
}

export const failed = (blames: Failed["blames"], code: string, detail: string): Failed => ({
  _tag: "Failed",
  blames,
  code,
  detail
})

export const MORE: Step = { _tag: "More" }
