import { FILE_HEADER } from "./segment.ts";
import type { Segment } from "./segment.ts";

const BLOCK = 64 << 10;
/** Blocks of one segment are numbered below this. */
const BLOCKS = 2 ** 24;

/**
 * What was written to the segments last, in blocks: what is queued is often fetched soon, and is then
 * not read. What was flushed of a segment never changes, so nothing here grows old.
 */
export class WrittenBlocks {
  /** By segment and number in it; the oldest is first. */
  readonly #blocks = new Map<number, Uint8Array>();
  readonly #room: number;
  /** Filled up to `end`. */
  #filling: { readonly key: number; readonly bytes: Uint8Array; end: number } | undefined;

  /** @param room  Memory that it may take. Bytes; 0: it keeps nothing. */
  constructor(room: number) {
    this.#room = room;
  }

  /** Takes in what was flushed of a segment; in order and without gaps it becomes blocks. The bytes are copied. */
  add(segment: Segment, offset: number, bytes: Uint8Array): void {
    if (this.#room === 0) return;
    for (let at = 0; at < bytes.length;) {
      const place = offset + at;
      const start = place % BLOCK;
      const key = keyOf(segment, place);
      const length = Math.min(BLOCK - start, bytes.length - at);
      // The header of a file holds no message.
      if (start === 0 || place === FILE_HEADER)
        this.#filling = { key, bytes: new Uint8Array(BLOCK), end: start };
      const filling = this.#filling;
      if (filling?.key === key && filling.end === start) {
        filling.bytes.set(bytes.subarray(at, at + length), start);
        filling.end += length;
        if (filling.end === BLOCK) this.#keep(key, filling.bytes);
      }
      at += length;
    }
  }

  /** Bytes of a segment. @returns a view, not to be kept; `undefined` where they are not here. */
  peek(segment: Segment, offset: number, length: number): Uint8Array | undefined {
    const key = keyOf(segment, offset);
    const start = offset % BLOCK;
    if (start + length > BLOCK) return undefined;
    const filling = this.#filling;
    if (filling?.key === key && start + length <= filling.end)
      return filling.bytes.subarray(start, start + length);
    return this.#blocks.get(key)?.subarray(start, start + length);
  }

  #keep(key: number, block: Uint8Array): void {
    this.#filling = undefined;
    this.#blocks.set(key, block);
    if (this.#blocks.size * BLOCK <= this.#room) return;
    for (const oldest of this.#blocks.keys()) {
      this.#blocks.delete(oldest);
      return;
    }
  }
}

function keyOf(segment: Segment, offset: number): number {
  return segment.number * BLOCKS + Math.floor(offset / BLOCK);
}
