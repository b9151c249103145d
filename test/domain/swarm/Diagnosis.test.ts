import { assert, describe, it } from "@effect/vitest"
import { BLOCK } from "../../../src/domain/PieceLayout.ts"
import * as Diagnosis from "../../../src/domain/swarm/Diagnosis.ts"
import * as PeerState from "../../../src/domain/swarm/PeerState.ts"
import * as StallCause from "../../../src/domain/swarm/StallCause.ts"
import { TokenBucket } from "../../../src/domain/swarm/TokenBucket.ts"
import { below, randomOf, seed } from "./seeded.ts"
import { SwarmModel } from "./swarmModel.ts"

const NOTHING_KNOWN: Diagnosis.Facts = {
  trackerCount: 0,
  trackers: [],
  known: 0,
  blocked: 0,
  dialling: 0,
  failed: 0,
  refusal: undefined,
  banned: 0,
  limit: Infinity,
  isLimited: false,
  memoryLimit: 1 << 25
}

const model = (options: Partial<ConstructorParameters<typeof SwarmModel>[0]> = {}) =>
  new SwarmModel({ random: randomOf(1), pieces: 6, ...options })

const causeOf = ({ now, swarm }: SwarmModel, facts: Partial<Diagnosis.Facts> = {}): StallCause.StallCause => {
  const state = Diagnosis.of(swarm, { ...NOTHING_KNOWN, ...facts }, now)
  if (state._tag !== "Stalled") return assert.fail(`is ${state._tag}`)
  return state.cause
}

const tracker = (message: string, nextInMs = 30_000): Diagnosis.TrackerFact => ({
  url: "http://t/announce",
  result: message === "" ? "ok" : "error",
  message,
  peers: 0,
  nextInMs
})

describe("Diagnosis", () => {
  it("of a magnet link says who has the metadata, and else whom it could have asked", () => {
    const metadata = { peers: 2, givers: 0, received: 0, size: undefined, isLayers: false, tooLarge: undefined }
    const table: ReadonlyArray<readonly [Partial<Diagnosis.MetadataFacts>, StallCause.StallCause, RegExp]> = [
      [{ peers: 0 }, { _tag: "NobodyAnswers", tried: 1, refusal: undefined }, /the only peer tried does not answer/],
      [{}, { _tag: "NobodyHasMetadata", peers: 2 }, /none of 2 peers has the metadata/],
      [{ peers: 1 }, { _tag: "NobodyHasMetadata", peers: 1 }, /the only peer has no metadata/],
      [{ tooLarge: 1 << 30 }, { _tag: "MetadataTooLarge", size: 1 << 30 }, /1\.0 GiB is over the limit/],
      [{ tooLarge: 1 << 30, givers: 1 }, { _tag: "WaitingForMetadata", peers: 1 }, /1 peer with the metadata sends/],
      [{ givers: 2, size: 9 }, { _tag: "WaitingForMetadata", peers: 2 }, /2 peers with the metadata send nothing/],
      [{ isLayers: true }, { _tag: "WaitingForHashes", peers: 2 }, /none of 2 peers gives the piece hashes/]
    ]
    for (const [changes, cause, words] of table) {
      const state = Diagnosis.ofMetadata({ ...metadata, ...changes }, { ...NOTHING_KNOWN, failed: 1 })
      const { size } = { ...metadata, ...changes }
      assert.deepStrictEqual(state, { _tag: "Metadata", received: 0, size, cause })
      assert.include(StallCause.TAGS, cause._tag)
      assert.match(StallCause.text(cause), words)
    }
  })

  it("of a torrent with nobody connected names whom it could have asked", () => {
    const table: ReadonlyArray<readonly [Partial<Diagnosis.Facts>, StallCause.StallCause, RegExp]> = [
      [{}, { _tag: "NoPeersKnown", trackers: 0, nextInMs: undefined }, /no tracker to ask/],
      [
        { trackerCount: 1, trackers: [tracker("")] },
        { _tag: "NoPeersKnown", trackers: 1, nextInMs: 30_000 },
        /asked again in 30s/
      ],
      [
        { trackerCount: 1, trackers: [tracker("tracker http://t: refused: go away")] },
        { _tag: "TrackerSays", message: "tracker http://t: refused: go away", nextInMs: 30_000 },
        /go away; asked again in 30s/
      ],
      [
        { trackerCount: 2, trackers: [tracker("refused", Infinity), tracker("", 1_760_600)] },
        { _tag: "NoPeersKnown", trackers: 2, nextInMs: 1_760_600 },
        /knows a peer; asked again in 29m21s$/
      ],
      [{ known: 3, dialling: 2 }, { _tag: "Connecting", peers: 2 }, /calling 2 peers/],
      [{ known: 3 }, { _tag: "Connecting", peers: 3 }, /calling 3 peers/],
      [
        { known: 3, failed: 3, refusal: "connection refused", dialling: 1 },
        { _tag: "NobodyAnswers", tried: 3, refusal: "connection refused" },
        /none of 3 peers answers: connection refused/
      ],
      [{ blocked: 1, trackerCount: 1 }, { _tag: "OnlyBlocked", peers: 1 }, /only peer known is on the blocklist/],
      [{ blocked: 2, known: 1 }, { _tag: "Connecting", peers: 1 }, /calling 1 peer/],
      [{ banned: 2 }, { _tag: "OnlyBadPeers", banned: 2 }, /all 2 peers known are banned/]
    ]
    for (const [facts, cause, words] of table) {
      assert.deepStrictEqual(causeOf(model(), facts), cause)
      assert.match(StallCause.text(cause), words)
    }
  })

  it("names the trouble of a web seed where a web seed could help", () => {
    const trouble = "web seed http://w/ is given up"
    const text = (facts: Partial<Diagnosis.Facts>) => StallCause.text(causeOf(model(), facts), trouble)
    assert.strictEqual(text({}), trouble)
    assert.strictEqual(text({ trackerCount: 1 }), `no tracker knows a peer; ${trouble}`)
    assert.strictEqual(text({ failed: 1 }), `the only peer tried does not answer; ${trouble}`)
    assert.strictEqual(StallCause.text({ _tag: "AllChoke", peers: 2 }, trouble), "all 2 peers choke us")
  })

  it("says which piece nobody has", () => {
    const swarm = model()
    swarm.joinWith([])
    assert.deepStrictEqual(causeOf(swarm), { _tag: "NobodyHas", piece: 0, others: 5, peers: 1 })
    const some = model({ have: [0, 1, 2, 4, 5] })
    for (let n = 0; n < 3; n++) some.joinWith([0, 1, 2])
    const cause = causeOf(some)
    assert.deepStrictEqual(cause, { _tag: "NobodyHas", piece: 3, others: 0, peers: 3 })
    assert.strictEqual(StallCause.text(cause), "none of 3 peers has piece 3")
  })

  it("says that all choke us, of those who have what is missing", () => {
    const swarm = model()
    swarm.joinWith([])
    for (let n = 0; n < 14; n++) swarm.swarm.choke(swarm.joinSeed().peer, 0)
    const cause = causeOf(swarm)
    assert.deepStrictEqual(cause, { _tag: "AllChoke", peers: 14 })
    assert.strictEqual(StallCause.text(cause), "all 14 peers choke us")
  })

  it("says that peers who were asked send nothing", () => {
    const swarm = model()
    const { peer } = swarm.joinSeed()
    assert.deepStrictEqual(causeOf(swarm), { _tag: "WaitingForPeers", peers: 1, blocks: peer.outstanding })
  })

  it("says that memory is spent, when neither the disk nor a peer is to blame", () => {
    const swarm = model({ memory: 2 * BLOCK })
    const holder = swarm.joinWith([0])
    swarm.leave(holder)
    assert.strictEqual(swarm.swarm.board.open.size, 1)
    swarm.joinWith([1])
    const cause = causeOf(swarm)
    assert.deepStrictEqual(cause, { _tag: "MemorySpent", limit: NOTHING_KNOWN.memoryLimit })
    assert.match(StallCause.text(cause), /no memory is free .* 32\.0 MiB/)
  })

  it("says that the disk is behind", () => {
    const disk = model({ pieces: 1 })
    const member = disk.joinSeed()
    disk.answer(member, 100)
    disk.now += 20_000
    assert.deepStrictEqual(causeOf(disk), { _tag: "DiskBehind", pieces: 1 })
    const full = model({ memory: 2 * 2 * BLOCK })
    const giver = full.joinSeed()
    for (let n = 0; n < 10; n++) full.answer(giver, 100)
    full.now += 20_000
    assert.deepStrictEqual(causeOf(full), { _tag: "DiskBehind", pieces: 2 })
  })

  it("says that the limit holds everything back", () => {
    const swarm = model({ rate: 0 })
    swarm.joinSeed()
    assert.deepStrictEqual(causeOf(swarm, { limit: 0, isLimited: true }), { _tag: "DownloadLimit", rate: 0 })
    assert.deepStrictEqual(causeOf(swarm, { limit: 1000, isLimited: false }), { _tag: "DownloadLimit", rate: 1000 })
    assert.isTrue(Diagnosis.isLimiting(new TokenBucket(0, 0), 0, 0))
    assert.isFalse(Diagnosis.isLimiting(new TokenBucket(Infinity, 0), 1e9, 0))
    assert.isFalse(Diagnosis.isLimiting(new TokenBucket(1000, 0), 800, 0))
    assert.isTrue(Diagnosis.isLimiting(new TokenBucket(1000, 0), 950, 0))
  })

  it("is downloading while bytes come, and done at the end", () => {
    const swarm = model({ pieces: 1 })
    const member = swarm.joinSeed()
    swarm.answer(member, 1)
    assert.deepStrictEqual(Diagnosis.of(swarm.swarm, NOTHING_KNOWN, swarm.now), { _tag: "Downloading" })
    swarm.answer(member, 1)
    swarm.settle()
    assert.deepStrictEqual(Diagnosis.of(swarm.swarm, NOTHING_KNOWN, swarm.now), { _tag: "Done" })
  })

  it.prop("has an answer with words for every torrent and every peer, whatever happens", [seed], ([seed]) => {
    const random = randomOf(seed)
    const swarm = new SwarmModel({
      random,
      pieces: 1 + below(random, 6),
      memory: random() < 0.5 ? 3 * BLOCK : 1e9,
      rate: random() < 0.3 ? below(random, 100_000) : Infinity
    })
    const some = () => Array.from({ length: swarm.layout.pieces }, (_, piece) => piece).filter(() => random() < 0.5)
    for (let step = 0; step < 60; step++) {
      const member = swarm.members[below(random, swarm.members.length || 1)]
      const act = below(random, 9)
      if (member === undefined || act === 0) swarm.joinWith(some())
      if (member === undefined) continue
      if (act === 1) swarm.leave(member)
      else if (act === 2) {
        swarm.end(member)
        swarm.swarm.choke(member.peer, swarm.now)
        swarm.end(member)
      } else if (act === 3) swarm.swarm.unchoke(member.peer)
      else if (act === 4) swarm.swarm.interested(member.peer, swarm.now)
      else if (act === 5) swarm.swarm.unchokePeer(member.peer, swarm.now)
      else if (act === 6) swarm.settle()
      else if (act === 7) swarm.tick(1000 * below(random, 40))
      else if (act === 8) swarm.answer(member, below(random, 8))
      swarm.spill()
      const facts = {
        ...NOTHING_KNOWN,
        known: below(random, 3),
        failed: below(random, 2),
        dialling: below(random, 2),
        banned: below(random, 2),
        trackers: random() < 0.5 ? [] : [tracker(random() < 0.5 ? "" : "no")],
        isLimited: random() < 0.2
      }
      const state = Diagnosis.of(swarm.swarm, facts, swarm.now)
      assert.strictEqual(state._tag === "Done", swarm.swarm.isDone)
      if (state._tag === "Stalled") {
        const { cause } = state
        assert.include(StallCause.TAGS, cause._tag)
        assert.match(StallCause.text(cause), /^[a-z0-9][^\n]{5,}$/)
        if (cause._tag === "AllChoke") {
          assert.isTrue(swarm.members.every(({ peer }) => peer.peerChoking || peer.wants === 0))
        }
        if (cause._tag === "NobodyHas") {
          assert.isTrue(swarm.members.every(({ peer }) => peer.wants === 0))
        }
      }
      for (const { peer } of swarm.members) {
        const state = PeerState.of(peer, { unread: below(random, 2), isLimited: random() < 0.2 }, swarm.now)
        assert.include(PeerState.TAGS, state._tag)
        assert.match(PeerState.text(state), /^[a-z][^\n]{3,}$/)
        assert.match(PeerState.flags(peer), /^[DdUuISP]{0,5}$/)
      }
    }
  })
})
