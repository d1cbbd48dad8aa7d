export * from "../public.ts";
export { connect, connectTest } from "./connect.ts";
export { indexedDbStore } from "./indexed-db-store.ts";
export { dialWebSocket, type WebSocketDialOptions } from "./web-socket.ts";
