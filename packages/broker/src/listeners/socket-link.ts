import type { Socket } from "node:net";
import type { Link, LinkHandler, Peer } from "@sericite/protocol";
import { DrainWatch } from "./drain-watch.ts";
import { readIntoSharedBuffer, withDataEvents } from "./on-read.ts";

/** A larger write is not copied. Bytes. */
export const COPIED_MAXIMUM = 64 * 1024;
/** Bytes that a transport which copies may hold and still take more. */
export const HELD_MAXIMUM = 128 * 1024;

/** How a socket is read and written. */
export interface SocketLinkOptions {
  /** Read with the buffer that all sockets share. Only for one that no byte was read from. */
  readonly usesSharedBuffer?: boolean;
  /**
   * The transport holds what is written even where the kernel has room, as TLS does. Small writes
   * are copied then, so that the writer has its memory back at once.
   */
  readonly copiesWrites?: boolean;
}

/** A stream socket as a `Link`: TCP, TLS or Unix. */
export class SocketLink implements Link {
  readonly peer: Peer;
  readonly #socket: Socket;
  readonly #drain: DrainWatch;
  readonly #copiesWrites: boolean;
  #handler: LinkHandler | undefined;
  #isEnded = false;
  #cause: Error | undefined;

  /** @param accepted  Paused. */
  constructor(accepted: Socket, peer: Peer, options: SocketLinkOptions = {}) {
    this.peer = peer;
    this.#copiesWrites = options.copiesWrites === true;
    const read = (bytes: Uint8Array, length: number): void =>
      this.#handler?.onData(bytes, 0, length);
    const socket =
      options.usesSharedBuffer === true
        ? readIntoSharedBuffer(accepted, read)
        : withDataEvents(accepted, read);
    socket.pause();
    socket.allowHalfOpen = true;
    this.#socket = socket;
    this.#drain = new DrainWatch(socket, () => this.#handler?.onWritable());
    // Answers to the last bytes are written at the end of the turn: they leave before the other half ends.
    socket.on("end", () => setImmediate(() => socket.end()));
    socket.on("error", (error) => (this.#cause = error));
    socket.on("close", () => this.#handler?.onClose(this.#cause));
  }

  /** Begins to read. */
  start(handler: LinkHandler): void {
    this.#handler = handler;
    this.#socket.resume();
  }

  get unsentBytes(): number {
    return this.#socket.destroyed ? 0 : this.#socket.writableLength;
  }

  write(bytes: Uint8Array): boolean {
    const socket = this.#socket;
    if (this.#isEnded || !socket.writable) return true; // Lost, as what is written to a link that is gone.
    const copies = this.#copiesWrites && bytes.length <= COPIED_MAXIMUM;
    socket.write(copies ? Buffer.from(bytes) : bytes);
    // `write` says false at the high-water mark even where the kernel took all.
    const held = socket.writableLength;
    if (held === 0 || (copies && held <= HELD_MAXIMUM && !this.#drain.isWatching)) return true;
    this.#drain.watch();
    return false;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#isEnded = true;
    this.#socket.end();
  }

  destroy(): void {
    this.#isEnded = true;
    this.#socket.destroy();
  }
}
