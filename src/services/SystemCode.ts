/** The code of an error that Node or the system gave, like `ECONNREFUSED` or `ENOSPC`. */
export const of = (cause: unknown): string | undefined =>
  typeof cause === "object" && cause !== null && "code" in cause && typeof cause.code === "string"
    ? cause.code
    : undefined
