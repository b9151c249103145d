/** Where a request came from before a proxy. */

/**
 * The last hop of an `X-Forwarded-For` header, with or without a port: what the proxy before us has seen, and not what the client claims.
 */
export const lastHop = (header: string): string => {
  const hop = header.slice(header.lastIndexOf(",") + 1).trim()
  const bracketed = /^\[([^\]]+)\](?::\d+)?$/.exec(hop)
  if (bracketed !== null) return bracketed[1]!
  const withPort = /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(hop)
  return withPort === null ? hop : withPort[1]!
}
