import { createServer } from "node:net";
import type { Server, Socket } from "node:net";
import type { Accept, Link, LinkHandler, Peer } from "@sericite/protocol";
import { readIntoSharedBuffer, withDataEvents } from "./on-read.ts";

const nothing = new Uint8Array(0);

/** A TCP connection as a `Link`. */
export class TcpLink implements Link {
  readonly peer: Peer;
  readonly #socket: Socket;
  #handler: LinkHandler | undefined;
  #isWaiting = false;
  #cause: Error | undefined;

  constructor(accepted: Socket, listener: string, usesSharedBuffer: boolean) {
    this.peer = {
      listener,
      transport: accepted.remoteAddress === undefined ? "unix" : "tcp",
      address: accepted.remoteAddress,
      port: accepted.remotePort,
    };
    const read = (bytes: Uint8Array, length: number): void => this.#handler?.onData(bytes, 0, length);
    const socket = usesSharedBuffer ? readIntoSharedBuffer(accepted, read) : withDataEvents(accepted, read);
    this.#socket = socket;
    socket.on("error", (error) => (this.#cause = error));
    socket.on("close", () => this.#handler?.onClose(this.#cause));
  }

  /** Begins to read. */
  start(handler: LinkHandler): void {
    this.#handler = handler;
    this.#socket.resume();
  }

  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  write(bytes: Uint8Array): boolean {
    const socket = this.#socket;
    if (!socket.writable) return true; // Lost, as what is written to a link that is gone.
    socket.write(bytes);
    // `write` says false at the high-water mark even where the kernel took all.
    if (socket.writableLength === 0) return true;
    if (!this.#isWaiting) this.#awaitDrain();
    return false;
  }

  /** 'drain' does not come below the high-water mark; the callback of an empty write does. */
  #awaitDrain(): void {
    this.#isWaiting = true;
    this.#socket.write(nothing, (error) => {
      this.#isWaiting = false;
      if (error !== null && error !== undefined) return;
      if (this.#socket.writableLength > 0) this.#awaitDrain();
      else this.#handler?.onWritable();
    });
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

/** What a TCP listener is made with. */
export interface TcpListenerOptions {
  /** Port, 0 for a free one; or a path of a Unix socket. */
  readonly port: number;
  readonly host: string;
  readonly backlog?: number;
  /** Read with 'data' events, the public way: for tests, and where the fast one is in doubt. */
  readonly usesDataEvents?: boolean;
}

/** A server that hands its connections to `accept`. */
export interface Listener {
  /** As shown in logs and given to hooks: `tcp:1883`. */
  readonly name: string;
  readonly host: string;
  /** The real one, also where 0 was asked for. */
  readonly port: number;
  /** Stops accepting. Connections live on. Settles when the port is free. */
  close(): Promise<void>;
}

/** Listens on a TCP port. Rejects with the system's error where it cannot. */
export function listenTcp(accept: Accept, options: TcpListenerOptions): Promise<Listener> {
  const server = createServer({ noDelay: true, pauseOnConnect: true });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port: options.port, host: options.host, backlog: options.backlog ?? 511 }, () => {
      server.removeListener("error", reject);
      resolve(serve(server, accept, options.usesDataEvents !== true));
    });
  });
}

/** Takes the connections of a server that listens already, or will. */
export function serveTcp(server: Server, accept: Accept): Listener {
  return serve(server, accept, false);
}

function serve(server: Server, accept: Accept, usesSharedBuffer: boolean): Listener {
  const bound = server.address();
  const port = bound !== null && typeof bound === "object" ? bound.port : 0;
  const host = bound !== null && typeof bound === "object" ? bound.address : "";
  const name = `tcp:${port}`;
  const onConnection = (socket: Socket): void => {
    const link = new TcpLink(socket, name, usesSharedBuffer);
    link.start(accept(link));
  };
  server.on("connection", onConnection);
  return {
    name,
    host,
    port,
    close: () =>
      new Promise((resolve) => {
        server.removeListener("connection", onConnection);
        if (!server.listening) return resolve();
        server.close();
        // 'close' would wait for every connection; the port is free at once.
        setImmediate(resolve);
      }),
  };
}
