import assert from "node:assert/strict";
import { test } from "node:test";
import { UnflushedSettles } from "./unflushed-settles.ts";

test("settled messages count until their records are durable, never too few of them", () => {
  const settles = new UnflushedSettles();
  assert.equal(settles.count(0), 0);
  for (const position of [1, 1, 2, 3]) settles.add(position);
  assert.equal(settles.count(0), 4);
  // One batch is durable: one of the three behind the first is still counted with the others.
  assert.equal(settles.count(1), 3);
  assert.equal(settles.count(3), 0);
  settles.add(4);
  assert.equal(settles.count(3), 1);
  assert.equal(settles.count(4), 0);
});
