/**
 * When connections are encrypted (`--encryption`). The field's words: libtorrent's `out_enc_policy`, `in_enc_policy` and
 * `allowed_enc_level`, Transmission's `-er`, `-ep`, `-et`, aria2's `--bt-require-crypto`.
 */

/**
 * - `require`: nothing but RC4, as with Transmission's `-er`. A stream that is plain after an encrypted handshake would not be
 *   what was asked for.
 * - `prefer`: calls with RC4 first and plainly after a refusal; answers whoever calls, with RC4 where it is offered.
 * - `allow`: calls plainly first and with either cipher after a refusal; answers whoever calls, with as little RC4 as they want.
 * - `off`: neither calls nor answers encrypted.
 */
export type Policy = "require" | "prefer" | "allow" | "off"

export const POLICIES: ReadonlyArray<Policy> = ["require", "prefer", "allow", "off"]

/** What a connection goes on with. `plaintext` has hidden its handshake alone, `none` not even that. */
export type Cipher = "none" | "plaintext" | "rc4"

/** How to open a connection. */
export type Manner = "plain" | "encrypted"

/** Bits of `crypto_provide` and `crypto_select`. */
export const PLAINTEXT = 1
export const RC4 = 2

/** What we offer when we call encrypted. With RC4 alone nobody can choose the lesser for us. */
export const offered = (policy: Policy): number => policy === "allow" ? PLAINTEXT | RC4 : RC4

/** What we choose of a caller's offer: one bit, or 0 to refuse. */
export const selected = (policy: Policy, provided: number): number => {
  switch (policy) {
    case "require":
      return provided & RC4
    case "prefer":
      return provided & RC4 || provided & PLAINTEXT
    case "allow":
      return provided & PLAINTEXT || provided & RC4
    case "off":
      return 0
  }
}

/** How to call, the second after the first was refused; `known` is how this peer was reached before. */
export const manners = (policy: Policy, known: Manner | undefined): ReadonlyArray<Manner> => {
  if (policy === "require") return ["encrypted"]
  if (policy === "off") return ["plain"]
  const first = known ?? (policy === "prefer" ? "encrypted" : "plain")
  return first === "plain" ? ["plain", "encrypted"] : ["encrypted", "plain"]
}

/** What trackers are told, as other clients do: `supportcrypto` or `requirecrypto`. */
export const announced = (policy: Policy): "supported" | "required" | undefined =>
  policy === "off" ? undefined : policy === "require" ? "required" : "supported"
