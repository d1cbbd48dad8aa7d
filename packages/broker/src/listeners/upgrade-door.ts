import { STATUS_CODES } from "node:http";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { WebSocketServer } from "ws";
import type { Accept, Peer } from "@sericite/protocol";
import type { RefusalReason } from "./listener.ts";
import { certificateOf } from "./tls-gate.ts";
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
   * Whether a client that offers no sub-protocol is refused. The standard has it offer one, but some do
   * not, and most brokers let them in. Default false.
   */
  readonly requiresSubprotocol?: boolean;
  /** Bytes of a frame, or of all frames of a fragmented message; larger ones end the connection. Default 16 MiB. */
  readonly maximumMessageSize?: number;
}

type Source = Pick<Peer, "listener" | "address" | "port">;

/** Takes connections through the upgrade from HTTP to WebSocket. */
export class UpgradeDoor {
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

/** Answers on a connection that HTTP has let go of, and ends it. */
export function answer(socket: Socket, status: number, text: string): void {
  if (!socket.writable) return void socket.destroy();
  socket.on("error", () => socket.destroy());
  socket.once("finish", () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(text) + 1}\r\n\r\n${text}\n`,
  );
}
