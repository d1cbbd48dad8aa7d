import type { Server } from "node:net";
import type { Listener } from "./listener.ts";

/** What a listener on a server of somebody else's is called. */
export interface GivenServerOptions {
  readonly scheme: string;
  readonly name: string;
  readonly transport: Listener["transport"];
  /** The server's event that brings connections. */
  readonly event: "connection" | "secureConnection" | "upgrade";
}

/** A listener on a server that its owner opens and closes, at any time. */
export class GivenServer implements Listener {
  readonly transport: Listener["transport"];
  refused = 0;
  readonly #server: Server;
  readonly #options: GivenServerOptions;
  readonly #take: (...args: never[]) => void;

  /** @param take  Listens to the event until the listener is closed. */
  constructor(server: Server, options: GivenServerOptions, take: (...args: never[]) => void) {
    this.#server = server;
    this.#options = options;
    this.#take = take;
    this.transport = options.transport;
    server.on(options.event, take as () => void);
  }

  get name(): string {
    const bound = this.#server.address();
    return `${this.#options.name}:${typeof bound === "string" ? bound : this.port}`;
  }

  get url(): string {
    const bound = this.#server.address();
    if (typeof bound === "string") return `unix://${bound}`;
    return `${this.#options.scheme}://${this.host.includes(":") ? `[${this.host}]` : this.host}:${this.port}`;
  }

  get host(): string {
    const bound = this.#server.address();
    return bound !== null && typeof bound === "object" ? bound.address : "";
  }

  get port(): number {
    const bound = this.#server.address();
    return bound !== null && typeof bound === "object" ? bound.port : 0;
  }

  /** Takes no more connections; the server goes on, since it is its owner's. */
  close(): Promise<void> {
    this.#server.removeListener(this.#options.event, this.#take as () => void);
    return Promise.resolve();
  }
}
