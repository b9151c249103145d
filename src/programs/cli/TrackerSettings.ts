/**
 * The settings of `tracker`. Each is a flag, a key of the file of `--config` by the same name, and a variable
 * `FRESHET_TRACKER_` with the name in capitals: one table says for all three what is right.
 */
import * as Result from "effect/Result"
import * as PeerAddress from "../../domain/PeerAddress.ts"

export interface Spec<A> {
  /** What a value is called in the help; absent where the name alone switches something on. */
  readonly metavar?: string
  /** What would be right, for a value that is not. */
  readonly expected: string
  readonly description: string
  /** `undefined` for text that is no value. */
  readonly read: (text: string) => A | undefined
  readonly fallback: A
  /** The name may be given several times; in a file its value is a list. */
  readonly isList?: true
  /** Not for the eyes of others. */
  readonly isSecret?: true
  /** What others may see of a text, be it a value or not, when it can hold a secret. */
  readonly redact?: (text: string) => string
}

const spec = <A>(spec: Spec<A>): Spec<A> => spec

const wholeNumber = (least: number, most: number) => (text: string): number | undefined => {
  const value = Number(text)
  return /^\d{1,10}$/.test(text) && value >= least && value <= most ? value : undefined
}

const YES = new Set(["true", "1", "yes", "on"])
const NO = new Set(["false", "0", "no", "off", ""])

const yesOrNo = (text: string): boolean | undefined => YES.has(text) ? true : NO.has(text) ? false : undefined

const toggle = (description: string) =>
  spec<boolean>({ expected: "true or false", description, read: yesOrNo, fallback: false })

const count = (metavar: string, least: number, most: number, fallback: number, description: string) =>
  spec<number>({
    metavar,
    expected: `a number from ${least} to ${most}`,
    description: `${description} (default: ${fallback})`,
    read: wholeNumber(least, most),
    fallback
  })

const file = (description: string) =>
  spec<string | undefined>({
    metavar: "FILE",
    expected: "the name of a file",
    description,
    read: (text) => text === "" ? undefined : text,
    fallback: undefined
  })

const storeOf = (text: string): string | undefined => {
  if (text === "memory") return text
  return URL.canParse(text) && /^rediss?:$/.test(new URL(text).protocol) ? text : undefined
}

/** Without the user and the password of a URL, even of one that is broken. */
const withoutUser = (text: string): string => text.replace(/^([a-z][a-z\d+.-]*:\/\/)?.*@/is, "$1***@")

const hostsOf = (text: string): ReadonlyArray<string> | undefined => {
  if (text === "") return []
  const hosts = text.split(",").map((host) => PeerAddress.make(host.trim(), 1)?.host)
  return hosts.every((host) => host !== undefined) ? [...new Set(hosts)] : undefined
}

/** By name, in the order of the help. */
export const SPECS = {
  port: count("N", 0, 65_535, 6969, "TCP and UDP port, 0 for any that is free in both"),
  bind: spec<ReadonlyArray<string>>({
    metavar: "ADDR",
    expected: "an IP address",
    description: "address to listen on; may be repeated (default: all of IPv4 and IPv6)",
    read: hostsOf,
    fallback: [],
    isList: true
  }),
  "no-udp": toggle("leave UDP out"),
  "no-http": toggle("leave HTTP out, and with it the page and /stats"),
  interval: count("SEC", 10, 86_400, 1800, "seconds between the announces of a peer"),
  store: spec<string>({
    metavar: "STORE",
    expected: "memory or a URL like redis://localhost:6379",
    description: "where the swarms are kept: memory, or redis://… to share them (default: memory)",
    read: storeOf,
    fallback: "memory",
    redact: withoutUser
  }),
  "data-dir": spec<string | undefined>({
    metavar: "DIR",
    expected: "a folder, or none",
    description: "for what outlives a restart, or none (default: $XDG_STATE_HOME/freshet/tracker-PORT)",
    read: (text) => text === "" ? undefined : text,
    fallback: undefined
  }),
  workers: count("N", 1, 64, 1, "processes on the port; more than one need --store redis://…"),
  "publish-token": spec<string | undefined>({
    metavar: "TOKEN",
    expected: "a token without spaces",
    description: "what those who publish torrents here must know (default: everyone may publish)",
    read: (text) => /^[\x21-\x7e]{1,1024}$/.test(text) ? text : undefined,
    fallback: undefined,
    isSecret: true
  }),
  allow: file("track only the info hashes in this file, one a line; read again on HUP"),
  deny: file("do not track the info hashes in this file, one a line; read again on HUP"),
  "catalog-only": toggle("track only what was published here"),
  "trust-proxy": toggle("take addresses from the last hop of X-Forwarded-For; only behind a proxy of yours"),
  "rate-limit": count("N", 0, 1_000_000, 0, "announces and scrapes a second from one address, 0 for no limit"),
  "max-connections": count("N", 1, 1_000_000, 8192, "open TCP connections"),
  "max-torrents": count("N", 1, 100_000_000, 100_000, "torrents in the table"),
  "max-peers": count("N", 1, 100_000_000, 2_000_000, "peers of all torrents together"),
  "max-torrent-peers": count("N", 1, 100_000_000, 100_000, "peers of one torrent"),
  "access-log": toggle("write a line for every announce to stdout (with --json to stderr)")
} as const

export type Name = keyof typeof SPECS
type ValueOf<S> = S extends Spec<infer A> ? A : never

/** Where each setting has a value: what the flags, the environment and the file come to. */
export type Settings = { readonly [N in Name]: ValueOf<typeof SPECS[N]> }

export const NAMES = Object.keys(SPECS) as ReadonlyArray<Name>

const PREFIX = "FRESHET_TRACKER_"

/** `no-udp` is `FRESHET_TRACKER_NO_UDP`. */
export const variableOf = (name: Name): string => `${PREFIX}${name.toUpperCase().replaceAll("-", "_")}`

/** The texts of one source, checked by nobody yet. */
export type Texts = Partial<Readonly<Record<Name, string>>>

export const readText = (name: Name, text: string): unknown => {
  const { read }: Spec<unknown> = SPECS[name]
  return read(text)
}

const isName = (key: string): key is Name => Object.hasOwn(SPECS, key)

/** A text as an error may show it. */
export const visible = (name: Name, text: string): string => {
  const { isSecret, redact }: Spec<unknown> = SPECS[name]
  return isSecret === true ? "***" : redact === undefined ? text : redact(text)
}

/** What stands in the environment. The failure names the variable. */
export const ofEnvironment = (env: Readonly<Record<string, string | undefined>>): Result.Result<Texts, string> => {
  const texts: Partial<Record<Name, string>> = {}
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith(PREFIX) || text === undefined) continue
    const name = variable.slice(PREFIX.length).toLowerCase().replaceAll("_", "-")
    if (!isName(name)) return Result.fail(`${variable}: there is no setting ${JSON.stringify(name)}`)
    texts[name] = text
  }
  return Result.succeed(texts)
}

const textOf = (value: unknown): string | undefined => {
  if (Array.isArray(value)) return value.every((item) => typeof item === "string") ? value.join(",") : undefined
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? `${value}` : undefined
}

/** What stands in a file of TOML. The failure names the key. */
export const ofFile = (document: Readonly<Record<string, unknown>>): Result.Result<Texts, string> => {
  const texts: Partial<Record<Name, string>> = {}
  for (const [key, value] of Object.entries(document)) {
    if (!isName(key)) return Result.fail(`there is no setting ${JSON.stringify(key)}`)
    const text = textOf(value)
    if (text === undefined) return Result.fail(`${key} is not ${SPECS[key].expected}`)
    texts[key] = text
  }
  return Result.succeed(texts)
}

/** Where texts come from, and how a setting is called there. */
export interface Source {
  readonly texts: Texts
  readonly nameOf: (name: Name) => string
}

/** The settings from all sources, the first that has a text for a setting before the others. */
export const resolve = (sources: ReadonlyArray<Source>): Result.Result<Settings, string> => {
  const out: Partial<Record<Name, unknown>> = {}
  for (const name of NAMES) {
    const source = sources.find(({ texts }) => texts[name] !== undefined)
    const text = source?.texts[name]
    const value = text === undefined ? SPECS[name].fallback : readText(name, text)
    if (text !== undefined && value === undefined) {
      return Result.fail(
        `${source!.nameOf(name)}: ${JSON.stringify(visible(name, text))} is not ${SPECS[name].expected}`
      )
    }
    out[name] = value
  }
  return Result.succeed(out as Settings)
}

const toToml = (value: unknown): string =>
  Array.isArray(value) ? `[${value.map(toToml).join(", ")}]` : JSON.stringify(value)

/**
 * The settings as a file of `--config` says them, secrets left out.
 *
 * @param instead what stands for those that are not set, where that is something
 */
export const print = (settings: Settings, instead: { readonly [N in Name]?: string | undefined } = {}): string =>
  NAMES.map((name) => {
    const value = settings[name]
    if (value === undefined) {
      const other = instead[name]
      return `# ${name} is not set${other === undefined ? "" : `, which means ${JSON.stringify(other)}`}\n`
    }
    const { isSecret, redact }: Spec<unknown> = SPECS[name]
    if (isSecret === true) return `# ${name} is set, and not shown\n`
    return `${name} = ${toToml(redact === undefined ? value : redact(`${value}`))}\n`
  }).join("")
