/**
 * Reads and hashes the runs of a task, all in one thread and without a turn of its event loop: a worker that does so hashes
 * 3.7 GB/s on two cores where asynchronous reads and WebCrypto come to 2.5-2.9.
 */
import { createHash, type Hash } from "node:crypto"
import * as fs from "node:fs"
import * as Digest from "../../domain/Digest.ts"
import * as Merkle from "../../domain/Merkle.ts"
import * as PieceLayout from "../../domain/PieceLayout.ts"
import * as SystemCode from "../SystemCode.ts"
import * as HashTask from "./HashTask.ts"

/** Why a file of the task could not be read. */
export interface Trouble {
  readonly reason: "Disappeared" | "Shortened" | "Unreadable"
  /** A character for each byte. */
  readonly path: string
  /** Of the system. */
  readonly code: string | undefined
}

/** What came of a run. Its hashes stand in the task. */
export interface Outcome {
  readonly run: number
  /** Pieces whose bytes are not all there. */
  readonly unread: ReadonlyArray<number>
  /** The job cannot go on. */
  readonly trouble: Trouble | undefined
}

/** Bytes read at once: what a core's own cache holds until it is hashed. */
const CHUNK = 256 * 1024

/** No pipe that took the place of a file makes this wait for a writer. */
const OPEN = fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0)

const GONE = new Set(["ENOENT", "ENOTDIR", "EISDIR", "ELOOP"])

class Stop {
  readonly trouble: Trouble
  /** Bytes of the span that had been read. */
  readonly read: number
  constructor(trouble: Trouble, read = 0) {
    this.trouble = trouble
    this.read = read
  }
}

export class RunHasher {
  readonly #task: HashTask.HashTask
  readonly #buffer: Uint8Array
  /** The file of the last read, since the next read is mostly of the same. */
  #opened: { readonly file: number; readonly descriptor: number } | undefined

  constructor(task: HashTask.HashTask) {
    this.#task = task
    this.#buffer = new Uint8Array(CHUNK)
  }

  hash(run: number): Outcome {
    const unread: Array<number> = []
    try {
      const { end, first } = HashTask.piecesOf(this.#task, run)
      const perChunk = Math.floor(CHUNK / this.#task.layout.pieceLength)
      for (let at = first; at < end; at += Math.max(1, perChunk)) {
        if (perChunk === 0) this.#hashLong(at, unread)
        else this.#hashShort(at, Math.min(end, at + perChunk), unread)
      }
      return { run, unread, trouble: undefined }
    } catch (stop) {
      if (stop instanceof Stop) return { run, unread, trouble: stop.trouble }
      throw stop
    }
  }

  close(): void {
    if (this.#opened !== undefined) fs.closeSync(this.#opened.descriptor)
    this.#opened = undefined
  }

  /** Pieces that are read together. */
  #hashShort(first: number, end: number, unread: Array<number>): void {
    const { layout } = this.#task
    const start = PieceLayout.pieceOffset(layout, first)
    const length = PieceLayout.pieceOffset(layout, end - 1) + PieceLayout.pieceSize(layout, end - 1) - start
    const broken = new Set<number>()
    for (const { from, to } of this.#fill(start, length)) {
      const last = Math.floor((start + to - 1) / layout.pieceLength)
      for (let piece = Math.floor((start + from) / layout.pieceLength); piece <= last; piece++) broken.add(piece)
    }
    for (let piece = first; piece < end; piece++) {
      const at = PieceLayout.pieceOffset(layout, piece) - start
      if (broken.has(piece)) unread.push(piece)
      else this.#digest(piece, this.#buffer.subarray(at, at + PieceLayout.pieceSize(layout, piece)))
    }
  }

  #digest(piece: number, bytes: Uint8Array): void {
    const { roots, sha1 } = this.#task
    if (sha1.length > 0) Digest.writeSha1(bytes, sha1, piece * Digest.SHA1_BYTES)
    if (roots.length > 0) this.#setRoot(piece, Merkle.leaves(bytes.subarray(0, this.#dataSize(piece))))
  }

  /** A piece that is more than one read. */
  #hashLong(piece: number, unread: Array<number>): void {
    const { layout, roots, sha1 } = this.#task
    const start = PieceLayout.pieceOffset(layout, piece)
    const size = PieceLayout.pieceSize(layout, piece)
    const whole: Hash | undefined = sha1.length > 0 ? createHash("sha1") : undefined
    const dataSize = roots.length > 0 ? this.#dataSize(piece) : 0
    const leaves = new Uint8Array(Math.ceil(dataSize / PieceLayout.BLOCK) * Merkle.HASH)
    for (let at = 0; at < size; at += CHUNK) {
      const bytes = this.#buffer.subarray(0, Math.min(CHUNK, size - at))
      if (this.#fill(start + at, bytes.length).length > 0) {
        unread.push(piece)
        return
      }
      whole?.update(bytes)
      if (at < dataSize) {
        leaves.set(Merkle.leaves(bytes.subarray(0, dataSize - at)), at / PieceLayout.BLOCK * Merkle.HASH)
      }
    }
    if (whole !== undefined) sha1.set(whole.digest(), piece * Digest.SHA1_BYTES)
    if (roots.length > 0) this.#setRoot(piece, leaves)
  }

  #setRoot(piece: number, leaves: Uint8Array): void {
    this.#task.roots.set(Merkle.root(leaves, 2 ** this.#task.heights[piece]!), piece * Merkle.HASH)
  }

  /** Bytes of a piece up to its padding, which is no part of any tree. */
  #dataSize(piece: number): number {
    const { files, layout } = this.#task
    const spans = PieceLayout.spans(files, PieceLayout.pieceOffset(layout, piece), PieceLayout.pieceSize(layout, piece))
    return spans.reduce((size, { file, length }) => files[file]!.padding ? size : size + length, 0)
  }

  /** Reads a range of the payload into the buffer; what is not there is left out, where the task allows it. */
  #fill(start: number, length: number): ReadonlyArray<{ readonly from: number; readonly to: number }> {
    const { files, skipMissing } = this.#task
    const holes: Array<{ readonly from: number; readonly to: number }> = []
    for (const span of PieceLayout.spans(files, start, length)) {
      const { at, file } = span
      if (files[file]!.padding) {
        this.#buffer.fill(0, at, at + span.length)
        continue
      }
      try {
        this.#read(span)
      } catch (stop) {
        if (!(stop instanceof Stop) || !skipMissing || stop.trouble.reason === "Unreadable") throw stop
        holes.push({ from: at + stop.read, to: at + span.length })
      }
    }
    return holes
  }

  #read({ at, file, length, position }: PieceLayout.Span): void {
    const descriptor = this.#open(file)
    for (let done = 0; done < length;) {
      let count: number
      try {
        count = fs.readSync(descriptor, this.#buffer, at + done, length - done, position + done)
      } catch (cause) {
        throw this.#stop(file, cause)
      }
      if (count === 0) {
        throw new Stop({ reason: "Shortened", path: this.#task.files[file]!.path, code: undefined }, done)
      }
      done += count
    }
  }

  #open(file: number): number {
    if (this.#opened?.file === file) return this.#opened.descriptor
    this.close()
    try {
      const descriptor = fs.openSync(Buffer.from(this.#task.files[file]!.path, "latin1"), OPEN)
      this.#opened = { file, descriptor }
      return descriptor
    } catch (cause) {
      throw this.#stop(file, cause)
    }
  }

  #stop(file: number, cause: unknown): Stop {
    const code = SystemCode.of(cause)
    const isGone = code !== undefined && GONE.has(code)
    return new Stop({ reason: isGone ? "Disappeared" : "Unreadable", path: this.#task.files[file]!.path, code })
  }
}
