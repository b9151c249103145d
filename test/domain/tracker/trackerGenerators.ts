import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import * as Bytes from "../../../src/domain/Bytes.ts"
import * as InfoHash from "../../../src/domain/InfoHash.ts"
import * as PeerId from "../../../src/domain/PeerId.ts"
import type { AnnounceRequest } from "../../../src/domain/tracker/Announce.ts"
import type { Sample } from "../../../src/domain/tracker/Announcing.ts"
import { bytes, int } from "../generators.ts"

const size = int(0, Number.MAX_SAFE_INTEGER)

export const infoHash = bytes(20, 20).pipe(Arbitrary.map(InfoHash.fromBytes))

export const request: Arbitrary.Arbitrary<AnnounceRequest> = Arbitrary.all({
  infoHash,
  peerId: bytes(20, 20).pipe(Arbitrary.map(PeerId.fromBytes)),
  port: int(1, 0xffff),
  uploaded: size,
  downloaded: size,
  left: Arbitrary.all([size, Arbitrary.schema(Schema.Boolean)]).pipe(Arbitrary.map(([n, all]) => all ? 0 : n)),
  event: Arbitrary.schema(Schema.UndefinedOr(Schema.Literals(["started", "completed", "stopped", "paused"]))),
  numWant: int(0, 1000),
  key: int(0, 0xffff_ffff),
  trackerId: bytes(1, 30).pipe(Arbitrary.map(Bytes.toLatin1))
})

/** A plain announce whose id and hash have bytes of every kind. */
export const EXAMPLE: AnnounceRequest = {
  infoHash: InfoHash.parse("123456789abcdef123456789abcdef123456789a")!,
  peerId: "-FR0100-abcdefghi+ ~" as PeerId.PeerId,
  port: 6881,
  uploaded: 1,
  downloaded: 2,
  left: 3,
  event: "started",
  numWant: 50,
  key: 0xabc,
  trackerId: undefined
}

/** Entries of some size end to end, none with port 0 and, over IPv6, none of IPv4. */
const packed = (entry: number): Arbitrary.Arbitrary<Uint8Array> =>
  Arbitrary.array(bytes(entry, entry), { maxLength: 60 }).pipe(
    Arbitrary.map((entries) =>
      Bytes.concat(entries.map((bytes) => {
        const out = bytes.slice()
        out[0]! |= 1
        out[entry - 1]! |= 1
        return out
      }))
    )
  )

export const sample: Arbitrary.Arbitrary<Sample> = Arbitrary.all({
  seeders: int(0, 1e6),
  leechers: int(0, 1e6),
  completed: int(0, 1e6),
  peers4: packed(6),
  peers6: packed(18)
}).pipe(
  Arbitrary.map(({ completed, leechers, peers4, peers6, seeders }) => ({
    seeders,
    leechers,
    completed,
    peers4,
    peers6,
    ids4: new Uint8Array((peers4.length / 6) * 20).fill(0x41),
    ids6: new Uint8Array((peers6.length / 18) * 20).fill(0x42)
  }))
)
