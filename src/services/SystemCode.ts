/** The code of an error that Node or the system gave, like `ECONNREFUSED` or `ENOSPC`. */
export const of = (cause: unknown): string | undefined =>
  typeof cause === "object" && cause !== null && "code" in cause && typeof cause.code === "string"
    ? cause.code
    : undefined

const WORDS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EADDRNOTAVAIL: "this machine has no such address",
  EAFNOSUPPORT: "this system has no such family of addresses",
  ECONNREFUSED: "connection refused",
  ECONNRESET: "the connection was cut",
  EDQUOT: "the quota of this user is used up",
  EEXIST: "another file has that name",
  EHOSTUNREACH: "no route to the host",
  EIO: "the disk has failed",
  EISDIR: "it is a folder",
  ELOOP: "its links lead in a circle",
  ENAMETOOLONG: "the name is too long",
  ENETUNREACH: "no route to its network",
  ENOENT: "there is no such file",
  ENOSPC: "no space is left on the disk",
  ENOTDIR: "a part of its path is no folder",
  ENOTFOUND: "there is no such host",
  EPERM: "not permitted",
  EROFS: "it is on a disk that can only be read",
  ETIMEDOUT: "the connection timed out"
}

/** What went wrong in words for a user, with the code: `there is no such file (ENOENT)`. */
export const describe = (cause: unknown): string => {
  const code = of(cause)
  if (code === undefined) return cause instanceof Error ? cause.message : String(cause)
  const words = WORDS[code]
  return words === undefined ? code : `${words} (${code})`
}
