import type { Position } from "./ports.ts";

/**
 * So many messages of a session may be settled and that not be durable; before there are more the
 * next one waits. After a crash they stand in front of what was in flight, and nobody can tell them
 * from it: so many more are sent with DUP.
 */
export const UNFLUSHED_SETTLES = 1000;

/** Counts a session's messages that are settled, but that a crash would bring back. */
export class UnflushedSettles {
  #older = 0;
  #olderPosition: Position = 0;
  #newer = 0;
  #newerPosition: Position = 0;

  /** One more is settled; its record is at `position`. */
  add(position: Position): void {
    if (this.#older === 0) {
      this.#older = 1;
      this.#olderPosition = position;
    } else {
      this.#newer++;
      this.#newerPosition = position;
    }
  }

  /** How many there are at most. @param durable  What is durable by now. */
  count(durable: Position): number {
    if (this.#older !== 0 && this.#olderPosition <= durable) {
      // What came after the first is taken together, so this may be a little late to see them flushed.
      this.#older = this.#newerPosition <= durable ? 0 : this.#newer;
      this.#olderPosition = this.#newerPosition;
      this.#newer = 0;
    }
    return this.#older + this.#newer;
  }
}
