/** Who can name the address of a peer. */
export const SOURCES = ["user", "tracker", "dht", "pex", "lsd", "incoming", "magnet", "resume"] as const

/** Who named the address. What the user names is dialled first and never given up. */
export type Source = typeof SOURCES[number]
