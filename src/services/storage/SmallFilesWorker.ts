/** A thread that deals with small files, task by task. */
import { parentPort } from "node:worker_threads"
import type { Reply, Request } from "./Clerk.ts"
import * as SmallFiles from "./SmallFiles.ts"

parentPort?.on("message", async ({ id, task }: Request) => {
  const outcome = await SmallFiles.perform(task)
  parentPort?.postMessage({ id, outcome } satisfies Reply, [
    outcome.lengths.buffer,
    outcome.mtimes.buffer,
    outcome.bytes.buffer
  ])
})
