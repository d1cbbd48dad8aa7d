import assert from "node:assert/strict";
import { test } from "node:test";
import { BlockCache } from "./block-cache.ts";
import type { DiskFile } from "./disk.ts";
import { SegmentSet } from "./segment.ts";
import type { Segment } from "./segment.ts";

const OPTIONS = { cacheBytes: 400, blockBytes: 100 };

/** A segment whose file says what is read of it, and answers when it is told to. */
class ReadSegment {
  readonly reads: [offset: number, length: number][] = [];
  readonly #answers: (() => void)[] = [];
  readonly segment: Segment;
  failure: Error | undefined;

  constructor(flushed: number) {
    this.segment = new SegmentSet().add(7, 1);
    this.segment.flushed = flushed;
    this.segment.file = {
      name: "a",
      read: (offset: number, length: number) => (resolve, reject) => {
        this.reads.push([offset, length]);
        this.#answers.push(() => {
          if (this.failure === undefined) resolve(this.bytes(offset, length));
          else reject(this.failure);
        });
      },
    } as DiskFile;
  }

  bytes(offset: number, length: number): Uint8Array {
    return Uint8Array.from({ length }, (_, index) => offset + index);
  }

  /** Reads at these offsets at the same time. @returns what comes of each. */
  read(cache: BlockCache, offsets: readonly number[], length: number): unknown[] {
    const results: unknown[] = offsets.map(() => undefined);
    for (const [index, offset] of offsets.entries())
      cache.read(
        this.segment,
        offset,
        length,
      )(
        (bytes) => (results[index] = bytes.slice()),
        (error) => (results[index] = error),
      );
    for (const answer of this.#answers.splice(0)) answer();
    return results;
  }
}

test("a block is read when it is looked into for the second time, once for all who want it", () => {
  const cache = new BlockCache(OPTIONS);
  const file = new ReadSegment(1000);
  assert.deepEqual(file.read(cache, [210], 5), [file.bytes(210, 5)]);
  assert.deepEqual(file.reads, [[210, 5]]);
  assert.equal(cache.peek(file.segment, 220, 5), undefined);
  const offsets = [220, 230, 295];
  assert.deepEqual(
    file.read(cache, offsets, 5),
    offsets.map((offset) => file.bytes(offset, 5)),
  );
  assert.deepEqual(file.reads, [
    [210, 5],
    [200, 100],
  ]);
  assert.deepEqual(cache.peek(file.segment, 250, 50), file.bytes(250, 50));
});

for (const [what, flushed, offset, length] of [
  ["ends behind what is flushed", 299, 210, 5],
  ["has a part of it only", 1000, 298, 5],
  ["is hardly more than it", 1000, 200, 60],
] as const)
  test(`what is asked for is read by itself where the block ${what}`, () => {
    const cache = new BlockCache(OPTIONS);
    const file = new ReadSegment(flushed);
    for (let round = 0; round < 3; round += 1) file.read(cache, [offset], length);
    assert.deepEqual(
      file.reads,
      Array.from({ length: 3 }, () => [offset, length]),
    );
    assert.equal(cache.peek(file.segment, offset, length), undefined);
  });

test("no more is kept than fits: a block makes room when it was of no use for long", () => {
  const cache = new BlockCache(OPTIONS);
  const file = new ReadSegment(10_000);
  const isHere = (block: number): boolean => cache.peek(file.segment, block * 100, 5) !== undefined;
  const readTwice = (block: number): void => {
    for (let round = 0; round < 2; round += 1) file.read(cache, [block * 100], 5);
  };
  for (let block = 0; block < 4; block += 1) readTwice(block);
  assert.deepEqual([0, 1, 2, 3].map(isHere), [true, true, true, true]);
  readTwice(4);
  assert.equal(isHere(4), false, "all others were of use lately");
  for (let round = 0; round < 20; round += 1) [0, 2, 3].map(isHere);
  readTwice(4);
  assert.deepEqual([0, 1, 2, 3, 4].map(isHere), [true, false, true, true, true]);
});

test("a round through more places than fit has a part of them from memory", () => {
  const cache = new BlockCache(OPTIONS);
  const file = new ReadSegment(10_000);
  let found = 0;
  for (let round = 0; round < 20; round += 1)
    for (let block = 0; block < 8; block += 1)
      if (cache.peek(file.segment, block * 100, 5) !== undefined) found += 1;
      else file.read(cache, [block * 100], 5);
  // Half of them fit; the first two rounds bring them.
  assert.equal(found, 18 * 4);
  const blocks = file.reads.filter(([, length]) => length === 100);
  assert.equal(blocks.length, 4);
});

test("of places that were looked into once only some are remembered", () => {
  const cache = new BlockCache(OPTIONS);
  const file = new ReadSegment(10_000);
  for (let block = 10; block < 60; block += 1) file.read(cache, [block * 100], 5);
  file.reads.length = 0;
  file.read(cache, [1000, 5900], 5);
  assert.deepEqual(file.reads, [
    [1000, 5],
    [5900, 100],
  ]);
});

test("a block that cannot be read fails all who wait for it, and is tried again", () => {
  const cache = new BlockCache(OPTIONS);
  const file = new ReadSegment(1000);
  file.read(cache, [210], 5);
  file.failure = new Error("no");
  assert.deepEqual(file.read(cache, [210, 220], 5), [file.failure, file.failure]);
  file.failure = undefined;
  assert.deepEqual(file.read(cache, [210], 5), [file.bytes(210, 5)]);
  assert.equal(file.reads.length, 3);
});
