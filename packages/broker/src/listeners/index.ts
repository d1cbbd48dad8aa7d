export { listenerSettings } from "./settings.ts";
export { listenTcp, serveTcp } from "./tcp.ts";
export type { Listener, TcpListenerOptions } from "./tcp.ts";
