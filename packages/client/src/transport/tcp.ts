import type { Dial } from "@sericite/protocol";
import { createConnection } from "node:net";
import { dialling, hostAndPort } from "./dialling.ts";
import { SocketLink } from "./socket-link.ts";

/** Where a TCP server is. */
export interface TcpOptions {
  /** Host name or address. Default 127.0.0.1. */
  readonly host?: string | undefined;
  /** Default 1883. */
  readonly port?: number | undefined;
  /** Time for the connection to be made. Milliseconds. Default: the system's. */
  readonly timeoutMs?: number | undefined;
}

/** A `Dial` over TCP [MQTT5-4.2.0-1] [MQTT3-7.1.2-1]. */
export function dialTcp(options: TcpOptions = {}): Dial {
  const { host = "127.0.0.1", port = 1883, timeoutMs } = options;
  const listener = `mqtt://${hostAndPort(host, port)}`;
  return (handler) =>
    dialling(
      listener,
      timeoutMs,
      (connected) =>
        new SocketLink(
          handler,
          { listener, transport: "tcp" },
          (read) => createConnection({ host, port, ...read }),
          "connect",
          connected,
        ),
    );
}
