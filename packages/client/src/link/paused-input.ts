import type { LinkHandler } from "@sericite/protocol";

/** Bytes that are read ahead while a link is paused. */
const readAheadBytes = 64 * 1024;

/** Where the bytes of a `PausedInput` come from. */
export interface InputSource {
  /** Reads no more, until `start`. */
  stop(): void;
  start(): void;
  /** Calls back soon, and not from inside. */
  soon(callback: () => void): void;
}

/**
 * The reading half of a `Link` that can be paused. A little is read ahead in a pause, and kept: a
 * transport tells of the other side's end only to those who read.
 */
export class PausedInput {
  readonly #handler: LinkHandler;
  readonly #source: InputSource;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #isPaused = false;
  #isStopped = false;
  #isHandingDue = false;
  #isEndTold = false;
  #isDropped = false;
  #state: "open" | "closed" | "told" = "open";
  #cause: Error | undefined = undefined;

  constructor(handler: LinkHandler, source: InputSource) {
    this.#handler = handler;
    this.#source = source;
  }

  /** Bytes that arrived and were not handed on. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Bytes arrived. They are copied where they have to wait. */
  receive(bytes: Uint8Array, start: number, end: number): void {
    if (this.#isDropped || start === end) return;
    if (!this.#isPaused && this.#heldBytes === 0) {
      this.#handler.onData(bytes, start, end);
      return;
    }
    // Not `slice`, which Node's Buffer answers with a view.
    this.#held.push(new Uint8Array(bytes.subarray(start, end)));
    this.#heldBytes += end - start;
    if (this.#heldBytes >= readAheadBytes && !this.#isStopped) {
      this.#isStopped = true;
      this.#source.stop();
    }
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    if (this.#heldBytes > 0 || this.#isStopped) this.#handSoon();
  }

  /** The other side will send no more. Called by the transport, not from inside a call to the link. */
  ended(): void {
    if (!this.#isPaused || this.#heldBytes === 0 || this.#isEndTold || this.#isDropped) return;
    this.#isEndTold = true;
    this.#handler.onEnd?.();
  }

  /** The transport is gone: `onClose` follows, behind what is held. Called as `ended` is. */
  closed(cause: Error | undefined): void {
    if (this.#state !== "open") return;
    this.#state = "closed";
    this.#cause = cause;
    if (this.#heldBytes === 0) this.#tellClosed();
    else this.ended();
  }

  /** This end destroyed the link: nothing is handed on any more but `onClose`. */
  drop(): void {
    if (this.#isDropped) return;
    this.#isDropped = true;
    this.#held = [];
    this.#heldBytes = 0;
    if (this.#state === "closed") this.#handSoon();
  }

  #handSoon(): void {
    if (this.#isHandingDue) return;
    this.#isHandingDue = true;
    this.#source.soon(() => {
      this.#isHandingDue = false;
      this.#hand();
    });
  }

  #hand(): void {
    const held = this.#held;
    while (!this.#isPaused && !this.#isDropped && held.length > 0) {
      const bytes = held.shift()!;
      this.#handler.onData(bytes, 0, bytes.length);
      // Taken off only now: what arrives meanwhile belongs behind it.
      if (!this.#isDropped) this.#heldBytes -= bytes.length;
    }
    if (this.#heldBytes > 0) return;
    if (this.#state === "closed") this.#tellClosed();
    else if (this.#isStopped && !this.#isPaused) {
      this.#isStopped = false;
      this.#source.start();
    }
  }

  #tellClosed(): void {
    this.#state = "told";
    this.#handler.onClose(this.#cause);
  }
}
