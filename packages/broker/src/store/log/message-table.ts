import type { MessageNumber } from "../../engine/ports.ts";

/** Slot of a message that is named somewhere and was not found yet. */
export const NOWHERE = 0xffff;

const STRIDE = 5;
const SHARDS = 256;
const FIRST_CAPACITY = 8;
const HIGH = 0x1_0000_0000;

/**
 * Where each message's body is and how often it is referred to: 20 bytes a message in open
 * addressing, no object for any. It is split in 256, so that no growth takes long.
 *
 * `find` leaves what it found in `slot`, `offset`, `length` and `references`.
 */
export class MessageTable {
  readonly #shards: Uint32Array[] = [];
  readonly #counts = new Uint32Array(SHARDS);
  #shard = 0;
  #at = 0;
  #size = 0;
  /** Of the segment that has the body; `NOWHERE` where that is not known. */
  slot = 0;
  /** In its segment. Bytes. */
  offset = 0;
  /** With its header. Bytes. */
  length = 0;
  references = 0;

  constructor() {
    for (let shard = 0; shard < SHARDS; shard += 1)
      this.#shards.push(new Uint32Array(FIRST_CAPACITY * STRIDE));
  }

  get size(): number {
    return this.#size;
  }

  /** Looks a message up. @returns whether it is there. */
  find(number: MessageNumber): boolean {
    if (!this.#seek(number)) return false;
    const words = this.#words();
    const at = this.#at;
    this.slot = (words[at + 1] as number) & 0xffff;
    this.offset = words[at + 2] as number;
    this.length = words[at + 3] as number;
    this.references = words[at + 4] as number;
    return true;
  }

  /** Says where a message is; it is added where it is new, with no reference. */
  place(number: MessageNumber, slot: number, offset: number, length: number): void {
    if (!this.#seek(number)) this.#insert(number);
    const words = this.#words();
    const at = this.#at;
    words[at + 1] = (((words[at + 1] as number) & 0xffff_0000) | slot) >>> 0;
    words[at + 2] = offset;
    words[at + 3] = length;
  }

  /** One reference more. A message that is not known is added, `NOWHERE`. */
  retain(number: MessageNumber): void {
    if (!this.#seek(number)) this.place(number, NOWHERE, 0, 1);
    const words = this.#words();
    words[this.#at + 4] = (words[this.#at + 4] as number) + 1;
  }

  /** One reference less. @returns those that are left. */
  release(number: MessageNumber): number {
    if (!this.#seek(number)) return 0;
    const words = this.#words();
    const left = Math.max(0, (words[this.#at + 4] as number) - 1);
    words[this.#at + 4] = left;
    return left;
  }

  remove(number: MessageNumber): void {
    if (!this.#seek(number)) return;
    const words = this.#words();
    const capacity = words.length / STRIDE;
    // What follows moves up, so that searches find no hole.
    let hole = this.#at / STRIDE;
    for (let index = (hole + 1) % capacity; ; index = (index + 1) % capacity) {
      const at = index * STRIDE;
      if (words[at + 3] === 0) break;
      const home = hash(words[at] as number, (words[at + 1] as number) >>> 16) % capacity;
      const isReachable =
        hole <= index ? home > hole && home <= index : home > hole || home <= index;
      if (isReachable) continue;
      words.copyWithin(hole * STRIDE, at, at + STRIDE);
      hole = index;
    }
    words.fill(0, hole * STRIDE, (hole + 1) * STRIDE);
    const count = (this.#counts[this.#shard] as number) - 1;
    this.#counts[this.#shard] = count;
    this.#size -= 1;
    if (capacity > FIRST_CAPACITY && count < capacity / 8) this.#resize(capacity / 2);
  }

  /** Visits all; `place`, `retain` and `release` of the visited message are allowed meanwhile. */
  forEach(
    visit: (
      number: MessageNumber,
      slot: number,
      offset: number,
      length: number,
      references: number,
    ) => void,
  ): void {
    for (const words of this.#shards)
      for (let at = 0; at < words.length; at += STRIDE) {
        if (words[at + 3] === 0) continue;
        const word = words[at + 1] as number;
        visit(
          (word >>> 16) * HIGH + (words[at] as number),
          word & 0xffff,
          words[at + 2] as number,
          words[at + 3] as number,
          words[at + 4] as number,
        );
      }
  }

  #words(): Uint32Array {
    return this.#shards[this.#shard] as Uint32Array;
  }

  /** @returns whether it is there; `#at` is its place, or where it would be. */
  #seek(number: MessageNumber): boolean {
    const low = number >>> 0;
    const high = Math.floor(number / HIGH);
    const hashed = hash(low, high);
    this.#shard = hashed >>> 24;
    const words = this.#words();
    const capacity = words.length / STRIDE;
    for (let index = hashed % capacity; ; index = (index + 1) % capacity) {
      const at = index * STRIDE;
      this.#at = at;
      if (words[at + 3] === 0) return false;
      if (words[at] === low && (words[at + 1] as number) >>> 16 === high) return true;
    }
  }

  #insert(number: MessageNumber): void {
    const count = (this.#counts[this.#shard] as number) + 1;
    const capacity = this.#words().length / STRIDE;
    if (count * 4 > capacity * 3) {
      this.#resize(capacity * 2);
      this.#seek(number);
    }
    this.#counts[this.#shard] = count;
    this.#size += 1;
    const words = this.#words();
    words[this.#at] = number >>> 0;
    words[this.#at + 1] = ((Math.floor(number / HIGH) << 16) | NOWHERE) >>> 0;
    words[this.#at + 3] = 1;
    words[this.#at + 4] = 0;
  }

  #resize(capacity: number): void {
    const old = this.#words();
    const words = new Uint32Array(capacity * STRIDE);
    for (let from = 0; from < old.length; from += STRIDE) {
      if (old[from + 3] === 0) continue;
      let index = hash(old[from] as number, (old[from + 1] as number) >>> 16) % capacity;
      while (words[index * STRIDE + 3] !== 0) index = (index + 1) % capacity;
      // A view for each would cost more than the copy.
      for (let word = 0; word < STRIDE; word += 1)
        words[index * STRIDE + word] = old[from + word] as number;
    }
    this.#shards[this.#shard] = words;
  }
}

function hash(low: number, high: number): number {
  let mixed = Math.imul(low ^ (low >>> 16) ^ Math.imul(high + 1, 0x9e37_79b1), 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
