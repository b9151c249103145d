/** A place on the net, by address or by name. */
import * as PeerAddress from "./PeerAddress.ts"

export interface Host {
  /** An IP address without brackets, or a name. */
  readonly host: string
  /** 1 to 65535. */
  readonly port: number
}

/** A last label of digits would be a broken IPv4 address. */
const NAME = /^(?:[a-z\d_-]{1,63}\.)*[a-z][a-z\d_-]{0,62}\.?$/i

/** Reads `192.0.2.1:6881`, `[2001:db8::1]:6881` or `host:6881`. */
export const parse = (text: string): Host | undefined => {
  const address = PeerAddress.parse(text)
  if (address !== undefined) return { host: address.host, port: address.port }
  const [, host = "", digits] = /^(.{1,253}):(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  return NAME.test(host) && port >= 1 && port <= 0xffff ? { host, port } : undefined
}

export const format = ({ host, port }: Host): string => host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`
