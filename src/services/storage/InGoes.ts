/** The files of a torrent of many, dealt with by the clerk some hundred in a go. */
import * as Effect from "effect/Effect"
import * as path from "node:path"
import * as Bytes from "../../domain/Bytes.ts"
import type * as Metainfo from "../../domain/Metainfo.ts"
import type * as Resume from "../../domain/Resume.ts"
import type { Clerk } from "./Clerk.ts"
import * as FileStoreError from "./FileStoreError.ts"
import type * as SmallFiles from "./SmallFiles.ts"

type Error = FileStoreError.FileStoreError

/** Files of one task: the thread takes some ms for them, after which an interruption is heard. */
const GO = 512

/** What is in the place of a file, or why that cannot be told. */
export type Look = Resume.FileStat | undefined | Error

export const isError = (look: Look): look is Error => look instanceof FileStoreError.FileStoreError

/** Bytes of a file. */
export interface Span {
  readonly file: number
  readonly position: number
  readonly bytes: Uint8Array
}

const toError = ({ code, operation, path, reason }: SmallFiles.Trouble): Error =>
  reason === "System"
    ? FileStoreError.from({ code }, path, operation)
    : FileStoreError.make(FileStoreError.Reason[reason]({ path }))

const chunks = <A>(all: ReadonlyArray<A>): ReadonlyArray<ReadonlyArray<A>> =>
  Array.from({ length: Math.ceil(all.length / GO) }, (_, i) => all.slice(i * GO, (i + 1) * GO))

export class InGoes {
  readonly #clerk: Clerk
  readonly #root: string
  readonly #files: Metainfo.Metainfo["files"]
  readonly #onCreated: (folder: string) => void

  /** @param onCreated is told of folders with new entries */
  constructor(clerk: Clerk, root: string, files: Metainfo.Metainfo["files"], onCreated: (folder: string) => void) {
    this.#clerk = clerk
    this.#root = root
    this.#files = files
    this.#onCreated = onCreated
  }

  #task(what: SmallFiles.Task["what"], files: ReadonlyArray<number>): SmallFiles.Task {
    return { what, root: this.#root, files: files.map((file) => this.#files[file]!.path.join(path.sep)) }
  }

  #perform(task: SmallFiles.Task, done: (outcome: SmallFiles.Outcome) => void): void {
    this.#clerk.perform(task, (outcome) => {
      outcome.created.forEach(this.#onCreated)
      done(outcome)
    })
  }

  #go(what: SmallFiles.Task["what"], files: ReadonlyArray<number>): Effect.Effect<SmallFiles.Outcome> {
    return Effect.uninterruptible(
      Effect.callback((resume) => this.#perform(this.#task(what, files), (outcome) => resume(Effect.succeed(outcome))))
    )
  }

  #each(what: "create" | "sync", files: ReadonlyArray<number>): Effect.Effect<void, Error> {
    const go = (some: ReadonlyArray<number>) =>
      Effect.flatMap(
        this.#go(what, some),
        ({ troubles: [trouble] }) => trouble === undefined ? Effect.void : Effect.fail(toError(trouble))
      )
    return Effect.forEach(chunks(files), go, { discard: true })
  }

  /** Makes those that are not there. */
  readonly create = (files: ReadonlyArray<number>): Effect.Effect<void, Error> => this.#each("create", files)

  readonly sync = (files: ReadonlyArray<number>): Effect.Effect<void, Error> => this.#each("sync", files)

  readonly looks = (files: ReadonlyArray<number>): Effect.Effect<ReadonlyArray<Look>> => {
    const go = (some: ReadonlyArray<number>) =>
      Effect.map(this.#go("look", some), ({ lengths, mtimes, troubles }) => {
        const looks = some.map((_, i): Look =>
          lengths[i] === -1 ? undefined : { length: lengths[i]!, mtimeNs: mtimes[i]! }
        )
        for (const trouble of troubles) looks[trouble.index] = toError(trouble)
        return looks
      })
    return Effect.map(Effect.forEach(chunks(files), go), (looks) => looks.flat())
  }

  /**
   * Writes or reads these bytes.
   *
   * @param onWritten is told of each file whose bytes are written, also when others are not
   * @param done is told of the first trouble
   */
  readonly move = (
    spans: ReadonlyArray<Span>,
    write: boolean,
    onWritten: (file: number) => void,
    done: (error?: Error) => void
  ): void => {
    const task = {
      ...this.#task(write ? "write" : "read", spans.map(({ file }) => file)),
      positions: spans.map(({ position }) => position),
      lengths: spans.map(({ bytes }) => bytes.length),
      ...(write ? { bytes: Bytes.concat(spans.map(({ bytes }) => bytes)) } : {})
    }
    this.#perform(task, (outcome) => {
      for (const { file } of spans.slice(0, outcome.written)) onWritten(file)
      const trouble = outcome.troubles[0]
      if (trouble !== undefined) return done(toError(trouble))
      let at = 0
      for (const { bytes } of write ? [] : spans) {
        bytes.set(outcome.bytes.subarray(at, at + bytes.length))
        at += bytes.length
      }
      done()
    })
  }
}
