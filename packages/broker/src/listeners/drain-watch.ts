import type { Writable } from "node:stream";

const nothing = new Uint8Array(0);

/**
 * Tells when a stream holds nothing any more. Its 'drain' event does not come below the high-water
 * mark; the callback of an empty write does.
 */
export class DrainWatch {
  readonly #stream: Writable;
  readonly #onDrained: () => void;
  #isWatching = false;

  /** @param onDrained  Never called from inside `watch`, and not where the stream fails before. */
  constructor(stream: Writable, onDrained: () => void) {
    this.#stream = stream;
    this.#onDrained = onDrained;
  }

  /** Whether `onDrained` is yet to come. */
  get isWatching(): boolean {
    return this.#isWatching;
  }

  /** Calls `onDrained` once when all that was written has left, also what is written from now on. */
  watch(): void {
    if (this.#isWatching) return;
    this.#isWatching = true;
    this.#append();
  }

  #append(): void {
    this.#stream.write(nothing, (error) => {
      if (error !== null && error !== undefined) return;
      if (this.#stream.writableLength > 0) return this.#append();
      this.#isWatching = false;
      this.#onDrained();
    });
  }
}
