export * from "../public.ts";
export { connect } from "./connect.ts";
export { dialWebSocket, type WebSocketDialOptions } from "./web-socket.ts";
