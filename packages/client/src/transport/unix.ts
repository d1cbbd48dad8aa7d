import type { Dial } from "@sericite/protocol";
import { createConnection } from "node:net";
import { dialling } from "./dialling.ts";
import { SocketLink } from "./socket-link.ts";

/** Where a server listens on a Unix socket, or on a named pipe of Windows. */
export interface UnixOptions {
  readonly path: string;
  /** Time for the connection to be made. Milliseconds. Default: the system's. */
  readonly timeoutMs?: number | undefined;
}

/** A `Dial` over a Unix socket. */
export function dialUnix(options: UnixOptions): Dial {
  const { path, timeoutMs } = options;
  const listener = `unix:${path}`;
  return (handler) =>
    dialling(
      listener,
      timeoutMs,
      (connected) =>
        new SocketLink(
          handler,
          { listener, transport: "unix" },
          (read) => createConnection({ path, ...read }),
          "connect",
          connected,
        ),
    );
}
