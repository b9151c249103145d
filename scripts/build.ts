// Bundles every program into dist/: users start `node dist/programs/leech.js`, and one bundle with shared chunks loads
// several times faster than the hundreds of modules behind it. It also runs where node_modules is absent.
import { build } from "esbuild"
import { readdirSync, readFileSync, rmSync } from "node:fs"

const root = new URL("..", import.meta.url).pathname
const { version } = JSON.parse(readFileSync(`${root}/package.json`, "utf8")) as { version: string }
/** The files besides the programs that Node starts by itself. */
const HASH_WORKER = "src/services/hashing/HashWorker.ts"
const SMALL_FILES_WORKER = "src/services/storage/SmallFilesWorker.ts"
/** As seen from a program and from a shared chunk, which both lie one folder deep. */
const builtAs = (worker: string) => JSON.stringify(`../${worker.replace(/^src\/(.*)\.ts$/, "$1.js")}`)
const programs = readdirSync(`${root}/src/programs`).filter((name) => name.endsWith(".ts"))

rmSync(`${root}/dist`, { recursive: true, force: true })
await build({
  absWorkingDir: root,
  entryPoints: [...programs.map((name) => `src/programs/${name}`), HASH_WORKER, SMALL_FILES_WORKER],
  outbase: "src",
  outdir: "dist",
  chunkNames: "chunks/[name]-[hash]",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20",
  minifySyntax: true,
  minifyWhitespace: true,
  sourcemap: "linked",
  sourcesContent: false,
  define: {
    __FRESHET_VERSION__: JSON.stringify(version),
    __FRESHET_HASH_WORKER__: builtAs(HASH_WORKER),
    __FRESHET_SMALL_FILES_WORKER__: builtAs(SMALL_FILES_WORKER)
  },
  banner: {
    js: `import{createRequire as __createRequire}from"node:module";const require=__createRequire(import.meta.url);`
  },
  logLevel: "warning"
})
