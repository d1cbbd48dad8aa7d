import type { Socket } from "node:net";
import type { WebSocket } from "ws";
import type { Link, LinkHandler, Peer } from "@sericite/protocol";
import { DrainWatch } from "./drain-watch.ts";
import { COPIED_MAXIMUM, HELD_MAXIMUM } from "./socket-link.ts";

/** Close codes of RFC 6455. */
const NORMAL = 1000;
const UNSUPPORTED_DATA = 1003;
const ABNORMAL = 1006;

/** The content of several small frames, one behind the other, while it is handed on. */
const gathered = new Uint8Array(64 * 1024);

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
  /** Frames that were read and not handed on: after a pause, or since others of their chunk follow. */
  #held: Uint8Array[] = [];
  /** `webSocket` is at work on bytes that were read just now. */
  #isReading = false;
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
    // Around the listener by which `webSocket` reads: what comes in many small frames is handled at once.
    socket.prependListener("data", () => (this.#isReading = true));
    socket.on("data", () => {
      this.#isReading = false;
      this.#hand();
    });
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
    if (!this.#isReading) this.#hand();
  }

  /** Hands on what was read while there is no pause; what is left after a close too, and then the close. */
  #hand(): void {
    while (!this.#isPaused && !this.#isDestroyed && this.#held.length > 0) {
      const count = this.#gather();
      if (count === 0) {
        const data = this.#held.shift()!;
        this.#handler?.onData(data, 0, data.length);
      } else this.#handler?.onData(gathered, 0, count);
    }
    if (!this.#isClosed || this.#isToldClosed) return;
    if (this.#held.length > 0 && !this.#isDestroyed) return;
    this.#isToldClosed = true;
    this.#handler?.onClose(this.#cause);
  }

  /** Takes frames that wait, as many as fit into `gathered`. @returns their bytes; 0 where one is all that would fit. */
  #gather(): number {
    const held = this.#held;
    let frames = 0;
    let length = 0;
    for (const { length: more } of held) {
      if (length + more > gathered.length) break;
      length += more;
      frames++;
    }
    if (frames < 2) return 0;
    let offset = 0;
    for (let index = 0; index < frames; index++) {
      gathered.set(held[index]!, offset);
      offset += held[index]!.length;
    }
    if (frames === held.length) held.length = 0;
    else held.splice(0, frames);
    return length;
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
