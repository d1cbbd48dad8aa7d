import type { Server, Socket } from "node:net";
import type { Accept } from "@sericite/protocol";
import { GivenServer } from "./given-server.ts";
import type { AddressOptions, Listener, ListenerOptions, OwnListener } from "./listener.ts";
import { openOnPort, Reception } from "./reception.ts";
import { SocketLink } from "./socket-link.ts";

/** What a TCP listener is made with. */
export interface TcpListenerOptions extends AddressOptions, ListenerOptions {
  /** Read with 'data' events, the public way: for tests, and where the fast one is in doubt. */
  readonly usesDataEvents?: boolean;
}

/** Listens on a TCP port [MQTT5-4.2.0-1] [MQTT3-7.1.1-1]. Rejects with the system's error where it cannot. */
export function listenTcp(accept: Accept, options: TcpListenerOptions): Promise<OwnListener> {
  const reception = new Reception(options, (arrival) => {
    const { socket, address, port, headerLength } = arrival;
    const usesSharedBuffer = headerLength === 0 && options.usesDataEvents !== true;
    reception.admitAlone(arrival);
    const peer = { listener: reception.name, transport: "tcp", address, port } as const;
    const link = new SocketLink(socket, peer, { usesSharedBuffer });
    link.start(accept(link));
  });
  return openOnPort(reception, options, { scheme: "mqtt", name: "tcp", transport: "tcp" });
}

/** Takes the connections of a server that listens already, or will. Its owner closes it. */
export function serveTcp(server: Server, accept: Accept): Listener {
  const listener = new GivenServer(
    server,
    { scheme: "mqtt", name: "tcp", transport: "tcp", event: "connection" },
    (socket: Socket) => {
      const { remoteAddress: address, remotePort: port } = socket;
      const transport = typeof server.address() === "string" ? "unix" : "tcp";
      const link = new SocketLink(socket, { listener: listener.name, transport, address, port });
      link.start(accept(link));
    },
  );
  return listener;
}
