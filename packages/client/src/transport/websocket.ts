import type { Dial, Link, LinkHandler, Peer } from "@sericite/protocol";
import { UsageError } from "@sericite/protocol";
import { createHash, randomBytes } from "node:crypto";
import type { ClientRequest, IncomingMessage } from "node:http";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Socket } from "node:net";
import { PausedInput } from "../link/paused-input.ts";
import type { TlsOptions, WebSocketOptions } from "../transport-options.ts";
import { dialling } from "./dialling.ts";
import { SocketOutput, socketSource } from "./socket-link.ts";
import { secureOptions } from "./tls.ts";
import { CloseCode, FrameError, FrameReader, Opcode, clientFrame } from "./websocket-frames.ts";

/** Where a WebSocket server is, and how to open a WebSocket there. */
export interface WebSocketDialOptions extends WebSocketOptions {
  /** `ws://HOST[:PORT][/PATH]` or `wss://…`, without username and password. */
  readonly url: string;
  /** For `wss`. */
  readonly tls?: TlsOptions | undefined;
  /** Time for the connection to be made, upgrade included. Milliseconds. Default: the system's. */
  readonly timeoutMs?: number | undefined;
}

/** Bytes that wait to be sent above which a Ping is not answered. */
const unsentPongs = 1024 * 1024;

/** What RFC 6455 §4.2.2 has the server join to the key. */
const acceptSuffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** A `Dial` over a WebSocket: the client's side of RFC 6455, without extensions. */
export function dialWebSocket(options: WebSocketDialOptions): Dial {
  const { url, timeoutMs } = options;
  if (!URL.canParse(url)) throw new UsageError("ERR_USAGE", `${JSON.stringify(url)} is no URL`);
  const parsed = new URL(url);
  return (handler) =>
    dialling(url, timeoutMs, (connected) => new WebSocketLink(handler, parsed, options, connected));
}

class WebSocketLink implements Link {
  readonly peer: Peer;
  readonly #handler: LinkHandler;
  readonly #request: ClientRequest;
  readonly #subprotocols: readonly string[];
  readonly #key = randomBytes(16).toString("base64");
  readonly #connected: (cause?: Error) => void;
  #opened: OpenWebSocket | undefined = undefined;

  constructor(
    handler: LinkHandler,
    url: URL,
    options: WebSocketDialOptions,
    connected: (cause?: Error) => void,
  ) {
    this.peer = { listener: options.url, transport: "websocket" };
    this.#handler = handler;
    this.#connected = connected;
    this.#subprotocols = options.subprotocols ?? ["mqtt"]; // [MQTT5-6.0.0-3] [MQTT3-6.0.0-3]
    const isSecure = url.protocol === "wss:";
    const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
    const { alpnProtocols = ["http/1.1"] } = options.tls ?? {};
    const request = (isSecure ? httpsRequest : httpRequest)({
      host,
      port: url.port === "" ? (isSecure ? 443 : 80) : Number(url.port),
      path: url.pathname + url.search,
      // A connection of its own.
      agent: false,
      headers: {
        ...options.headers,
        connection: "Upgrade",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": this.#key,
        "sec-websocket-protocol": this.#subprotocols.join(", "),
      },
      ...(isSecure ? secureOptions(host, { ...options.tls, alpnProtocols }) : {}),
    });
    this.#request = request;
    request.on("error", connected);
    request.on("response", (response) => {
      connected(new Error(`the server answers ${status(response)} in place of a WebSocket`));
      request.destroy();
    });
    request.on("upgrade", (response, socket, head) =>
      this.#onUpgrade(response, socket as Socket, head),
    );
    request.end();
  }

  get unsentBytes(): number {
    return this.#opened?.unsentBytes ?? 0;
  }

  write(bytes: Uint8Array): boolean {
    return this.#opened?.write(bytes) ?? true;
  }

  pause(): void {
    this.#opened?.pause();
  }

  resume(): void {
    this.#opened?.resume();
  }

  end(): void {
    this.#opened?.end();
  }

  destroy(): void {
    this.#request.destroy();
    this.#opened?.destroy();
  }

  #onUpgrade(response: IncomingMessage, socket: Socket, head: Uint8Array): void {
    const fault = this.#faultOf(response);
    if (fault !== undefined) {
      socket.destroy();
      this.#connected(new Error(fault));
      return;
    }
    this.#opened = new OpenWebSocket(this.#handler, socket, head);
    this.#connected();
  }

  /** What the client has to check (RFC 6455 §4.1). */
  #faultOf({ headers }: IncomingMessage): string | undefined {
    const accept = createHash("sha1")
      .update(this.#key + acceptSuffix)
      .digest("base64");
    if (headers.upgrade?.toLowerCase() !== "websocket")
      return "the server upgrades to no WebSocket";
    if (headers["sec-websocket-accept"] !== accept)
      return "the server's Sec-WebSocket-Accept does not fit the key";
    if (headers["sec-websocket-extensions"] !== undefined)
      return "the server uses an extension that was not offered";
    const chosen = headers["sec-websocket-protocol"];
    if (chosen === undefined || !this.#subprotocols.includes(chosen))
      return `the server chose ${chosen === undefined ? "no subprotocol" : `the subprotocol ${chosen}`}, expected ${this.#subprotocols.join(" or ")}`;
    return undefined;
  }
}

function status({ statusCode, statusMessage }: IncomingMessage): string {
  return `HTTP ${statusCode} ${statusMessage}`.trimEnd();
}

/** A WebSocket after its upgrade. Each write is one binary frame [MQTT5-6.0.0-1] [MQTT3-6.0.0-1]. */
class OpenWebSocket {
  readonly #socket: Socket;
  readonly #input: PausedInput;
  readonly #output: SocketOutput;
  readonly #masks = new Masks();
  #isCloseSent = false;
  #isCloseReceived = false;
  #error: Error | undefined = undefined;

  constructor(handler: LinkHandler, socket: Socket, head: Uint8Array) {
    this.#socket = socket;
    const input = new PausedInput(handler, socketSource(socket));
    this.#input = input;
    this.#output = new SocketOutput(socket, handler, true);
    const reader = new FrameReader({
      onBytes: (bytes, start, end) => input.receive(bytes, start, end),
      onControl: (opcode, payload) => this.#onControl(opcode, payload),
    });
    const read = (bytes: Uint8Array): void => {
      if (this.#error !== undefined) return;
      try {
        reader.push(bytes, 0, bytes.length);
      } catch (error) {
        if (!(error instanceof FrameError)) throw error;
        this.#error = error;
        this.#close(error.closeCode);
        socket.end();
      }
    };
    socket.setNoDelay(true);
    socket.setTimeout(0);
    socket.on("error", (error) => (this.#error ??= error));
    socket.on("end", () => input.ended());
    socket.on("close", () => {
      if (!this.#isCloseSent && !this.#isCloseReceived)
        this.#error ??= new Error("the connection was cut without a Close frame");
      input.closed(this.#error);
    });
    socket.on("data", read);
    // The caller has to have the link before what came with the answer.
    socket.pause();
    if (head.length > 0) socket.unshift(head);
    setImmediate(() => socket.resume());
  }

  get unsentBytes(): number {
    return this.#output.unsentBytes;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#isCloseSent) return false; // Nothing follows a Close frame (RFC 6455 §5.5.1).
    return this.#output.writeOwned(clientFrame(Opcode.binary, bytes, this.#masks.next()), true);
  }

  pause(): void {
    this.#input.pause();
  }

  resume(): void {
    this.#input.resume();
  }

  /** The server answers with a Close frame and closes the connection. */
  end(): void {
    this.#close(CloseCode.normal);
    if (this.#isCloseReceived) this.#socket.end();
  }

  destroy(): void {
    this.#input.drop();
    this.#socket.destroy();
  }

  #close(code: number): void {
    if (this.#isCloseSent) return;
    this.#isCloseSent = true;
    this.#control(Opcode.close, Uint8Array.of(code >> 8, code & 0xff));
  }

  #control(opcode: number, payload: Uint8Array): void {
    this.#output.writeOwned(clientFrame(opcode, payload, this.#masks.next()), true);
  }

  #onControl(opcode: number, payload: Uint8Array): void {
    // A server that does not read its answers gets no more of them.
    if (opcode === Opcode.ping && !this.#isCloseSent && this.unsentBytes <= unsentPongs)
      this.#control(Opcode.pong, payload);
    if (opcode !== Opcode.close) return;
    this.#isCloseReceived = true;
    const code = payload.length >= 2 ? payload[0]! * 256 + payload[1]! : CloseCode.normal;
    if (code !== CloseCode.normal && !this.#isCloseSent)
      this.#error ??= new Error(`the server closed the WebSocket with code ${code}`);
    this.#close(CloseCode.normal);
    this.#socket.end();
  }
}

/** Bytes of chance for masks; asked of the system for many frames at once. */
class Masks {
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;

  /** Four bytes; valid until the next call. */
  next(): Uint8Array {
    if (this.#at === this.#bytes.length) {
      this.#bytes = randomBytes(1024);
      this.#at = 0;
    }
    this.#at += 4;
    return this.#bytes.subarray(this.#at - 4, this.#at);
  }
}
