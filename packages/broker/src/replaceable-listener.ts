import type { Listener, OwnListener, TlsContexts } from "./listeners/index.ts";

/** A listener of an address: another one can take its place, and whoever holds it notices nothing. */
export class ReplaceableListener implements Listener {
  #present: OwnListener;
  readonly #onClose: () => void;
  #isClosed = false;
  #reloaded: TlsContexts | undefined;
  /** By those that were there before. */
  #refusedBefore = 0;

  /** @param onClose  Called once, when it is closed. */
  constructor(present: OwnListener, onClose: () => void) {
    this.#present = present;
    this.#onClose = onClose;
  }

  get name(): string {
    return this.#present.name;
  }

  get transport(): Listener["transport"] {
    return this.#present.transport;
  }

  get url(): string {
    return this.#present.url;
  }

  get host(): string {
    return this.#present.host;
  }

  get port(): number {
    return this.#present.port;
  }

  get refused(): number {
    return this.#refusedBefore + this.#present.refused;
  }

  get reload(): ((contexts: TlsContexts) => void) | undefined {
    const { reload } = this.#present;
    if (reload === undefined) return undefined;
    return (contexts) => {
      reload(contexts);
      this.#reloaded = contexts;
    };
  }

  /** The certificates that were put in force last, where it was not made with them. */
  get reloaded(): TlsContexts | undefined {
    return this.#reloaded;
  }

  /** Takes the connections that have waited since it was opened. */
  start(): void {
    this.#present.start();
  }

  /** Has `make` put another one in its place, on the same server. No connection is lost meanwhile. */
  async replace(make: (server: ReturnType<OwnListener["handOver"]>) => Promise<OwnListener>) {
    const before = this.#present;
    const next = make(before.handOver());
    this.#present = await next;
    this.#refusedBefore += before.refused;
  }

  /** Puts another one in its place, which is closed. */
  reopened(next: OwnListener): void {
    this.#refusedBefore += this.#present.refused;
    this.#present = next;
  }

  /** Closes what listens, and may be reopened. */
  suspend(): Promise<void> {
    return this.#present.close();
  }

  async close(): Promise<void> {
    if (!this.#isClosed) this.#onClose();
    this.#isClosed = true;
    await this.#present.close();
  }
}
