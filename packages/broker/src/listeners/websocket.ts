import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Server as SecureServer } from "node:https";
import type { Socket } from "node:net";
import type { Accept } from "@sericite/protocol";
import { GivenServer } from "./given-server.ts";
import type {
  AddressOptions,
  Listener,
  ListenerOptions,
  OwnListener,
  RefusalReason,
} from "./listener.ts";
import { openOnPort, Reception } from "./reception.ts";
import { TlsGate } from "./tls-gate.ts";
import type { TlsListenerOptions } from "./tls-gate.ts";
import { forwardedFor, TrustedProxies } from "./trusted-proxies.ts";
import { answer, UpgradeDoor } from "./upgrade-door.ts";
import type { UpgradeOptions } from "./upgrade-door.ts";

/** What a WebSocket listener is made with: with `tls` it speaks WSS. */
export type WebSocketListenerOptions = AddressOptions &
  UpgradeOptions &
  (ListenerOptions | TlsListenerOptions);

/** What MQTT on a server of somebody else's is made with. */
export interface GivenWebSocketOptions extends UpgradeOptions, Pick<ListenerOptions, "onRefused"> {
  /** Default `/mqtt`. Other paths are left to whoever else listens to 'upgrade'. */
  readonly path?: string;
  /** Proxies whose X-Forwarded-For is taken: addresses, networks, `unix`. Default: none. */
  readonly trustedProxies?: readonly string[];
}

/**
 * Listens on a port for MQTT over WebSocket, or secure WebSocket. Path: any, if none is given.
 * Rejects with the system's error where it cannot.
 *
 * @throws UsageError ERR_TLS_CERTIFICATE where the certificates cannot be used.
 */
export async function listenWebSocket(
  accept: Accept,
  options: WebSocketListenerOptions,
): Promise<OwnListener> {
  const secure = "tls" in options ? options : undefined;
  const door = new UpgradeDoor(options, options.path ?? "*");
  const http = createServer({ noDelay: true }, (request, response) =>
    refuseRequest(request, response, door.path),
  );
  const reception = new Reception(options, (arrival) => {
    if (gate !== undefined) return gate.take(arrival);
    http.emit("connection", arrival.socket);
    arrival.socket.resume();
  });
  const gate =
    secure &&
    new TlsGate(reception, secure, ["http/1.1"], (socket) => http.emit("connection", socket));
  const refuse = (socket: Socket, reason: RefusalReason, cause?: Error): void => {
    const arrival = reception.arrivalOf(socket);
    if (arrival !== undefined) reception.turnAway(arrival, reason, cause);
  };
  http.on("request", (request) => refuse(request.socket, "http-request"));
  http.on("clientError", (error, socket) => {
    refuse(socket as Socket, "http-request", error);
    answer(socket as Socket, 400, "This is no HTTP request.");
  });
  http.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
    const arrival = reception.arrivalOf(socket);
    if (arrival === undefined) return void socket.destroy();
    const source = forwardedFor(headerOf(request), arrival.address, reception.trusted) ?? arrival;
    const fault = door.take(request, socket, head, accept, { ...source, listener: reception.name });
    if (fault === undefined) reception.admit(arrival);
    else refuse(socket, fault);
  });
  const [scheme, name] = secure === undefined ? ["ws", "ws"] : ["wss", "wss"];
  const listener = await openOnPort(reception, options, { scheme, name, transport: "websocket" });
  return gate === undefined
    ? listener
    : Object.assign(listener, { reload: gate.reload.bind(gate) });
}

/** Takes upgrade requests of an HTTP server that listens already, or will. Its owner closes it. */
export function serveWebSocket(
  server: Server | SecureServer,
  accept: Accept,
  options: GivenWebSocketOptions = {},
): Listener {
  const door = new UpgradeDoor(options, options.path ?? "/mqtt");
  const trusted = new TrustedProxies(options.trustedProxies ?? []);
  const name = "setSecureContext" in server ? "wss" : "ws";
  const listener = new GivenServer(
    server,
    { scheme: name, name, transport: "websocket", event: "upgrade" },
    (request: IncomingMessage, socket: Socket, head: Buffer) => {
      if (!door.isFor(request) && server.listenerCount("upgrade") > 1) return;
      const { remoteAddress, remotePort } = socket;
      const own = { address: remoteAddress, port: remotePort };
      const source = forwardedFor(headerOf(request), remoteAddress, trusted) ?? own;
      const reason = door.take(request, socket, head, accept, {
        ...source,
        listener: listener.name,
      });
      if (reason === undefined) return;
      listener.refused += 1;
      options.onRefused?.({ listener: listener.name, reason, ...own, cause: undefined });
    },
  );
  return listener;
}

function headerOf(request: IncomingMessage): string | undefined {
  const header = request.headers["x-forwarded-for"];
  return Array.isArray(header) ? header.join(",") : header;
}

/** Answers a request that is no upgrade. */
function refuseRequest(_request: IncomingMessage, response: ServerResponse, path: string): void {
  const where = path === "*" ? "" : ` at ${path}`;
  const text = `This port speaks MQTT over WebSocket${where}; it has no web pages.\n`;
  response.writeHead(426, {
    Upgrade: "websocket",
    Connection: "Upgrade, close",
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Length": Buffer.byteLength(text),
  });
  response.end(text);
}
