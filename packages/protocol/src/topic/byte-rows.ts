import { IntegerRows } from "./integer-rows.ts";

/** Bytes of a chunk, once there are that many. */
const chunkBytes = 256 * 1024;
/** Bytes that the first chunk has. */
const firstBytes = 4096;
/** A row of more bytes than this has a chunk of its own. */
const largeBytes = 32 * 1024;
/** Before each row: its number, or -1 once it is free, and its length. Words. */
const headWords = 2;
const headBytes = headWords * 4;
const none = -1;

// Columns of the index.
const chunkColumn = 0;
const wordColumn = 1;
const columns = 2;

/** Rows of bytes, one after the other. */
interface Chunk {
  readonly bytes: Uint8Array;
  /** The same memory. */
  readonly words: Int32Array;
  /** Words in use from the start, those of free rows too. */
  used: number;
  /** Words of rows that are not free. */
  live: number;
}

/**
 * Rows of bytes of any length, known by their number: many small pieces of memory without an object
 * for each. They stand one behind the other in chunks. A chunk of which most is free is given up,
 * and what lives in there moves; so what `bytes` and `start` give holds until the next `allocate`
 * or `free`.
 */
export class ByteRows {
  readonly #index = new IntegerRows(columns);
  readonly #chunks: (Chunk | undefined)[] = [];
  /** Numbers of chunks that were given up. */
  readonly #vacant: number[] = [];
  /** The chunk that new rows go to. */
  #current = none;
  /** Bytes of all chunks. */
  #held = 0;

  /** Rows in use. */
  get size(): number {
    return this.#index.size;
  }

  /** Memory taken by the rows, those that are free and not yet given up included. Bytes. */
  get held(): number {
    return this.#held;
  }

  /** The memory that a row stands in. */
  bytes(row: number): Uint8Array {
    return this.#chunkOf(row).bytes;
  }

  /** Where in `bytes` a row begins. */
  start(row: number): number {
    return this.#index.get(row, wordColumn) * 4 + headBytes;
  }

  /** Bytes of a row. */
  length(row: number): number {
    return this.#chunkOf(row).words[this.#index.get(row, wordColumn) + 1] as number;
  }

  /** A row of `length` bytes, 0 or more. They hold whatever they held. */
  allocate(length: number): number {
    const row = this.#index.allocate();
    this.#place(row, length);
    return row;
  }

  /** The row may be given again. */
  free(row: number): void {
    const number = this.#index.get(row, chunkColumn);
    const chunk = this.#chunks[number] as Chunk;
    const word = this.#index.get(row, wordColumn);
    chunk.words[word] = none;
    chunk.live -= wordsOf(chunk.words[word + 1] as number);
    this.#index.free(row);
    if (number !== this.#current) this.#tidy(number);
    else if (chunk.live === 0) chunk.used = 0;
  }

  #chunkOf(row: number): Chunk {
    return this.#chunks[this.#index.get(row, chunkColumn)] as Chunk;
  }

  #place(row: number, length: number): void {
    const words = wordsOf(length);
    const number = length > largeBytes ? this.#open(words) : this.#roomFor(words);
    const chunk = this.#chunks[number] as Chunk;
    const word = chunk.used;
    chunk.words[word] = row;
    chunk.words[word + 1] = length;
    chunk.used += words;
    chunk.live += words;
    this.#index.set(row, chunkColumn, number);
    this.#index.set(row, wordColumn, word);
  }

  /** The current chunk, another one where it has not so much room. */
  #roomFor(words: number): number {
    const current = this.#chunks[this.#current];
    if (current !== undefined && current.used + words <= current.words.length) return this.#current;
    const bytes = Math.min(chunkBytes, Math.max(firstBytes, this.#held));
    const before = this.#current;
    // Rows of the one before may move to the new one: it has room for them too.
    const moving = current !== undefined && isSparse(current) ? current.live : 0;
    this.#current = this.#open(Math.max(words + moving, bytes / 4));
    if (before !== none) this.#tidy(before);
    return this.#current;
  }

  #open(words: number): number {
    const buffer = new ArrayBuffer(words * 4);
    const chunk = {
      bytes: new Uint8Array(buffer),
      words: new Int32Array(buffer),
      used: 0,
      live: 0,
    };
    const number = this.#vacant.pop() ?? this.#chunks.length;
    this.#chunks[number] = chunk;
    this.#held += buffer.byteLength;
    return number;
  }

  /** Gives a chunk up where less than half of it lives. */
  #tidy(number: number): void {
    const chunk = this.#chunks[number] as Chunk;
    if (!isSparse(chunk)) return;
    this.#chunks[number] = undefined;
    this.#held -= chunk.bytes.length;
    const { words, used } = chunk;
    for (let word = 0; chunk.live > 0 && word < used;) {
      const row = words[word] as number;
      const length = words[word + 1] as number;
      const end = word + wordsOf(length);
      if (row !== none) {
        this.#place(row, length);
        this.#chunkOf(row).words.set(
          words.subarray(word + headWords, end),
          this.#index.get(row, wordColumn) + headWords,
        );
      }
      word = end;
    }
    // Not before its rows have moved: nothing may be placed under this number meanwhile.
    this.#vacant.push(number);
  }
}

/** Whether less than half of a chunk lives. */
function isSparse({ live, words }: Chunk): boolean {
  return live * 2 <= words.length;
}

/** Words that a row of `length` bytes takes. */
function wordsOf(length: number): number {
  return headWords + ((length + 3) >>> 2);
}
