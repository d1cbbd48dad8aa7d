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

const linkOf = Symbol("link");

/** Listeners that all sockets share find the link here: made for each, they would be a third of what a link takes. */
type LinkedSocket = Socket & { [linkOf]: SocketLink };

/** A stream socket as a `Link`: TCP, TLS or Unix. */
export class SocketLink implements Link {
  readonly peer: Peer;
  readonly #socket: Socket;
  /** Made when the socket is full for the first time. */
  #drain: DrainWatch | undefined;
  readonly #copiesWrites: boolean;
  #handler: LinkHandler | undefined;
  /** Until it is started, too. */
  #isPaused = true;
  /** What came while it was paused: TLS hands over all that it has read of the network, record by record. */
  #held: Uint8Array[] | undefined;
  #isEnded = false;
  #cause: Error | undefined;

  /** @param socket  Paused. */
  constructor(socket: Socket, peer: Peer, options: SocketLinkOptions = {}) {
    this.peer = peer;
    this.#copiesWrites = options.copiesWrites === true;
    const read = (length: number, bytes: Uint8Array): true => {
      if (this.#isPaused || this.#held !== undefined)
        (this.#held ??= []).push(Uint8Array.prototype.slice.call(bytes, 0, length));
      else this.#handler?.onData(bytes, 0, length);
      return true;
    };
    if (options.usesSharedBuffer === true) readIntoSharedBuffer(socket, read);
    else withDataEvents(socket, read);
    socket.pause();
    socket.allowHalfOpen = true;
    this.#socket = socket;
    (socket as LinkedSocket)[linkOf] = this;
    socket.on("end", onEnd);
    socket.on("error", onError);
    socket.on("close", onClose);
  }

  /** The socket failed; it closes next. @internal */
  failed(cause: Error): void {
    this.#cause = cause;
  }

  /** The socket is closed. @internal */
  closed(): void {
    this.#held = undefined;
    this.#handler?.onClose(this.#cause);
  }

  /** Begins to read. */
  start(handler: LinkHandler): void {
    this.#handler = handler;
    this.resume();
  }

  /** Hands over what came while it was paused, then reads on. @internal */
  giveHeld(): void {
    const held = this.#held;
    while (held !== undefined && held.length > 0) {
      if (this.#isPaused) return;
      const bytes = held.shift()!;
      this.#handler?.onData(bytes, 0, bytes.length);
    }
    this.#held = undefined;
    if (!this.#isPaused) this.#socket.resume();
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
    if (held === 0 || (copies && held <= HELD_MAXIMUM && this.#drain?.isWatching !== true))
      return true;
    this.#drain ??= new DrainWatch(socket, () => this.#handler?.onWritable());
    this.#drain.watch();
    return false;
  }

  pause(): void {
    this.#isPaused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#held === undefined) this.#socket.resume();
    else setImmediate(giveHeld, this);
  }

  end(): void {
    this.#isEnded = true;
    this.#socket.end();
  }

  destroy(): void {
    this.#isEnded = true;
    this.#isPaused = true;
    this.#socket.destroy();
  }
}

/** Answers to the last bytes are written at the end of the turn: they leave before the other half ends. */
function onEnd(this: Socket): void {
  setImmediate(endSocket, this);
}

function giveHeld(link: SocketLink): void {
  link.giveHeld();
}

function endSocket(socket: Socket): void {
  // A second end makes an error object that nobody sees, with its stack.
  if (!socket.writableEnded) socket.end();
}

function onError(this: Socket, error: Error): void {
  (this as LinkedSocket)[linkOf].failed(error);
}

function onClose(this: Socket): void {
  (this as LinkedSocket)[linkOf].closed();
}
