/** How a proxy is talked into a connection to somebody else, whatever its kind. */
import type * as Host from "../Host.ts"
import type { Proxy } from "../Proxy.ts"
import * as HttpConnect from "./HttpConnect.ts"
import * as Socks5 from "./Socks5.ts"
import type { Talk } from "./Talk.ts"

export const connect = (proxy: Proxy, to: Host.Host): Talk =>
  proxy.kind === "socks5" ? new Socks5.Dialogue("connect", to, proxy.login) : new HttpConnect.Dialogue(to, proxy.login)
