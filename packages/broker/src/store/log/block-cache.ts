import type { DiskFile, Step } from "./disk.ts";
import type { Segment } from "./segment.ts";

/** Blocks that are remembered for having been looked into, for each that is kept. */
const GLANCES = 4;
/** Blocks of one segment are numbered below this. */
const BLOCKS = 2 ** 24;

/** Of how much memory, in what pieces. Bytes. */
export interface BlockCacheOptions {
  /** All blocks together. Default 16 MiB. */
  readonly cacheBytes: number;
  /** One block. Default 32 KiB. */
  readonly blockBytes: number;
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
  /** By segment and number in it; the one that was not asked for the longest is first. */
  readonly #blocks = new Map<number, Uint8Array>();
  /** Looked into once, oldest first. */
  readonly #glances = new Set<number>();
  /** Being read. */
  readonly #reading = new Map<number, Waiter[]>();

  constructor(options: BlockCacheOptions) {
    this.#options = options;
  }

  /** Bytes that are in a block which is here. @returns a view, not to be kept. */
  peek(segment: Segment, offset: number, length: number): Uint8Array | undefined {
    const key = this.#keyOf(segment, offset, length);
    if (key === undefined) return undefined;
    const block = this.#blocks.get(key);
    if (block === undefined) return undefined;
    this.#blocks.delete(key);
    this.#blocks.set(key, block);
    return this.#partOf(block, offset, length);
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
    if (this.#glances.has(key) || this.#reading.has(key)) return true;
    this.#glances.add(key);
    const { cacheBytes, blockBytes } = this.#options;
    if (this.#glances.size > (GLANCES * cacheBytes) / blockBytes)
      for (const oldest of this.#glances) {
        this.#glances.delete(oldest);
        break;
      }
    return false;
  }

  #readBlock(file: DiskFile, key: number, first: Waiter): void {
    const { cacheBytes, blockBytes } = this.#options;
    const waiters = [first];
    this.#reading.set(key, waiters);
    file.read((key % BLOCKS) * blockBytes, blockBytes)(
      (block) => {
        this.#reading.delete(key);
        this.#glances.delete(key);
        this.#blocks.set(key, block);
        if (this.#blocks.size * blockBytes > cacheBytes)
          for (const oldest of this.#blocks.keys()) {
            this.#blocks.delete(oldest);
            break;
          }
        for (const { resolve } of waiters) resolve(block);
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
