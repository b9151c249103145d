/** All torrents that a tracker lists, found by info hash, by name and by words of a name. */
import * as InfoHash from "../InfoHash.ts"
import * as InfoHashV2 from "../InfoHashV2.ts"
import * as SafePath from "../SafePath.ts"
import { type Listing, swarmsOf } from "./Listing.ts"

interface Known {
  readonly listing: Listing
  /** The name as {@link SafePath.fold} makes it. */
  readonly folded: string
}

const newestFirst = (a: Known, b: Known): number => b.listing.publishedAt - a.listing.publishedAt

/** Shorter words are looked for in names alone: any few digits begin some info hash. */
const HASH_WORD = 8

const isHashOf = ({ infoHash, infoHashV2 }: Listing, word: string): boolean =>
  word.length >= HASH_WORD && (infoHash.startsWith(word) || infoHashV2?.startsWith(word) === true)

/** The listings of the first of these tests that any passes. */
const firstThatFit = (
  known: ReadonlyArray<Known>,
  tests: ReadonlyArray<(known: Known) => boolean>
): ReadonlyArray<Listing> => {
  for (const test of tests) {
    const found = known.filter(test)
    if (found.length > 0) return found.map(({ listing }) => listing)
  }
  return []
}

export class Listings {
  private readonly known = new Map<InfoHash.InfoHash, Known>()
  /** The info hash of a hybrid by its other one. */
  private readonly aliases = new Map<InfoHash.InfoHash, InfoHash.InfoHash>()
  private ordered: ReadonlyArray<Known> | undefined

  get count(): number {
    return this.known.size
  }

  add(listing: Listing): void {
    this.known.set(listing.infoHash, { listing, folded: SafePath.fold(listing.name) })
    const [, other] = swarmsOf(listing)
    if (other !== undefined) this.aliases.set(other, listing.infoHash)
    this.ordered = undefined
  }

  remove(infoHash: InfoHash.InfoHash): void {
    const listing = this.get(infoHash)
    if (listing === undefined) return
    this.known.delete(listing.infoHash)
    const [, other] = swarmsOf(listing)
    if (other !== undefined) this.aliases.delete(other)
    this.ordered = undefined
  }

  /** A hybrid is known by both its hashes. */
  has(infoHash: InfoHash.InfoHash): boolean {
    return this.known.has(infoHash) || this.aliases.has(infoHash)
  }

  get(infoHash: InfoHash.InfoHash): Listing | undefined {
    return (this.known.get(infoHash) ?? this.known.get(this.aliases.get(infoHash) ?? infoHash))?.listing
  }

  /** By the whole hash of version 2, of which torrents are known by the beginning. */
  getV2(infoHashV2: InfoHashV2.InfoHashV2): Listing | undefined {
    const listing = this.get(InfoHash.truncate(infoHashV2))
    return listing?.infoHashV2 === infoHashV2 ? listing : undefined
  }

  /** The newest first, as in all answers. */
  all(): ReadonlyArray<Listing> {
    return this.sorted().map(({ listing }) => listing)
  }

  /**
   * What a user means by this name, by the first of these that finds any: the very name, an info hash, the name in other
   * case, names that begin so in whatever case. Case is told apart as on the least particular file system
   * ({@link SafePath.fold}), and characters that no safe name has count as what stands for them in safe names.
   */
  named(text: string): ReadonlyArray<Listing> {
    if (text === "") return []
    const name = SafePath.component(text)
    const infoHash = InfoHash.parse(text)
    const infoHashV2 = InfoHashV2.parse(text)
    const isMeant = (listing: Listing): boolean =>
      (infoHash !== undefined && swarmsOf(listing).includes(infoHash)) ||
      (infoHashV2 !== undefined && listing.infoHashV2 === infoHashV2)
    const folded = SafePath.fold(name)
    // As a whole name, `con` of `console.log` would be a device, and `a.` of `a.txt` would lose its dot.
    const beginning = SafePath.fold(SafePath.beginning(text))
    return firstThatFit(this.sorted(), [
      ({ listing }) => listing.name === name,
      ({ listing }) => isMeant(listing),
      (known) => known.folded === folded,
      (known) => known.folded.startsWith(beginning)
    ])
  }

  /** Those whose names hold all the words, in any order and case; a long word may also begin the info hash. */
  search(text: string): ReadonlyArray<Listing> {
    const words = SafePath.fold(text).split(/\s+/).filter((word) => word !== "")
    if (words.length === 0) return this.all()
    return this.sorted().flatMap(({ folded, listing }) =>
      words.every((word) => folded.includes(word) || isHashOf(listing, word)) ? [listing] : []
    )
  }

  private sorted(): ReadonlyArray<Known> {
    // Of those of one moment the last to come is the newest.
    this.ordered ??= Array.from(this.known.values()).toReversed().sort(newestFirst)
    return this.ordered
  }
}

/** What those may see who do not keep it. */
export type ReadonlyListings = Pick<Listings, "all" | "count" | "get" | "getV2" | "has" | "named" | "search">
