/** The flags of `leech` and `seed` in `--help`: what belongs together stands together. */

interface Group {
  readonly title: string
  /** In the order in which they are shown. */
  readonly flags: ReadonlyArray<string>
}

const TITLE = "FLAGS"

/** What is in none of them stands at the end of the first. */
const GROUPS: ReadonlyArray<Group> = [
  {
    title: TITLE,
    flags: [
      "dir",
      "from",
      "select-file",
      "show-files",
      "sequential",
      "allow-overwrite",
      "check-integrity",
      "on-complete"
    ]
  },
  {
    title: "NEW TORRENTS",
    flags: ["save-torrent", "exclude", "include-hidden", "v2", "hybrid", "piece-length", "private", "comment"]
  },
  { title: "MAGNET LINKS", flags: ["metadata-only", "save-metadata"] },
  {
    title: "PEERS",
    flags: ["tracker", "no-tracker", "peer", "no-pex", "web-seed", "no-webseed", "blocklist", "encryption"]
  },
  { title: "NETWORK", flags: ["listen-port", "bind", "proxy"] },
  { title: "LIMITS", flags: ["max-download-limit", "max-upload-limit", "max-uploads", "max-peers", "stop-timeout"] },
  { title: "SHARING", flags: ["keep-seeding", "seed-time", "seed-ratio", "super", "publish", "publish-token"] },
  { title: "OUTPUT", flags: ["json", "quiet", "summary-interval"] }
]

/** Commands with fewer flags need no groups. */
const MANY = 24

const nameOf = (row: string): string => /^ +--([^ ,]+)/.exec(row)?.[1] ?? ""

/** A help, whose sections empty lines separate, with its flags in groups. */
export const apart = (help: string): string =>
  help.split("\n\n").map((section) => section.startsWith(`${TITLE}\n`) ? groupsOf(section) : section).join("\n\n")

const groupsOf = (section: string): string => {
  const [, ...rows] = section.split("\n")
  if (rows.length < MANY) return section
  const byName = new Map(rows.map((row) => [nameOf(row), row]))
  const grouped = new Set(GROUPS.flatMap(({ flags }) => flags))
  const others = rows.filter((row) => !grouped.has(nameOf(row)))
  return GROUPS.flatMap(({ flags, title }) => {
    const named = [...flags.flatMap((name) => byName.get(name) ?? []), ...title === TITLE ? others : []]
    return named.length === 0 ? [] : [[title, ...named].join("\n")]
  }).join("\n\n")
}
