import { createServer, STATUS_CODES } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Server as SecureServer } from "node:https";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { WebSocketServer } from "ws";
import type { Accept, Peer } from "@sericite/protocol";
import { GivenServer } from "./given-server.ts";
import type { AddressOptions, Listener, ListenerOptions, RefusalReason } from "./listener.ts";
import { openOnPort, Reception } from "./reception.ts";
import { certificateOf, TlsGate } from "./tls-gate.ts";
import type { TlsListenerOptions } from "./tls-gate.ts";
import { forwardedFor, TrustedProxies } from "./trusted-proxies.ts";
import { WebSocketLink } from "./websocket-link.ts";

/** Sub-protocols that name MQTT; the first one offered is answered, but `mqtt` before all [MQTT5-6.0.0-4] [MQTT3-6.0.0-4]. */
const SUBPROTOCOLS = ["mqtt", "mqttv3.1.1", "mqttv3.1"];

/**
 * Time that a client has to answer a close frame. Milliseconds. The types of `ws` do not know the
 * option yet, hence an object of its own.
 */
const closing = { closeTimeout: 2000 };

/** How upgrade requests are answered. */
export interface UpgradeOptions {
  /** Path of the request, without its query; `*` takes any. */
  readonly path?: string;
  /**
   * Origins of the web pages that may connect, such as `https://app.example`. A browser sends its
   * page's cookies to every site that a page connects to, and its origin with them; programs send
   * none, and are let in. Default: all.
   */
  readonly origins?: readonly string[];
  /**
   * Whether a client that offers no sub-protocol is refused. It must offer one [MQTT5-6.0.0-3], but
   * some do not, and most brokers let them in. Default false.
   */
  readonly requiresSubprotocol?: boolean;
  /** Bytes of a frame, or of all frames of a fragmented message; larger ones end the connection. Default 16 MiB. */
  readonly maximumMessageSize?: number;
}

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
): Promise<Listener> {
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

type Source = Pick<Peer, "listener" | "address" | "port">;

/** Answers upgrade requests. */
class UpgradeDoor {
  readonly path: string;
  readonly #origins: ReadonlySet<string>;
  readonly #requiresSubprotocol: boolean;
  readonly #server: WebSocketServer;

  constructor(options: UpgradeOptions, path: string) {
    this.path = path;
    this.#origins = new Set(options.origins?.map((origin) => origin.toLowerCase()));
    this.#requiresSubprotocol = options.requiresSubprotocol === true;
    this.#server = new WebSocketServer({
      ...closing,
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: options.maximumMessageSize ?? 16 * 1024 * 1024,
      // Texts are refused, whatever is in them.
      skipUTF8Validation: true,
      handleProtocols: (offered) => chooseSubprotocol([...offered]) ?? false,
    });
  }

  isFor(request: IncomingMessage): boolean {
    return this.path === "*" || this.path === request.url?.split("?", 1)[0];
  }

  /** Makes a link of the connection, or refuses it. @returns why it was refused. */
  take(
    request: IncomingMessage,
    socket: Socket,
    head: Buffer,
    accept: Accept,
    source: Source,
  ): RefusalReason | undefined {
    if (!this.isFor(request)) {
      answer(socket, 404, `MQTT is at ${this.path}.`);
      return "path";
    }
    const { origin, "sec-websocket-protocol": offered } = request.headers;
    if (
      this.#origins.size > 0 &&
      origin !== undefined &&
      !this.#origins.has(origin.toLowerCase())
    ) {
      answer(socket, 403, "Pages of this origin may not connect.");
      return "origin";
    }
    const protocols = offered?.split(",").map((name) => name.trim());
    if (
      protocols === undefined
        ? this.#requiresSubprotocol
        : chooseSubprotocol(protocols) === undefined
    ) {
      answer(socket, 400, `Offer one of the sub-protocols ${SUBPROTOCOLS.join(", ")}.`);
      return "subprotocol";
    }
    let isTaken = false;
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      isTaken = true;
      const certificate = socket instanceof TLSSocket ? certificateOf(socket) : undefined;
      const upgrade = { url: request.url ?? "", headers: request.headers };
      const peer: Peer = { ...source, transport: "websocket", certificate, upgrade };
      const link = new WebSocketLink(webSocket, socket, peer, socket instanceof TLSSocket);
      link.start(accept(link));
    });
    return isTaken ? undefined : "websocket-handshake";
  }
}

function chooseSubprotocol(offered: readonly string[]): string | undefined {
  if (offered.includes("mqtt")) return "mqtt"; // [MQTT5-6.0.0-4] [MQTT3-6.0.0-4]
  return offered.find((name) => SUBPROTOCOLS.includes(name));
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

/** Answers on a connection that HTTP has let go of, and ends it. */
function answer(socket: Socket, status: number, text: string): void {
  if (!socket.writable) return void socket.destroy();
  socket.on("error", () => socket.destroy());
  socket.once("finish", () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(text) + 1}\r\n\r\n${text}\n`,
  );
}
