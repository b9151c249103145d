import { assert, describe, it } from "@effect/vitest"
import * as Policy from "../../../../src/domain/wire/mse/Policy.ts"

describe("an encryption policy", () => {
  it("chooses of every offer what it says, and nothing that was not offered", () => {
    const chosen = (policy: Policy.Policy) => [0, 1, 2, 3, 0xffff_fffc].map((offer) => Policy.selected(policy, offer))
    assert.deepStrictEqual(chosen("require"), [0, 0, 2, 2, 0])
    assert.deepStrictEqual(chosen("prefer"), [0, 1, 2, 2, 0])
    assert.deepStrictEqual(chosen("allow"), [0, 1, 2, 1, 0])
    assert.deepStrictEqual(chosen("off"), [0, 0, 0, 0, 0])
  })

  it("calls first as it was answered last, and never in a way that it excludes", () => {
    const first = (policy: Policy.Policy) =>
      ([undefined, "plain", "encrypted"] as const).map((known) => Policy.manners(policy, known).join(" "))
    const [plain, encrypted] = ["plain encrypted", "encrypted plain"]
    assert.deepStrictEqual(first("require"), ["encrypted", "encrypted", "encrypted"])
    assert.deepStrictEqual(first("prefer"), [encrypted, plain, encrypted])
    assert.deepStrictEqual(first("allow"), [plain, plain, encrypted])
    assert.deepStrictEqual(first("off"), ["plain", "plain", "plain"])
  })
})
