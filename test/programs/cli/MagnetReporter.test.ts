import { assert, describe, it } from "@effect/vitest"
import { lineOf } from "../../../src/programs/cli/MagnetReporter.ts"
import type { Progress } from "../../../src/services/Metadata.ts"

const IDLE: Progress = { peers: 0, givers: 0, received: 0, size: undefined, isLayers: false, tooLarge: undefined }

describe("the line of a magnet link", () => {
  it("says what is there, or what is waited for", () => {
    const lines = [
      IDLE,
      { ...IDLE, peers: 1 },
      { ...IDLE, peers: 2, tooLarge: 2 ** 30 },
      { ...IDLE, peers: 5, givers: 3, received: 16_384, size: 49_152 },
      { ...IDLE, peers: 5, received: 49_152, size: 49_152, isLayers: true }
    ].map((progress) => lineOf("x\x1b[2J", progress))
    for (const line of lines) assert.notInclude(line, "\x1b")
    assert.include(lines[0], "waiting for a peer")
    assert.match(lines[1]!, /waiting for a peer that has it {2}1 peer$/)
    assert.match(lines[2]!, /1\.0 GiB is over the limit of --max-torrent-size/)
    assert.match(lines[3]!, /metadata 16\.0\/48\.0 KiB {2}peers 5, 3 with metadata/)
    assert.match(lines[4]!, /waiting for its piece hashes/)
  })
})
