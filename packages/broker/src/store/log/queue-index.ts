import type { QoS } from "@sericite/protocol";
import type { MessageNumber } from "../../engine/ports.ts";

/** Entries in one chunk. */
const CHUNK = 256;
const FIRST_CHUNK = 8;
const STRIDE = 3;
const HIGH = 0x1_0000_0000;
const SETTLED = 8;
/** Origins that fit into an entry; the last one means "in the overflow". */
const OVERFLOW = 0xfff;

/** By which subscriptions a message came into a queue. Many entries have the same. */
interface Origin {
  readonly subscriptionIdentifiers: readonly number[];
  readonly share: string;
}

const NO_ORIGIN: Origin = { subscriptionIdentifiers: [], share: "" };

interface Chunk {
  /** Sequence of its first entry. */
  readonly base: number;
  words: Uint32Array;
  count: number;
  /** Entries that are not settled. */
  live: number;
}

/** One waiting message, as the index knows it. */
export interface IndexEntry extends Origin {
  readonly sequence: number;
  readonly message: MessageNumber;
  readonly qos: QoS;
  readonly retain: boolean;
}

/**
 * A session's queue without its messages: 12 bytes an entry, in chunks that go when all in them is
 * settled. An entry is the distance of its sequence from its chunk's, the low 32 bits of the
 * message's number, and a word with the high 16 bits, 12 for the origin, and flags.
 */
export class QueueIndex {
  readonly #chunks: Chunk[] = [];
  #count = 0;
  #next = 0;
  #origins: Origin[] = [];
  #originNumbers: Map<string, number> | undefined;
  /** By sequence. */
  #overflow: Map<number, Origin> | undefined;

  /** Entries that wait. */
  get count(): number {
    return this.#count;
  }

  /** One above the highest sequence that was ever added. */
  get next(): number {
    return this.#next;
  }

  /** Sequence of the first entry that waits; `next` where none does. */
  get first(): number {
    for (const chunk of this.#chunks)
      for (let index = 0; index < chunk.count; index += 1)
        if (!isSettled(chunk, index)) return sequenceAt(chunk, index);
    return this.#next;
  }

  /** The next entry will have at least this sequence. */
  raise(next: number): void {
    this.#next = Math.max(this.#next, next);
  }

  /** Adds an entry. @returns false where its sequence was there before: then nothing changes. */
  push(entry: IndexEntry): boolean {
    const { sequence, message } = entry;
    if (sequence < this.#next) return false;
    this.#next = sequence + 1;
    const chunk = this.#chunkFor(sequence);
    const at = chunk.count * STRIDE;
    const { words } = chunk;
    words[at] = sequence - chunk.base;
    words[at + 1] = message >>> 0;
    words[at + 2] =
      ((Math.floor(message / HIGH) << 16) |
        (this.#originNumber(entry) << 4) |
        (entry.retain ? 4 : 0) |
        entry.qos) >>>
      0;
    chunk.count += 1;
    chunk.live += 1;
    this.#count += 1;
    return true;
  }

  /** Takes an entry out. @returns the message that it was for, or `undefined` where none waited. */
  settle(sequence: number): MessageNumber | undefined {
    const chunks = this.#chunks;
    const place = this.#chunkOf(sequence);
    const chunk = chunks[place];
    if (chunk === undefined) return undefined;
    const index = indexFrom(chunk, sequence);
    if (index >= chunk.count || sequenceAt(chunk, index) !== sequence || isSettled(chunk, index))
      return undefined;
    const at = index * STRIDE;
    chunk.words[at + 2] = (chunk.words[at + 2] as number) | SETTLED;
    const message = messageAt(chunk, index);
    this.#overflow?.delete(sequence);
    chunk.live -= 1;
    this.#count -= 1;
    if (chunk.live === 0) chunks.splice(place, 1);
    if (this.#count === 0) {
      this.#origins = [];
      this.#originNumbers = undefined;
    }
    return message;
  }

  /** Where to end for `count` entries from `from` on: one above the last; `from` where none waits. */
  endOf(from: number, count: number): number {
    let end = from;
    let left = count;
    if (left > 0)
      this.forEachFrom(from, ({ sequence }) => {
        end = sequence + 1;
        left -= 1;
        return left > 0;
      });
    return end;
  }

  /** Visits what waits from `sequence` on, in order, until the visitor says false. */
  forEachFrom(sequence: number, visit: (entry: IndexEntry) => boolean): void {
    for (let place = Math.max(0, this.#chunkOf(sequence)); ; place += 1) {
      const chunk = this.#chunks[place];
      if (chunk === undefined) return;
      for (let index = indexFrom(chunk, sequence); index < chunk.count; index += 1)
        if (!isSettled(chunk, index) && !visit(this.#entryAt(chunk, index))) return;
    }
  }

  /**
   * Takes out up to `limit` entries from the front, for a session that ended.
   *
   * @returns whether any are left.
   */
  drain(limit: number, release: (message: MessageNumber) => void): boolean {
    let left = limit;
    for (let chunk = this.#chunks[0]; chunk !== undefined && left > 0; chunk = this.#chunks[0]) {
      for (let index = 0; index < chunk.count; index += 1)
        if (!isSettled(chunk, index)) release(messageAt(chunk, index));
      left -= chunk.count;
      this.#count -= chunk.live;
      this.#chunks.shift();
    }
    return this.#chunks.length > 0;
  }

  /** Memory that the entries take. Bytes. */
  get bytes(): number {
    let bytes = 0;
    for (const { words } of this.#chunks) bytes += words.byteLength;
    return bytes;
  }

  #entryAt(chunk: Chunk, index: number): IndexEntry {
    const sequence = sequenceAt(chunk, index);
    const word = chunk.words[index * STRIDE + 2] as number;
    const number = (word >>> 4) & OVERFLOW;
    let origin: Origin | undefined;
    if (number === OVERFLOW) origin = this.#overflow?.get(sequence);
    else if (number > 0) origin = this.#origins[number - 1];
    const { subscriptionIdentifiers, share } = origin ?? NO_ORIGIN;
    return {
      sequence,
      message: messageAt(chunk, index),
      qos: (word & 3) as QoS,
      retain: (word & 4) !== 0,
      subscriptionIdentifiers,
      share,
    };
  }

  /** The chunk that a new entry goes to, with room for it. */
  #chunkFor(sequence: number): Chunk {
    const last = this.#chunks[this.#chunks.length - 1];
    if (last !== undefined && last.count < CHUNK && sequence - last.base < HIGH) {
      if ((last.count + 1) * STRIDE > last.words.length) {
        const words = new Uint32Array(Math.min(CHUNK * STRIDE, last.words.length * 2));
        words.set(last.words);
        last.words = words;
      }
      return last;
    }
    const capacity = last === undefined ? FIRST_CHUNK : CHUNK;
    const chunk = { base: sequence, words: new Uint32Array(capacity * STRIDE), count: 0, live: 0 };
    this.#chunks.push(chunk);
    return chunk;
  }

  /** Place of the last chunk that begins at or before `sequence`; -1 where none does. */
  #chunkOf(sequence: number): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#chunks[middle] as Chunk).base <= sequence) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  #originNumber({ sequence, subscriptionIdentifiers, share }: IndexEntry): number {
    if (subscriptionIdentifiers.length === 0 && share === "") return 0;
    const key = `${subscriptionIdentifiers.join()} ${share}`;
    this.#originNumbers ??= new Map();
    const known = this.#originNumbers.get(key);
    if (known !== undefined) return known;
    const origin = { subscriptionIdentifiers, share };
    if (this.#origins.length + 1 >= OVERFLOW) {
      this.#overflow ??= new Map();
      this.#overflow.set(sequence, origin);
      return OVERFLOW;
    }
    this.#origins.push(origin);
    this.#originNumbers.set(key, this.#origins.length);
    return this.#origins.length;
  }
}

function sequenceAt(chunk: Chunk, index: number): number {
  return chunk.base + (chunk.words[index * STRIDE] as number);
}

function messageAt(chunk: Chunk, index: number): MessageNumber {
  const at = index * STRIDE;
  return ((chunk.words[at + 2] as number) >>> 16) * HIGH + (chunk.words[at + 1] as number);
}

function isSettled(chunk: Chunk, index: number): boolean {
  return ((chunk.words[index * STRIDE + 2] as number) & SETTLED) !== 0;
}

/** Index of the first entry of the chunk at or above `sequence`. */
function indexFrom(chunk: Chunk, sequence: number): number {
  let low = 0;
  let high = chunk.count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sequenceAt(chunk, middle) < sequence) low = middle + 1;
    else high = middle;
  }
  return low;
}
