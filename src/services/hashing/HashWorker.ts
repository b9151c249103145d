/** A thread that hashes runs until none is left. It says that it has started, and what came of each run. */
import { parentPort, workerData } from "node:worker_threads"
import * as HashTask from "./HashTask.ts"
import { type Outcome, RunHasher } from "./RunHasher.ts"

export type Word = "started" | Outcome

const say = (word: Word): void => parentPort?.postMessage(word, [])

const task = workerData as HashTask.HashTask
const hasher = new RunHasher(task)
say("started")
for (let run = HashTask.take(task); run !== undefined; run = HashTask.take(task)) say(hasher.hash(run))
hasher.close()
