import { assert, describe, it } from "@effect/vitest"
import * as SourceFilter from "../../src/domain/SourceFilter.ts"

const because = (why: SourceFilter.Why | undefined, options: SourceFilter.Options, ...paths: ReadonlyArray<string>) =>
  assert.deepStrictEqual(paths.map((path) => SourceFilter.reject(path, options)), paths.map(() => why))

describe("the filter of a folder's files", () => {
  it("leaves out what desktops have left, hidden or not", () => {
    for (const includeHidden of [false, true]) {
      because("Junk", { includeHidden }, ".DS_Store", "a/Thumbs.db", "a/THUMBS.DB", "desktop.ini", "a/._photo.jpg")
    }
    because(undefined, {}, "Thumbs.db.txt", "my desktop.ini", "a/DS_Store")
  })

  it("leaves out what is hidden, unless it is wanted", () => {
    because("Hidden", {}, ".git", "a/.profile")
    because(undefined, { includeHidden: true }, ".git", "a/.profile")
    because(undefined, {}, "a.b", ".a/b")
  })

  it("leaves out what is excluded, and says that first", () => {
    const exclude = [(path: string) => path === "a/b", (path: string) => path.endsWith(".db")]
    because("Excluded", { exclude }, "a/b", "x.db", "Thumbs.db", ".db")
    because(undefined, { exclude }, "b", "a/b/c")
  })
})
