/** No entry, as an answer of `IdentifierTable.get` and `delete`. */
export const NOT_FOUND = -1;

const FIRST_CAPACITY = 16;

/**
 * Maps Packet Identifiers (1…65 535) to numbers 0…65 535, in one array that grows with its content
 * and exists only while there is any.
 *
 * Open addressing with linear probing at a load of at most one half. The home of an identifier is
 * found by multiplication and not by its low bits: identifiers that one session gets from a counter
 * of the whole broker are often multiples of some power of two.
 */
export class IdentifierTable {
  /** Entries: value in the high half, identifier in the low half; 0 is empty. */
  #words: Uint32Array | undefined = undefined;
  #mask = 0;
  #shift = 32;
  #size = 0;

  /** Identifiers in the table. */
  get size(): number {
    return this.#size;
  }

  /** @returns the value, or `NOT_FOUND`. */
  get(packetIdentifier: number): number {
    const words = this.#words;
    if (words === undefined) return NOT_FOUND;
    const mask = this.#mask;
    for (let at = Math.imul(packetIdentifier, 0x9e3779b1) >>> this.#shift; ; at = (at + 1) & mask) {
      const word = words[at]!;
      if ((word & 0xffff) === packetIdentifier && word !== 0) return word >>> 16;
      if (word === 0) return NOT_FOUND;
    }
  }

  /** Adds an entry, or gives it another value. */
  set(packetIdentifier: number, value: number): void {
    if (this.#words === undefined || (this.#size + 1) * 2 > this.#words.length) this.#grow();
    const words = this.#words!;
    const mask = this.#mask;
    let at = Math.imul(packetIdentifier, 0x9e3779b1) >>> this.#shift;
    for (;;) {
      const word = words[at]!;
      if (word === 0) {
        this.#size++;
        break;
      }
      if ((word & 0xffff) === packetIdentifier) break;
      at = (at + 1) & mask;
    }
    words[at] = ((value << 16) | packetIdentifier) >>> 0;
  }

  /** @returns the value that was there, or `NOT_FOUND`. */
  delete(packetIdentifier: number): number {
    const words = this.#words;
    if (words === undefined) return NOT_FOUND;
    const mask = this.#mask;
    let hole = Math.imul(packetIdentifier, 0x9e3779b1) >>> this.#shift;
    while ((words[hole]! & 0xffff) !== packetIdentifier || words[hole] === 0) {
      if (words[hole] === 0) return NOT_FOUND;
      hole = (hole + 1) & mask;
    }
    const value = words[hole]! >>> 16;
    // Backward shift: later entries of the run move up, so that no tombstones gather.
    for (let at = (hole + 1) & mask; words[at] !== 0; at = (at + 1) & mask) {
      const home = Math.imul(words[at]! & 0xffff, 0x9e3779b1) >>> this.#shift;
      if (((at - home) & mask) >= ((at - hole) & mask)) {
        words[hole] = words[at]!;
        hole = at;
      }
    }
    words[hole] = 0;
    this.#size--;
    return value;
  }

  /** Calls `visit` for each entry, in no particular order. The table must not change meanwhile. */
  forEach(visit: (packetIdentifier: number, value: number) => void): void {
    if (this.#words === undefined) return;
    for (const word of this.#words) if (word !== 0) visit(word & 0xffff, word >>> 16);
  }

  /** Forgets everything and lets the array go. */
  clear(): void {
    this.#words = undefined;
    this.#mask = 0;
    this.#shift = 32;
    this.#size = 0;
  }

  #grow(): void {
    const old = this.#words;
    const capacity = old === undefined ? FIRST_CAPACITY : old.length * 2;
    const words = new Uint32Array(capacity);
    const mask = capacity - 1;
    const shift = Math.clz32(capacity) + 1;
    if (old !== undefined) {
      for (const word of old) {
        if (word === 0) continue;
        let at = Math.imul(word & 0xffff, 0x9e3779b1) >>> shift;
        while (words[at] !== 0) at = (at + 1) & mask;
        words[at] = word;
      }
    }
    this.#words = words;
    this.#mask = mask;
    this.#shift = shift;
  }
}
