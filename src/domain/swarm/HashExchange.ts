/**
 * Who was asked for which hashes of a version 2 tree (BEP 52). An answer counts only when it was asked for and proves itself
 * up to a node that is known; whoever sends another is no peer to keep. A question stays open until its peer has answered or
 * is gone, so that a late answer is still one that was asked for.
 */
import * as Merkle from "../Merkle.ts"
import * as HashMessage from "../wire/HashMessage.ts"
import type { Peer } from "./Peer.ts"

/** Time for an answer (ms), before somebody else is asked. */
const ANSWER_MS = 5000

/** Nodes that are wanted, and the node above them that is known. */
export interface Question<Subject> {
  /** What the asker wants them for. */
  readonly subject: Subject
  readonly range: HashMessage.HashRange
  /** The known node. */
  readonly top: Uint8Array
  /** Nodes of the base layer under `top`, a power of two. */
  readonly width: number
}

interface Open<Subject> {
  readonly question: Question<Subject>
  readonly askedAt: number
  isLate: boolean
}

interface Record<Subject> {
  readonly open: Array<Open<Subject>>
  proven: number
  refused: number
}

/** What became of a `hashes` message; `nodes` is a view of what was passed in. */
export type Answer<Subject> =
  | "Unasked"
  | "Lie"
  | { readonly subject: Subject; readonly nodes: Uint8Array; readonly wasLate: boolean }

/** A run of `length` nodes, with as many proof layers as lead to the node over `width` of them. */
export const rangeOf = (
  root: Uint8Array,
  base: number,
  index: number,
  length: number,
  width: number
): HashMessage.HashRange => ({
  root,
  base,
  index,
  length,
  proofLayers: length === width ? 0 : Math.log2(width) - 1
})

export class HashExchange<Subject> {
  readonly #records = new Map<Peer, Record<Subject>>()

  /** Whether the peer understands another question and has room for it; late ones count. */
  mayAsk(peer: Peer): boolean {
    return peer.v2 && (this.#records.get(peer)?.open.length ?? 0) < HashMessage.MOST_OPEN
  }

  /** Answers that may still come of the peer, late ones among them. */
  owedBy(peer: Peer): number {
    return this.#records.get(peer)?.open.length ?? 0
  }

  /** Whether the peer has still to answer something in time, and so may have room for another question by and by. */
  isAnswering(peer: Peer): boolean {
    return this.#records.get(peer)?.open.some(({ isLate }) => !isLate) ?? false
  }

  /** How little is to be expected of the peer: it refuses, or does not answer at all. -1 when it has answered well before. */
  reluctance(peer: Peer): number {
    const record = this.#records.get(peer)
    return record === undefined ? 0 : Math.max(-1, record.refused + record.open.length - record.proven)
  }

  /** Puts the question into the peer's outbox. */
  ask(peer: Peer, question: Question<Subject>, now: number): void {
    let record = this.#records.get(peer)
    if (record === undefined) this.#records.set(peer, record = { open: [], proven: 0, refused: 0 })
    record.open.push({ question, askedAt: now, isLate: false })
    peer.outbox.hashRequest(question.range)
  }

  /** The peer sent `hashes`, of the length that the range says. */
  answered(peer: Peer, range: HashMessage.HashRange, hashes: Uint8Array): Answer<Subject> {
    const record = this.#records.get(peer)
    const at = find(record, range)
    if (record === undefined || at < 0) return "Unasked"
    const { isLate, question: { subject, top, width } } = record.open[at]!
    const nodes = hashes.subarray(0, range.length * Merkle.HASH)
    const uncles = hashes.subarray(range.length * Merkle.HASH)
    if (!Merkle.verifyProof(top, width, range.index % width, nodes, uncles)) return "Lie"
    record.open.splice(at, 1)
    record.proven++
    return { subject, nodes, wasLate: isLate }
  }

  /** The peer will not answer. Returns what was asked for, unless nothing was or it was given up already. */
  rejected(peer: Peer, range: HashMessage.HashRange): Subject | undefined {
    const record = this.#records.get(peer)
    const at = find(record, range)
    if (record === undefined || at < 0) return undefined
    record.refused++
    const [open] = record.open.splice(at, 1)
    return open!.isLate ? undefined : open!.question.subject
  }

  /** The peer is gone, or its answers are worth nothing; returns what it still owed. */
  left(peer: Peer): ReadonlyArray<Subject> {
    const open = this.#records.get(peer)?.open ?? []
    this.#records.delete(peer)
    return open.flatMap(({ isLate, question }) => isLate ? [] : [question.subject])
  }

  /** The questions that nobody need wait for any longer, each told once. */
  expire(now: number): ReadonlyArray<readonly [Peer, Subject]> {
    const expired: Array<readonly [Peer, Subject]> = []
    for (const [peer, { open }] of this.#records) {
      for (const each of open) {
        if (each.isLate || now - each.askedAt < ANSWER_MS) continue
        each.isLate = true
        expired.push([peer, each.question.subject])
      }
    }
    return expired
  }
}

const find = <Subject>(record: Record<Subject> | undefined, range: HashMessage.HashRange): number =>
  record?.open.findIndex(({ question }) => HashMessage.same(question.range, range)) ?? -1
