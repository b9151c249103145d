/** Flags of other programs that mean something else of ours, or nothing at all. */
import * as Encryption from "./Encryption.ts"

const OURS: Readonly<Record<string, string>> = {
  "--enable-peer-exchange": "--no-pex=false",
  "--enable-peer-exchange=true": "--no-pex=false",
  "--enable-peer-exchange=false": "--no-pex"
}

/** The argument in our words. */
export const expand = (arg: string): string => OURS[arg] ?? Encryption.expand(arg)

const NO_DHT = "there is no DHT yet"
const GOES_ON = "a download goes on by itself"

const NEEDLESS: Readonly<Record<string, string>> = {
  "--enable-dht": NO_DHT,
  "--enable-dht6": NO_DHT,
  "--dht": NO_DHT,
  "--no-dht": NO_DHT,
  "--file-allocation": "files grow as pieces come",
  "--continue": GOES_ON,
  "-c": GOES_ON,
  "--pex": "peers are exchanged by themselves, and --no-pex ends it",
  "--enable-pex": "peers are exchanged by themselves, and --no-pex ends it"
}

const nameOf = (option: string): string => option.split("=", 1)[0]!

/** Whether it is known in the field, and there is no need of it here. */
export const isNeedless = (option: string): boolean => Object.hasOwn(NEEDLESS, nameOf(option))

/** Its name, and why it is left out. */
export const needless = (option: string): string => `${nameOf(option)}: ${NEEDLESS[nameOf(option)]}; leave it out`
