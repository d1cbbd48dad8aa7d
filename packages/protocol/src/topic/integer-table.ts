/** Entries from which on a table is divided. */
const divideAt = 16_384;
const partCount = 256;
const smallestPart = 8;
const none = -1;

/**
 * Numbers found by a hash: an open-addressed table of integers. What a number stands for is known
 * to the caller alone, who looks at each one that has the right hash:
 *
 * ```ts
 * for (let id = table.first(hash); id >= 0; id = table.next(hash)) if (…) return id;
 * ```
 *
 * A large table is divided into parts that grow on their own, so that no call moves more than a
 * small share of it. Deletion closes the gap: there are no tombstones.
 */
export class IntegerTable {
  /** Each a ring of pairs: hash and number + 1, 0 where it is free. An entry stands at the low bits of its hash or behind. */
  #parts = [emptyPart()];
  #sizes = [0];
  /** Which of the high bits of a hash tell its part. */
  #partMask = 0;
  #size = 0;
  /** Where `first` or `next` last found something: index of the pair. */
  #place = 0;

  get size(): number {
    return this.#size;
  }

  /** A number with this hash, or -1. */
  first(hash: number): number {
    const part = this.#parts[(hash >>> 24) & this.#partMask] as Int32Array;
    return this.#find(part, hash, (hash << 1) & (part.length - 1));
  }

  /** The number with this hash that follows the one that `first` or `next` gave last, or -1. */
  next(hash: number): number {
    const part = this.#parts[(hash >>> 24) & this.#partMask] as Int32Array;
    return this.#find(part, hash, (this.#place + 2) & (part.length - 1));
  }

  /** @param id  0…2 147 483 646. What is inserted twice is there twice. */
  insert(hash: number, id: number): void {
    if (this.#size === divideAt && this.#partMask === 0) this.#divide();
    const index = (hash >>> 24) & this.#partMask;
    const part = this.#parts[index] as Int32Array;
    // One pair in six is free: there a search ends.
    if ((this.#sizes[index]! += 1) * 12 > part.length * 5) this.#resize(index, part.length * 2);
    put(this.#parts[index] as Int32Array, hash, id + 1);
    this.#size += 1;
  }

  /** Takes out a number that was inserted with this hash. */
  remove(hash: number, id: number): void {
    const index = (hash >>> 24) & this.#partMask;
    const part = this.#parts[index] as Int32Array;
    let found = this.first(hash);
    while (found >= 0 && found !== id) found = this.next(hash);
    if (found < 0) return;
    closeGap(part, this.#place);
    this.#size -= 1;
    const size = (this.#sizes[index]! -= 1);
    if (size * 16 < part.length && part.length > smallestPart * 2)
      this.#resize(index, part.length / 2);
    if (this.#size === 0) this.#join();
  }

  #find(part: Int32Array, hash: number, from: number): number {
    for (let place = from; ; place = (place + 2) & (part.length - 1)) {
      const entry = part[place + 1] as number;
      if (entry === 0) return none;
      if (part[place] === hash) {
        this.#place = place;
        return entry - 1;
      }
    }
  }

  #resize(index: number, length: number): void {
    const resized = new Int32Array(length);
    forEachPair(this.#parts[index] as Int32Array, (hash, entry) => put(resized, hash, entry));
    this.#parts[index] = resized;
  }

  #divide(): void {
    const whole = this.#parts[0] as Int32Array;
    const sizes = Array.from({ length: partCount }, () => 0);
    forEachPair(whole, (hash) => (sizes[hash >>> 24]! += 1));
    const parts = sizes.map(
      (size) => new Int32Array(smallestPart * 2 * 2 ** Math.ceil(Math.log2(Math.max(1, size / 6)))),
    );
    forEachPair(whole, (hash, entry) => put(parts[hash >>> 24] as Int32Array, hash, entry));
    this.#parts = parts;
    this.#sizes = sizes;
    this.#partMask = partCount - 1;
  }

  #join(): void {
    this.#parts = [emptyPart()];
    this.#sizes = [0];
    this.#partMask = 0;
  }
}

function emptyPart(): Int32Array {
  return new Int32Array(smallestPart * 2);
}

function put(part: Int32Array, hash: number, entry: number): void {
  let place = (hash << 1) & (part.length - 1);
  while (part[place + 1] !== 0) place = (place + 2) & (part.length - 1);
  part[place] = hash;
  part[place + 1] = entry;
}

/** Frees a place, and moves back what would no longer be found behind it. */
function closeGap(part: Int32Array, place: number): void {
  const mask = part.length - 1;
  let gap = place;
  for (let at = (gap + 2) & mask; part[at + 1] !== 0; at = (at + 2) & mask) {
    const home = ((part[at] as number) << 1) & mask;
    if (((at - home) & mask) < ((at - gap) & mask)) continue;
    part[gap] = part[at] as number;
    part[gap + 1] = part[at + 1] as number;
    gap = at;
  }
  part[gap + 1] = 0;
}

function forEachPair(part: Int32Array, each: (hash: number, entry: number) => void): void {
  for (let place = 0; place < part.length; place += 2) {
    if (part[place + 1] !== 0) each(part[place] as number, part[place + 1] as number);
  }
}
