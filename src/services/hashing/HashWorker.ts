/** A thread that hashes runs until none is left, and says what came of each. */
import { parentPort, workerData } from "node:worker_threads"
import * as HashTask from "./HashTask.ts"
import { RunHasher } from "./RunHasher.ts"

const task = workerData as HashTask.HashTask
const hasher = new RunHasher(task)
for (let run = HashTask.take(task); run !== undefined; run = HashTask.take(task)) {
  parentPort?.postMessage(hasher.hash(run), [])
}
hasher.close()
