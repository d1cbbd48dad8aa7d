export { refusalReasons } from "./listener.ts";
export type {
  AddressOptions,
  Listener,
  ListenerOptions,
  OwnListener,
  ProxyOptions,
  Refusal,
  RefusalReason,
} from "./listener.ts";
export { listenerSettings, listOf } from "./settings.ts";
export type { ListenerSettings } from "./settings.ts";
export { SocketLink } from "./socket-link.ts";
export { listenTcp, serveTcp } from "./tcp.ts";
export type { TcpListenerOptions } from "./tcp.ts";
export { listenTls, serveTls } from "./tls.ts";
export type { TlsListenerOptions } from "./tls.ts";
export { TlsContexts } from "./tls-contexts.ts";
export type { TlsCertificate, TlsOptions } from "./tls-contexts.ts";
export { checkAuthorities } from "./tls-gate.ts";
export { trustedProxies } from "./reception.ts";
export { readTlsFiles } from "./tls-files.ts";
export { listenUnix } from "./unix.ts";
export type { UnixListenerOptions } from "./unix.ts";
export type { UpgradeOptions } from "./upgrade-door.ts";
export type { GivenWebSocketOptions, WebSocketListenerOptions } from "./websocket.ts";
