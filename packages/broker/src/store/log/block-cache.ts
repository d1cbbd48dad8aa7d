import type { DiskFile, Step } from "./disk.ts";
import type { Segment } from "./segment.ts";

/**
 * How far back something counts, in questions for each block that there is room for: a place that
 * was looked into, and a block that was of use. A round through more places than fit leaves what is
 * here then, where dropping the oldest would always drop what is wanted next.
 */
const MEMORY = 4;
/** Blocks of one segment are numbered below this. */
const BLOCKS = 2 ** 24;

/** Of how much memory, in what pieces. Bytes. */
export interface BlockCacheOptions {
  /** All blocks together. Default 16 MiB. */
  readonly cacheBytes: number;
  /** One block. Default 32 KiB. */
  readonly blockBytes: number;
}

interface Block {
  readonly bytes: Uint8Array;
  /** The question that it answered last. */
  askedAt: number;
}

interface Waiter {
  readonly resolve: (block: Uint8Array) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Blocks of segments that were read lately. What many sessions queue at the same time lies between
 * each other's, so that each reads a little of the same places: then a block is read once for all.
 * A place that nobody looked into before is read as it is asked for: where no two readers meet, a
 * block would be read for one message.
 *
 * What was flushed of a segment never changes, so nothing here grows old.
 */
export class BlockCache {
  readonly #options: BlockCacheOptions;
  /** By segment and number in it; the one that was of no use for the longest is first. */
  readonly #blocks = new Map<number, Block>();
  /** Looked into once, oldest first. */
  readonly #glances = new Set<number>();
  /** Being read. */
  readonly #reading = new Map<number, Waiter[]>();
  /** Blocks that there is room for. */
  readonly #room: number;
  #questions = 0;

  constructor(options: BlockCacheOptions) {
    this.#options = options;
    this.#room = Math.floor(options.cacheBytes / options.blockBytes);
  }

  /** Bytes that are in a block which is here. @returns a view, not to be kept. */
  peek(segment: Segment, offset: number, length: number): Uint8Array | undefined {
    const key = this.#keyOf(segment, offset, length);
    if (key === undefined) return undefined;
    this.#questions += 1;
    const block = this.#blocks.get(key);
    if (block === undefined) return undefined;
    block.askedAt = this.#questions;
    this.#blocks.delete(key);
    this.#blocks.set(key, block);
    return this.#partOf(block.bytes, offset, length);
  }

  /** Reads bytes of a segment that are flushed. They are a view, not to be kept. */
  read(segment: Segment, offset: number, length: number): Step<Uint8Array> {
    const file = segment.file as DiskFile;
    const key = this.#keyOf(segment, offset, length);
    if (key === undefined || !this.#isWorthIt(key)) return file.read(offset, length);
    return (resolve, reject) => {
      const waiter = {
        resolve: (block: Uint8Array): void => resolve(this.#partOf(block, offset, length)),
        reject,
      };
      const waiters = this.#reading.get(key);
      if (waiters === undefined) this.#readBlock(file, key, waiter);
      else waiters.push(waiter);
    };
  }

  /** Of the one block that has all of it, where one has and is flushed whole. */
  #keyOf(segment: Segment, offset: number, length: number): number | undefined {
    const { blockBytes } = this.#options;
    const block = Math.floor(offset / blockBytes);
    const end = (block + 1) * blockBytes;
    // Who reads much at once needs no block.
    if (offset + length > end || length > blockBytes / 2) return undefined;
    return end > segment.flushed ? undefined : segment.number * BLOCKS + block;
  }

  #isWorthIt(key: number): boolean {
    if (this.#reading.has(key)) return true;
    if (this.#glances.has(key)) return this.#hasRoom();
    this.#glances.add(key);
    if (this.#glances.size > MEMORY * this.#room) this.#glances.delete(firstOf(this.#glances));
    return false;
  }

  #hasRoom(): boolean {
    if (this.#blocks.size + this.#reading.size < this.#room) return true;
    const oldest = this.#blocks.get(firstOf(this.#blocks.keys()));
    return oldest !== undefined && oldest.askedAt < this.#questions - MEMORY * this.#room;
  }

  #readBlock(file: DiskFile, key: number, first: Waiter): void {
    const { blockBytes } = this.#options;
    const waiters = [first];
    this.#reading.set(key, waiters);
    file.read((key % BLOCKS) * blockBytes, blockBytes)(
      (bytes) => {
        this.#reading.delete(key);
        this.#glances.delete(key);
        this.#blocks.set(key, { bytes, askedAt: this.#questions });
        if (this.#blocks.size > this.#room) this.#blocks.delete(firstOf(this.#blocks.keys()));
        for (const { resolve } of waiters) resolve(bytes);
      },
      (error) => {
        this.#reading.delete(key);
        for (const { reject } of waiters) reject(error);
      },
    );
  }

  #partOf(block: Uint8Array, offset: number, length: number): Uint8Array {
    const start = offset % this.#options.blockBytes;
    return block.subarray(start, start + length);
  }
}

/** The key that was put in first; -1 where there is none. */
function firstOf(keys: Iterable<number>): number {
  for (const key of keys) return key;
  return -1;
}
