export * from "./public.ts";
export { clientErrorCodes } from "./errors.ts";
export { connectMemory } from "@sericite/protocol";
export { connect, connectTest } from "./node.ts";
export { fileStore, removeFileStore, type FileStoreOptions } from "./store/file-store.ts";
export { dialTcp, type TcpOptions } from "./transport/tcp.ts";
export { dialTls, type TlsDialOptions } from "./transport/tls.ts";
export { dialUnix, type UnixOptions } from "./transport/unix.ts";
export { dialWebSocket, type WebSocketDialOptions } from "./transport/websocket.ts";
