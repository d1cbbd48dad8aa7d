import type { Link, LinkHandler, Peer } from "@sericite/protocol";
import type { Socket } from "node:net";
import { PausedInput } from "../link/paused-input.ts";

/** A larger write is not copied. Bytes. */
const copiedMaximum = 64 * 1024;
/** Bytes that a transport which copies may hold and still take more. */
const heldMaximum = 128 * 1024;
/** Bytes of one read, at most: one buffer for all reads of a connection. */
const readBufferBytes = 64 * 1024;

/** Options of `createConnection` and `tls.connect` by which they read for a link. */
export interface ReadOptions {
  readonly noDelay: true;
  readonly onread: {
    readonly buffer: Uint8Array;
    readonly callback: (length: number, buffer: Uint8Array) => boolean;
  };
}

/**
 * A socket that connects, as a `Link`: TCP, TLS or Unix.
 */
export class SocketLink implements Link {
  readonly peer: Peer;
  readonly #input: PausedInput;
  readonly #output: SocketOutput;
  readonly #socket: Socket;

  /**
   * @param open  Makes the socket with the options that it is given.
   * @param connectedEvent  Event after which bytes can be written.
   * @param connected  Called once: with nothing, or with why there is no connection.
   */
  constructor(
    handler: LinkHandler,
    peer: Peer,
    open: (options: ReadOptions) => Socket,
    connectedEvent: "connect" | "secureConnect",
    connected: (cause?: Error) => void,
  ) {
    this.peer = peer;
    const socket = open({
      noDelay: true,
      onread: {
        buffer: new Uint8Array(readBufferBytes),
        callback: (length, buffer) => {
          this.#input.receive(buffer, 0, length);
          return true;
        },
      },
    });
    this.#socket = socket;
    this.#input = new PausedInput(handler, socketSource(socket));
    // TLS holds what is written even where the system has room for it.
    this.#output = new SocketOutput(socket, handler, connectedEvent === "secureConnect");
    let isConnected = false;
    let error: Error | undefined;
    socket.once(connectedEvent, () => {
      isConnected = true;
      connected();
    });
    socket.on("error", (cause) => {
      error = cause;
    });
    socket.on("end", () => this.#input.ended());
    socket.on("close", () => {
      if (isConnected) this.#input.closed(error);
      else connected(error ?? new Error("closed before it was connected"));
    });
  }

  get unsentBytes(): number {
    return this.#output.unsentBytes;
  }

  write(bytes: Uint8Array): boolean {
    return this.#output.write(bytes);
  }

  pause(): void {
    this.#input.pause();
  }

  resume(): void {
    this.#input.resume();
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#input.drop();
    this.#socket.destroy();
  }
}

/** How a socket is read by a `PausedInput`. */
export function socketSource(socket: Socket) {
  return {
    stop: () => void socket.pause(),
    start: () => void socket.resume(),
    soon: (callback: () => void) => void setImmediate(callback),
  };
}

/** The writing half of a link over a socket. */
export class SocketOutput {
  readonly #socket: Socket;
  readonly #handler: LinkHandler;
  readonly #copies: boolean;
  #isHeld = false;
  readonly #onWritten = (error?: Error | null): void => {
    // Called too for what a broken connection did not take.
    if (error || this.#socket.destroyed) return;
    if (!this.#isHeld || this.#socket.writableLength > 0) return;
    this.#isHeld = false;
    this.#handler.onWritable();
  };

  /**
   * @param copies  The transport holds what is written even where the system has room for it:
   * small writes are copied then, so that the writer has its memory back at once.
   */
  constructor(socket: Socket, handler: LinkHandler, copies: boolean) {
    this.#socket = socket;
    this.#handler = handler;
    this.#copies = copies;
  }

  get unsentBytes(): number {
    return this.#socket.destroyed ? 0 : this.#socket.writableLength;
  }

  /** As `Link.write`. */
  write(bytes: Uint8Array): boolean {
    if (!this.#copies || bytes.length > copiedMaximum) return this.writeOwned(bytes, false);
    return this.writeOwned(new Uint8Array(bytes), true);
  }

  /** As `write`. @param isOwned  Nobody else has these bytes: they may be held and called taken. */
  writeOwned(bytes: Uint8Array, isOwned: boolean): boolean {
    const socket = this.#socket;
    socket.write(bytes, this.#onWritten);
    // What `write` returns is about the water mark; the length tells whether the system took all.
    const held = socket.writableLength;
    // Nor does it take anything once the other side has closed.
    if (held > (isOwned ? heldMaximum : 0) || !socket.writable) this.#isHeld = true;
    return !this.#isHeld;
  }
}
