import assert from "node:assert/strict";
import { test } from "node:test";
import { SegmentSet } from "./segment.ts";
import { WrittenBlocks } from "./written-blocks.ts";

const BLOCK = 64 * 1024;
const segment = new SegmentSet().add(7, 1);

/** The bytes of a file at an offset. */
function bytes(offset: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (offset + index) % 251);
}

test("what was written last is here, across blocks, and nothing that was not written", () => {
  const blocks = new WrittenBlocks(8 << 20);
  for (let at = 32; at < 3 * BLOCK; at += 1000) blocks.add(segment, at, bytes(at, 1000));
  for (const offset of [32, 5000, BLOCK - 100, BLOCK, 2 * BLOCK + 77])
    assert.deepEqual(blocks.peek(segment, offset, 100), bytes(offset, 100), `${offset}`);
  assert.equal(blocks.peek(segment, BLOCK - 50, 100), undefined, "in two blocks");
  assert.equal(blocks.peek(segment, 4 * BLOCK, 10), undefined);
  assert.equal(blocks.peek(new SegmentSet().add(8, 1), 32, 10), undefined);
});

test("a block of which a part was not seen is not here", () => {
  const blocks = new WrittenBlocks(8 << 20);
  blocks.add(segment, 500, bytes(500, 1000));
  assert.equal(blocks.peek(segment, 600, 10), undefined);
  blocks.add(segment, 32, bytes(32, 100));
  blocks.add(segment, 200, bytes(200, 100));
  assert.deepEqual(blocks.peek(segment, 100, 10), bytes(100, 10));
  assert.equal(blocks.peek(segment, 250, 10), undefined, "behind a gap");
});

test("the oldest blocks go", () => {
  const blocks = new WrittenBlocks(8 << 20);
  for (let block = 0; block < 200; block++)
    blocks.add(
      segment,
      block === 0 ? 32 : block * BLOCK,
      new Uint8Array(block === 0 ? BLOCK - 32 : BLOCK),
    );
  assert.equal(blocks.peek(segment, 100, 10), undefined);
  assert.equal(blocks.peek(segment, 199 * BLOCK, 10)?.length, 10);
});
