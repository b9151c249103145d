/** What all torrents of one client share, as the user would have it. */
import type { IpFilter } from "../../domain/IpFilter.ts"
import type { Proxy } from "../../domain/Proxy.ts"
import type { Policy } from "../../domain/wire/mse/Policy.ts"

export interface SessionOptions {
  /** Local addresses of everything, one per family; all when empty. A family without one is not used then. */
  readonly bind?: { readonly v4?: string | undefined; readonly v6?: string | undefined }
  /** The port to listen on; 0 for any, the first free of 6881 to 6889 when absent. */
  readonly listenPort?: number | undefined
  readonly maxUploads?: number | undefined
  /** Payload in bytes/s, of all torrents together; unlimited when absent. */
  readonly maxDownloadRate?: number | undefined
  readonly maxUploadRate?: number | undefined
  /** `allow` when absent. */
  readonly encryption?: Policy | undefined
  /** What the transport goes through; nobody can call us then, and we do not listen. */
  readonly proxy?: Proxy | undefined
  /** Whom nobody here talks to. */
  readonly filter?: IpFilter | undefined
  /** Memory for pieces under way, in bytes. */
  readonly memory?: number | undefined
  /** What we call ourselves to peers, with our version. */
  readonly client?: string | undefined
}
