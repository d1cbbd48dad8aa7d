import type { Socket } from "node:net";
import type { WebSocket } from "ws";
import type { Link, LinkHandler, Peer } from "@sericite/protocol";
import { DrainWatch } from "./drain-watch.ts";
import { COPIED_MAXIMUM, HELD_MAXIMUM } from "./socket-link.ts";

/** Close codes of RFC 6455. */
const NORMAL = 1000;
const UNSUPPORTED_DATA = 1003;
const ABNORMAL = 1006;

/**
 * A WebSocket as a `Link`. Each write is one binary frame [MQTT5-6.0.0-1] [MQTT3-6.0.0-1]; where
 * frames begin and end means nothing to who reads [MQTT5-6.0.0-2] [MQTT3-6.0.0-2].
 */
export class WebSocketLink implements Link {
  readonly peer: Peer;
  readonly #webSocket: WebSocket;
  readonly #socket: Socket;
  readonly #drain: DrainWatch;
  readonly #copiesWrites: boolean;
  #handler: LinkHandler | undefined;
  /** Frames that were read with others of their chunk, after a pause. */
  #held: Uint8Array[] = [];
  #isPaused = true;
  #isEnded = false;
  #isDestroyed = false;
  #isClosed = false;
  #isToldClosed = false;
  #cause: Error | undefined;

  /**
   * @param socket  The one below `webSocket`.
   * @param copiesWrites  See `SocketLinkOptions`.
   */
  constructor(webSocket: WebSocket, socket: Socket, peer: Peer, copiesWrites: boolean) {
    this.peer = peer;
    this.#webSocket = webSocket;
    this.#socket = socket;
    this.#copiesWrites = copiesWrites;
    this.#drain = new DrainWatch(socket, () => this.#isClosed || this.#handler?.onWritable());
    webSocket.on("message", (data, isBinary) => this.#onMessage(data as Buffer, isBinary));
    webSocket.on("error", (error) => (this.#cause ??= error));
    webSocket.on("close", (code) => {
      this.#isClosed = true;
      if (code === ABNORMAL && !this.#isEnded)
        this.#cause ??= new Error("the connection was cut without a close frame");
      this.#hand();
    });
  }

  /** Begins to hand on what is read. */
  start(handler: LinkHandler): void {
    this.#handler = handler;
    this.resume();
  }

  #onMessage(data: Buffer, isBinary: boolean): void {
    if (this.#isDestroyed || this.#cause !== undefined) return;
    if (!isBinary) {
      this.#cause = new Error("a text frame arrived; MQTT goes in binary frames"); // [MQTT5-6.0.0-1] [MQTT3-6.0.0-1]
      this.#isEnded = true;
      this.#webSocket.close(UNSUPPORTED_DATA, "MQTT goes in binary frames");
      return;
    }
    if (data.length === 0) return;
    this.#held.push(data);
    this.#hand();
  }

  /** Hands on what was read while there is no pause; what is left after a close too, and then the close. */
  #hand(): void {
    while (!this.#isPaused && !this.#isDestroyed && this.#held.length > 0) {
      const data = this.#held.shift()!;
      this.#handler?.onData(data, 0, data.length);
    }
    if (!this.#isClosed || this.#isToldClosed) return;
    if (this.#held.length > 0 && !this.#isDestroyed) return;
    this.#isToldClosed = true;
    this.#handler?.onClose(this.#cause);
  }

  get unsentBytes(): number {
    return this.#socket.destroyed ? 0 : this.#socket.writableLength;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#isEnded || this.#webSocket.readyState !== this.#webSocket.OPEN) return true; // Lost, as on a link that is gone.
    const copies = this.#copiesWrites && bytes.length <= COPIED_MAXIMUM;
    this.#webSocket.send(copies ? Buffer.from(bytes) : bytes);
    const held = this.#socket.writableLength;
    if (held === 0 || (copies && held <= HELD_MAXIMUM && !this.#drain.isWatching)) return true;
    this.#drain.watch();
    return false;
  }

  pause(): void {
    this.#isPaused = true;
    this.#webSocket.pause();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#webSocket.resume();
    if (this.#held.length > 0) setImmediate(() => this.#hand());
  }

  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#webSocket.close(NORMAL);
  }

  destroy(): void {
    this.#isEnded = true;
    this.#isDestroyed = true;
    this.#held = [];
    this.#webSocket.terminate();
    if (this.#isClosed) setImmediate(() => this.#hand());
  }
}
