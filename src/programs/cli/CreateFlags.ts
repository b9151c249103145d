/** The options of `create`, by the names that mktorrent and transmission-create have for them. */
import * as Argument from "effect/cli/Argument"
import * as CliError from "effect/cli/CliError"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { alsoCalled, making, off, parsed, tier, type Values, webUrl } from "./Flags.ts"

const output = Flag.String("output").pipe(
  alsoCalled("o", "outfile"),
  Flag.withMetavar("FILE"),
  Flag.withDescription("where to write the torrent, - for stdout (default: NAME.torrent in the current folder)"),
  Flag.mapEffect((text) =>
    text === ""
      ? new CliError.InvalidValue({ option: "output", value: text, expected: "a file", kind: "flag" })
      : Effect.succeed(text)
  ),
  Flag.optional
)

export const create = {
  path: Argument.String("path").pipe(Argument.withDescription("the file or folder to make a torrent of")),
  output,
  tracker: parsed("tracker", "URL[,URL]", "a tracker's URL like http://host:6969/announce", tier).pipe(
    alsoCalled("t", "a", "announce"),
    Flag.withDescription(
      "a tracker; each further one is asked when those before it fail, a list is asked in any order"
    ),
    Flag.atLeast(0)
  ),
  webSeed: parsed("web-seed", "URL", "an address like http://host/files/", webUrl).pipe(
    alsoCalled("w", "url-list"),
    Flag.withDescription("where the data can be fetched over HTTP too (BEP 19); may be repeated"),
    Flag.atLeast(0)
  ),
  comment: making.comment.pipe(Flag.withAlias("c")),
  source: Flag.String("source").pipe(
    Flag.withAlias("s"),
    Flag.withMetavar("TEXT"),
    Flag.withDescription("who the torrent is for, as private trackers want it; it changes the info hash"),
    Flag.optional
  ),
  private: off("private", "peers come from the trackers alone (BEP 27)").pipe(Flag.withAlias("p")),
  pieceLength: making.pieceLength.pipe(alsoCalled("piece-size")),
  name: Flag.String("name").pipe(
    Flag.withAlias("n"),
    Flag.withMetavar("NAME"),
    Flag.withDescription("what the file or folder is called by those who fetch it (default: as it is called)"),
    Flag.optional
  ),
  v1: off("v1", "make a version 1 torrent, which every client reads; this is the default"),
  v2: making.v2,
  hybrid: making.hybrid,
  exclude: making.exclude,
  includeHidden: making.includeHidden,
  noDate: off("no-date", "say not when it was made (default: $SOURCE_DATE_EPOCH, or the time)"),
  noCreatedBy: off("no-created-by", "say not what it was made with"),
  dryRun: off("dry-run", "only tell what would be made"),
  force: off("force", "write over a file that is there"),
  magnet: off("magnet", "print a magnet link, too"),
  json: off("json", "write one JSON object of what was made to stdout"),
  quiet: off("quiet", "show no progress and no notes").pipe(Flag.withAlias("q"))
}

export type CreateOptions = Values<typeof create>
