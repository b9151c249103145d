import { assert, describe, it } from "@effect/vitest"
import type { TorrentState } from "../../../src/domain/swarm/Diagnosis.ts"
import { type News, StallWatch } from "../../../src/programs/cli/StallWatch.ts"

const stalled = (peers: number): TorrentState => ({ _tag: "Stalled", cause: { _tag: "AllChoke", peers } })
const alone: TorrentState = { _tag: "Stalled", cause: { _tag: "Connecting", peers: 1 } }
const downloading: TorrentState = { _tag: "Downloading" }

const tell = (news: News): string => news === undefined ? "" : news === "Moving" ? news : news.cause._tag

/** What is told at each second. */
const story = (looks: ReadonlyArray<readonly [downloaded: number, state: TorrentState]>): Array<string> => {
  const watch = new StallWatch()
  return looks.flatMap(([downloaded, state], second) => {
    const news = tell(watch.look({ downloaded, state }, second * 1000))
    return news === "" ? [] : [`${second} ${news}`]
  })
}

const times = <A>(count: number, value: A): Array<A> => Array.from({ length: count }, () => value)

describe("StallWatch", () => {
  it("tells a cause after ten seconds without a byte, once, and another cause at once", () => {
    const looks = [...times(15, [5, stalled(3)] as const), ...times(5, [5, stalled(4)] as const), [5, alone] as const]
    assert.deepStrictEqual(story(looks), ["10 AllChoke", "20 Connecting"])
  })

  it("tells that it moves, if it was told to stand, and waits anew", () => {
    const looks = [...times(11, [5, alone] as const), ...times(11, [6, alone] as const)]
    assert.deepStrictEqual(story(looks), ["10 Connecting", "11 Moving", "21 Connecting"])
  })

  it("tells nothing of a download that goes on, or of a short stop", () => {
    assert.deepStrictEqual(story(times(40, [5, downloading] as const)), [])
    assert.deepStrictEqual(
      story([...times(9, [5, alone] as const), [6, downloading], ...times(9, [6, alone] as const)]),
      []
    )
  })
})
