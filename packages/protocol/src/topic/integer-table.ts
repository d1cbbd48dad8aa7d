/** Entries from which on a table is divided. */
const divideAt = 16_384;
const parts = 256;
const smallest = 8;

/**
 * Numbers found by a hash: an open-addressed table of integers. What a number stands for is known
 * to the caller alone, who looks at each one with the right hash:
 *
 * ```ts
 * for (let at = table.seek(hash, -1); at >= 0; at = table.seek(hash, at)) {
 *   const id = table.at(hash, at);
 *   if (…) return id;
 * }
 * ```
 *
 * A large table is divided into parts that grow on their own, so that no single call moves more
 * than a small share of it. Deletion closes the gap: there are no tombstones.
 */
export class IntegerTable {
  #parts: Part[] = [new Part()];
  /** Which of the hash's high bits tell the part. */
  #partMask = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Place of the first entry with this hash after the place `after`; -1 where there is none. -1 begins. */
  seek(hash: number, after: number): number {
    return (this.#parts[(hash >>> 24) & this.#partMask] as Part).seek(hash, after);
  }

  /** The number at a place that `seek` gave. */
  at(hash: number, place: number): number {
    return (this.#parts[(hash >>> 24) & this.#partMask] as Part).at(place);
  }

  /** @param id  0…2 147 483 646. Twice the same is kept twice. */
  insert(hash: number, id: number): void {
    if (this.#size === divideAt && this.#partMask === 0) this.#divide();
    (this.#parts[(hash >>> 24) & this.#partMask] as Part).insert(hash, id);
    this.#size += 1;
  }

  /** Takes out an entry that is there. */
  remove(hash: number, id: number): void {
    (this.#parts[(hash >>> 24) & this.#partMask] as Part).remove(hash, id);
    this.#size -= 1;
    if (this.#size === 0) {
      this.#parts = [new Part()];
      this.#partMask = 0;
    }
  }

  #divide(): void {
    const whole = this.#parts[0] as Part;
    this.#partMask = parts - 1;
    this.#parts = Array.from({ length: parts }, () => new Part());
    whole.forEach((hash, id) => (this.#parts[hash >>> 24] as Part).insert(hash, id));
  }
}

/** Pairs of hash and number + 1; 0 where there is none. The place is the low bits of the hash, or the next free one. */
class Part {
  #slots = new Int32Array(smallest * 2);
  #mask = smallest - 1;
  #size = 0;

  seek(hash: number, after: number): number {
    const slots = this.#slots;
    const mask = this.#mask;
    let place = (after < 0 ? hash : after + 1) & mask;
    for (;;) {
      if (slots[place * 2 + 1] === 0) return -1;
      if (slots[place * 2] === hash) return place;
      place = (place + 1) & mask;
    }
  }

  at(place: number): number {
    return (this.#slots[place * 2 + 1] as number) - 1;
  }

  insert(hash: number, id: number): void {
    // At least one place stays free, which is where `seek` ends.
    if ((this.#size + 1) * 6 > this.#slots.length / 2 * 5) this.#resize(this.#slots.length);
    this.#put(hash, id);
    this.#size += 1;
  }

  remove(hash: number, id: number): void {
    const slots = this.#slots;
    const mask = this.#mask;
    let gap = this.seek(hash, -1);
    while (gap >= 0 && this.at(gap) !== id) gap = this.seek(hash, gap);
    if (gap < 0) return;
    // Moves back what would no longer be found behind the gap.
    for (let place = (gap + 1) & mask; slots[place * 2 + 1] !== 0; place = (place + 1) & mask) {
      const home = (slots[place * 2] as number) & mask;
      if (((place - home) & mask) >= ((place - gap) & mask)) {
        slots[gap * 2] = slots[place * 2] as number;
        slots[gap * 2 + 1] = slots[place * 2 + 1] as number;
        gap = place;
      }
    }
    slots[gap * 2 + 1] = 0;
    this.#size -= 1;
    if (this.#size * 8 < mask && mask >= smallest * 2) this.#resize(slots.length / 4);
  }

  forEach(each: (hash: number, id: number) => void): void {
    const slots = this.#slots;
    for (let index = 0; index < slots.length; index += 2) {
      if (slots[index + 1] !== 0) each(slots[index] as number, (slots[index + 1] as number) - 1);
    }
  }

  #put(hash: number, id: number): void {
    const slots = this.#slots;
    const mask = this.#mask;
    let place = hash & mask;
    while (slots[place * 2 + 1] !== 0) place = (place + 1) & mask;
    slots[place * 2] = hash;
    slots[place * 2 + 1] = id + 1;
  }

  /** @param places  How many there are to be: a power of two. */
  #resize(places: number): void {
    const old = this.#slots;
    this.#slots = new Int32Array(places * 2);
    this.#mask = places - 1;
    for (let index = 0; index < old.length; index += 2) {
      if (old[index + 1] !== 0) this.#put(old[index] as number, (old[index + 1] as number) - 1);
    }
  }
}
