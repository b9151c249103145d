// Bundles every program into dist/: users start `node dist/programs/leech.js`, and one bundle with shared chunks loads
// several times faster than the hundreds of modules behind it. It also runs where node_modules is absent.
import { build } from "esbuild"
import { readdirSync, readFileSync, rmSync } from "node:fs"

const root = new URL("..", import.meta.url).pathname
const { version } = JSON.parse(readFileSync(`${root}/package.json`, "utf8")) as { version: string }
/** The one file besides the programs that Node starts by itself. */
const WORKER = "src/services/hashing/HashWorker.ts"
const programs = readdirSync(`${root}/src/programs`).filter((name) => name.endsWith(".ts"))

rmSync(`${root}/dist`, { recursive: true, force: true })
await build({
  absWorkingDir: root,
  entryPoints: [...programs.map((name) => `src/programs/${name}`), WORKER],
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
    // As seen from a program and from a shared chunk, which both lie one folder deep.
    __FRESHET_HASH_WORKER__: JSON.stringify(`../${WORKER.replace(/^src\/(.*)\.ts$/, "$1.js")}`)
  },
  banner: {
    js: `import{createRequire as __createRequire}from"node:module";const require=__createRequire(import.meta.url);`
  },
  logLevel: "warning"
})
