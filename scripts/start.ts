// `npm start`: builds, then runs the demo, or the program that is named.
import { spawn } from "node:child_process"

const root = new URL("..", import.meta.url).pathname
await import("./build.ts")
const given = process.argv.slice(2)
const child = spawn(process.execPath, [`${root}/dist/programs/freshet.js`, ...(given.length > 0 ? given : ["demo"])], {
  stdio: "inherit"
})
// A terminal sends INT to both; passing it on would be a second one, which means "at once".
process.on("SIGINT", () => {})
for (const signal of ["SIGTERM", "SIGHUP"] as const) process.on(signal, () => child.kill(signal))
child.on("exit", (code, signal) => process.exit(signal === null ? code ?? 1 : 1))
