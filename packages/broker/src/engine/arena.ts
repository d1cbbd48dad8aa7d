const BLOCK = 256 * 1024;

/**
 * Memory for what the engine encodes itself within one turn: acknowledgements and variants of
 * messages. Everything in it is over when the turn ends.
 */
export class Arena {
  bytes: Uint8Array = new Uint8Array(BLOCK);
  #used = 0;
  #isHeld = false;

  /** @returns where `length` bytes of `bytes` are the caller's until the end of the turn. */
  reserve(length: number): number {
    if (this.#used + length > this.bytes.length) {
      // Ranges of this turn keep the old block alive; it is never written again.
      this.bytes = new Uint8Array(Math.max(BLOCK, length));
      this.#used = 0;
      this.#isHeld = false;
    }
    const at = this.#used;
    this.#used += length;
    return at;
  }

  /** A transport still sends from `bytes`: they must not be written again. */
  hold(bytes: Uint8Array): void {
    if (bytes === this.bytes) this.#isHeld = true;
  }

  endTurn(): void {
    if (this.#isHeld || this.bytes.length > BLOCK) {
      this.bytes = new Uint8Array(BLOCK);
      this.#isHeld = false;
    }
    this.#used = 0;
  }
}
