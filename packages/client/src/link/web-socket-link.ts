import type { Link, LinkHandler, Peer } from "@sericite/protocol";
import { ConnectionError } from "@sericite/protocol";
import { PausedInput } from "./paused-input.ts";

/** Bytes that may wait in the WebSocket and it still takes more. */
const heldMaximum = 256 * 1024;
/** Bytes that may arrive in a pause: a WebSocket cannot be told to wait. Then it is closed. */
const pausedMaximum = 64 * 1024 * 1024;
/** A WebSocket does not tell when its bytes have left: it is asked after this time. Milliseconds. */
const askAfterMs = 5;

const open = 1;
const normal = 1000;
const unsupportedData = 1003;
const noCloseFrame = 1006;

/** What a `WebSocketLink` needs of the `WebSocket` that browsers, Node 22 and others have. */
export interface WebSocketLike {
  binaryType: string;
  readonly readyState: number;
  readonly bufferedAmount: number;
  send(data: Uint8Array): void;
  close(code?: number): void;
  onopen: (() => void) | null;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null;
  onerror: (() => void) | null;
}

/** The timer of the platform; its precision does not matter. */
export type After = (delayMs: number, callback: () => void) => void;

/**
 * The platform's WebSocket as a `Link`. Each write is one binary frame [MQTT5-6.0.0-1]
 * [MQTT3-6.0.0-1]; where frames begin and end means nothing to who reads [MQTT5-6.0.0-2]
 * [MQTT3-6.0.0-2].
 */
export class WebSocketLink implements Link {
  readonly peer: Peer;
  readonly #webSocket: WebSocketLike;
  readonly #handler: LinkHandler;
  readonly #input: PausedInput;
  readonly #after: After;
  #isHeld = false;
  #isEnded = false;
  #isClosed = false;
  #error: Error | undefined = undefined;

  /**
   * @param webSocket  Just made, with the subprotocol `mqtt`.
   * @param url  For messages.
   * @param connected  Called once: with nothing, or with why there is no connection.
   */
  constructor(
    handler: LinkHandler,
    webSocket: WebSocketLike,
    url: string,
    after: After,
    connected: (cause?: Error) => void,
  ) {
    this.peer = { listener: url, transport: "websocket" };
    this.#webSocket = webSocket;
    this.#handler = handler;
    this.#after = after;
    this.#input = new PausedInput(handler, {
      stop: () => {},
      start: () => {},
      soon: (callback) => after(0, callback),
    });
    webSocket.binaryType = "arraybuffer";
    webSocket.onopen = () => {
      webSocket.onclose = ({ code, reason }) => this.#onClose(code, reason);
      connected();
    };
    webSocket.onmessage = ({ data }) => this.#onMessage(data);
    // The close that follows says as much.
    webSocket.onerror = () => {};
    webSocket.onclose = ({ code, reason }) => {
      this.#isClosed = true;
      // What went wrong a browser tells nobody but its console.
      const message = `cannot connect to ${url}: ${closeText(code, reason)}`;
      connected(new ConnectionError("ERR_CONNECTION_FAILED", message));
    };
  }

  get unsentBytes(): number {
    return this.#isClosed ? 0 : this.#webSocket.bufferedAmount;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#isEnded || this.#isClosed || this.#webSocket.readyState !== open) return false;
    this.#webSocket.send(bytes);
    if (this.#webSocket.bufferedAmount > heldMaximum && !this.#isHeld) {
      this.#isHeld = true;
      this.#askLater();
    }
    return !this.#isHeld;
  }

  pause(): void {
    this.#input.pause();
  }

  resume(): void {
    this.#input.resume();
  }

  end(): void {
    if (this.#isEnded || this.#isClosed) return;
    this.#isEnded = true;
    this.#webSocket.close(normal);
  }

  destroy(): void {
    this.#isEnded = true;
    this.#input.drop();
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#webSocket.close();
    this.#after(0, () => this.#input.closed(this.#error));
  }

  #onMessage(data: unknown): void {
    if (this.#isClosed || this.#error !== undefined) return;
    if (!(data instanceof ArrayBuffer)) {
      // [MQTT5-6.0.0-1] [MQTT3-6.0.0-1]
      this.#refuse(unsupportedData, "a text frame arrived; MQTT goes in binary frames");
      return;
    }
    const bytes = new Uint8Array(data);
    this.#input.receive(bytes, 0, bytes.length);
    // A timer may be slow in a page that is not seen; what arrives is not.
    this.#askIfDrained();
    if (this.#input.heldBytes > pausedMaximum)
      this.#refuse(normal, `more than ${pausedMaximum} bytes came while nobody took them`);
  }

  #refuse(code: number, message: string): void {
    this.#error = new Error(message);
    this.#isEnded = true;
    this.#webSocket.close(code);
  }

  #onClose(code: number, reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (code !== normal && !this.#isEnded) this.#error ??= new Error(closeText(code, reason));
    this.#input.closed(this.#error);
  }

  #askLater(): void {
    this.#after(askAfterMs, () => {
      this.#askIfDrained();
      if (this.#isHeld && !this.#isClosed) this.#askLater();
    });
  }

  #askIfDrained(): void {
    if (!this.#isHeld || this.#isClosed || this.#webSocket.bufferedAmount > 0) return;
    this.#isHeld = false;
    this.#handler.onWritable();
  }
}

function closeText(code: number, reason: string): string {
  if (code === noCloseFrame) return "the connection was cut without a Close frame";
  return `the WebSocket was closed with code ${code}${reason === "" ? "" : `, ${reason}`}`;
}
