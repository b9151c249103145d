/** The options of the programs that look at a .torrent or change it: `show`, `verify` and `edit`. */
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import * as Flags from "./Flags.ts"

const { alsoCalled, maxTorrentSize, off, parsed, proxy, quiet, summaryInterval, tier, webUrl } = Flags

const torrent = Argument.String("torrent").pipe(
  Argument.withDescription("a .torrent file, - for one on stdin, or its http(s) URL")
)

export const show = {
  torrent: Argument.String("torrent").pipe(
    Argument.withDescription("a .torrent file, - for one on stdin, its http(s) URL, a magnet link, or an info hash")
  ),
  json: off("json", "print everything as one JSON object"),
  magnet: off("magnet", "print the magnet link alone").pipe(alsoCalled("m")),
  files: off("files", "list all files alone, by the numbers of --select-file"),
  maxTorrentSize,
  proxy
}

export const verify = {
  torrent,
  dir: Flag.String("dir").pipe(
    alsoCalled("d", "w", "download-dir"),
    Flag.withMetavar("DIR"),
    Flag.withDescription("the folder that the torrent's file or folder is in (default: the current one)"),
    Flag.withDefault(".")
  ),
  json: off("json", "print what was found as one JSON object"),
  quiet,
  summaryInterval,
  maxTorrentSize,
  proxy
}

const text = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar("TEXT"), Flag.withDescription(description))

/** A name that a file can have wherever it is fetched. */
const fileName = (name: string): string | undefined =>
  name === "" || name === "." || name === ".." || /[/\\\0]/.test(name) ? undefined : name

const url = (name: string, description: string, read: (text: string) => string | undefined, example: string) =>
  parsed(name, "URL", `a URL like ${example}`, read).pipe(Flag.withDescription(description), Flag.atLeast(0))

const TRACKER = "http://host:6969/announce"
const WEB_SEED = "https://host/files/"

const any = (text: string): string | undefined => text === "" ? undefined : text

export const edit = {
  torrent,
  output: Flag.String("output").pipe(
    alsoCalled("o"),
    Flag.withMetavar("FILE"),
    Flag.withDescription("where to write the result, - for stdout (default: over the torrent itself)"),
    Flag.optional
  ),
  addTracker: parsed("add-tracker", "URL[,URL]", `a URL like ${TRACKER}`, tier).pipe(
    alsoCalled("t", "tracker", "announce", "a"),
    Flag.withDescription("add a tracker, as the last tier, or a list as one tier; may be repeated"),
    Flag.atLeast(0)
  ),
  removeTracker: url(
    "remove-tracker",
    "take a tracker away, by its URL as show prints it; may be repeated",
    any,
    TRACKER
  ),
  noTrackers: off("no-trackers", "take all trackers away before others are added"),
  addWebseed: parsed("add-webseed", "URL", `a URL like ${WEB_SEED}`, webUrl).pipe(
    alsoCalled("w", "web-seed", "webseed"),
    Flag.withDescription("add a web seed (BEP 19); may be repeated"),
    Flag.atLeast(0)
  ),
  removeWebseed: url("remove-webseed", "take a web seed away; may be repeated", any, WEB_SEED),
  noWebseeds: off("no-webseeds", "take all web seeds away before others are added"),
  comment: text("comment", "set the comment").pipe(alsoCalled("c"), Flag.optional),
  noComment: off("no-comment", "take the comment away"),
  source: text("source", "set the private tracker's mark; changes the info hash").pipe(alsoCalled("s"), Flag.optional),
  noSource: off("no-source", "take that mark away; changes the info hash"),
  private: off("private", "make it private (BEP 27); changes the info hash").pipe(alsoCalled("p")),
  public: off("public", "make it public; changes the info hash"),
  name: parsed("name", "NAME", "a file name", fileName).pipe(
    alsoCalled("n"),
    Flag.withDescription("rename its file or folder; changes the info hash"),
    Flag.optional
  ),
  dryRun: off("dry-run", "say what would change, and write nothing"),
  json: off("json", "print what changed as one JSON object"),
  maxTorrentSize,
  proxy
}

export type ShowOptions = Flags.Values<typeof show>
export type VerifyOptions = Flags.Values<typeof verify>
export type EditOptions = Flags.Values<typeof edit>
