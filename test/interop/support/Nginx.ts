/** nginx without rights of its own, which serves one folder; what it writes stays in the test's. */
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import type { Stage } from "./Stage.ts"

export interface Options {
  readonly ip: string
  readonly port: number
  /** What it serves, at `/`. */
  readonly root: string
  /** More directives of its server. */
  readonly more?: string
}

const TEMPORARY = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]

const configOf = (dir: string, { ip, more = "", port, root }: Options): string =>
  `daemon off;
worker_processes 1;
pid ${dir}/nginx.pid;
error_log stderr notice;
events { worker_connections 64; }
http {
  access_log ${dir}/access.log;
  ${TEMPORARY.map((name) => `${name}_temp_path ${dir}/${name};`).join("\n  ")}
  sendfile on;
  server {
    listen ${ip}:${port};
    root "${root}";
    ${more}
  }
}
`

/** Starts it; `requests` are the lines of its log. */
export const start = Effect.fnUntraced(function*(stage: Stage, options: Options) {
  const dir = stage.folder(`nginx-${options.port}`)
  const config = path.join(dir, "nginx.conf")
  fs.writeFileSync(config, configOf(dir, options))
  // Root is not what it runs as: its folders are anybody's.
  fs.chmodSync(dir, 0o777)
  const child = yield* stage.spawn("nginx", ["nginx", "-p", dir, "-c", config, "-e", "stderr"])
  yield* child.prints(/start worker process \d+/)
  return {
    url: `http://${options.ip}:${options.port}/`,
    requests: (): ReadonlyArray<string> =>
      fs.readFileSync(path.join(dir, "access.log"), "utf8").split("\n").filter((line) => line !== "")
  }
})
