import type { Dial, Link, LinkHandler, Peer } from "@sericite/protocol";
import { ConnectionError } from "@sericite/protocol";
import type { Socket } from "node:net";
import { createConnection } from "node:net";

/** Where a TCP server is. */
export interface TcpOptions {
  /** Host name or address. Default 127.0.0.1. */
  readonly host?: string | undefined;
  /** Default 1883. */
  readonly port?: number | undefined;
  /** Time for the connection to be made. Milliseconds. Default: the system's. */
  readonly timeoutMs?: number | undefined;
}

/** Bytes of one read, at most: one buffer for all reads of a connection. */
const readBufferBytes = 64 * 1024;

/** A `Dial` over TCP. */
export function dialTcp(options: TcpOptions = {}): Dial {
  const { host = "127.0.0.1", port = 1883, timeoutMs } = options;
  return (handler) =>
    new Promise((resolve, reject) => {
      const listener = `tcp://${host.includes(":") ? `[${host}]` : host}:${port}`;
      const link = new TcpLink(handler, listener, host, port, (cause) => {
        clearTimeout(timer);
        if (cause === undefined) resolve(link);
        else reject(connectError(cause, listener));
      });
      const timer =
        timeoutMs === undefined
          ? undefined
          : setTimeout(() => {
              link.destroy();
              reject(
                new ConnectionError(
                  "ERR_CONNECT_TIMEOUT",
                  `${listener} did not answer within ${timeoutMs} ms`,
                ),
              );
            }, timeoutMs);
    });
}

class TcpLink implements Link {
  readonly peer: Peer;
  readonly #socket: Socket;
  #handler: LinkHandler | undefined;
  #isHeld = false;
  #error: Error | undefined = undefined;
  readonly #onWritten = (error?: Error | null): void => {
    // Called too for what a broken connection did not take.
    if (error || this.#socket.destroyed) return;
    if (!this.#isHeld || this.#socket.writableLength > 0) return;
    this.#isHeld = false;
    this.#handler?.onWritable();
  };

  /** @param connected  Called once: with nothing, or with why there is no connection. */
  constructor(
    handler: LinkHandler,
    listener: string,
    host: string,
    port: number,
    connected: (cause?: Error) => void,
  ) {
    this.peer = { listener, transport: "tcp" };
    this.#handler = handler;
    let isConnected = false;
    const socket = createConnection({
      host,
      port,
      noDelay: true,
      onread: {
        buffer: new Uint8Array(readBufferBytes),
        callback: (length: number, buffer: Uint8Array) => {
          this.#handler?.onData(buffer, 0, length);
          return true;
        },
      },
    });
    this.#socket = socket;
    socket.on("connect", () => {
      isConnected = true;
      connected();
    });
    socket.on("error", (error) => {
      this.#error = error;
    });
    socket.on("close", () => {
      if (isConnected) this.#handler?.onClose(this.#error);
      else connected(this.#error ?? new Error("closed before it was connected"));
      this.#handler = undefined;
    });
  }

  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  write(bytes: Uint8Array): boolean {
    const socket = this.#socket;
    socket.write(bytes, this.#onWritten);
    // What `write` returns is about the water mark; the length tells whether the system took all.
    // Nor does it take anything once the other side has closed.
    if (socket.writableLength > 0 || !socket.writable) this.#isHeld = true;
    return !this.#isHeld;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

function connectError(
  cause: Error & { readonly code?: unknown },
  listener: string,
): ConnectionError {
  const isRefused = cause.code === "ECONNREFUSED" || cause.code === "ECONNRESET";
  return isRefused
    ? new ConnectionError("ERR_CONNECTION_REFUSED", `no server at ${listener}`, { cause })
    : new ConnectionError(
        "ERR_CONNECTION_FAILED",
        `cannot connect to ${listener}: ${cause.message}`,
        { cause },
      );
}
