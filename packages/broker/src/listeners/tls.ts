import type { Server, TLSSocket } from "node:tls";
import type { Accept } from "@sericite/protocol";
import { GivenServer } from "./given-server.ts";
import type { AddressOptions, Listener, OwnListener } from "./listener.ts";
import { openOnPort, Reception } from "./reception.ts";
import { SocketLink } from "./socket-link.ts";
import { certificateOf, TlsGate } from "./tls-gate.ts";
import type { TlsListenerOptions as TlsGateOptions } from "./tls-gate.ts";

/** The name of MQTT among the protocols that a TLS client may offer (ALPN), as IANA registered it. */
const PROTOCOLS = ["mqtt"];

/** What a TLS listener is made with. */
export interface TlsListenerOptions extends AddressOptions, TlsGateOptions {
  /** Protocols that are answered to clients that offer some (ALPN). Default `mqtt`. */
  readonly protocols?: readonly string[];
}

/**
 * Listens on a port for MQTT over TLS. Rejects with the system's error where it cannot.
 *
 * @throws UsageError ERR_TLS_CERTIFICATE where the certificates cannot be used.
 */
export async function listenTls(accept: Accept, options: TlsListenerOptions): Promise<OwnListener> {
  const reception = new Reception(options, (arrival) => gate.take(arrival));
  const gate = new TlsGate(
    reception,
    options,
    options.protocols ?? PROTOCOLS,
    (socket, arrival) => {
      const { address, port } = arrival;
      reception.admit(arrival);
      start(socket, accept, { listener: reception.name, address, port });
    },
  );
  const listener = await openOnPort(reception, options, {
    scheme: "mqtts",
    name: "tls",
    transport: "tls",
  });
  return Object.assign(listener, { reload: gate.reload.bind(gate) });
}

/** Takes the connections of a `tls.Server` that listens already, or will. Its owner closes it, and has its certificates. */
export function serveTls(server: Server, accept: Accept): Listener {
  const listener = new GivenServer(
    server,
    { scheme: "mqtts", name: "tls", transport: "tls", event: "secureConnection" },
    (socket: TLSSocket) => {
      const { remoteAddress: address, remotePort: port } = socket;
      start(socket, accept, { listener: listener.name, address, port });
    },
  );
  return listener;
}

function start(
  socket: TLSSocket,
  accept: Accept,
  from: { listener: string; address: string | undefined; port: number | undefined },
): void {
  const peer = { ...from, transport: "tls", certificate: certificateOf(socket) } as const;
  const usesSharedBuffer = socket.readableLength === 0;
  const link = new SocketLink(socket, peer, { copiesWrites: true, usesSharedBuffer });
  link.start(accept(link));
}
