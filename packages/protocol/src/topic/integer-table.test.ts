import assert from "node:assert/strict";
import test from "node:test";
import * as fc from "fast-check";
import { IntegerTable } from "./integer-table.ts";

function all(table: IntegerTable, hash: number): number[] {
  const found: number[] = [];
  for (let id = table.first(hash); id >= 0; id = table.next(hash)) found.push(id);
  return found.sort((a, b) => a - b);
}

test("what was inserted and not removed is found by its hash, and nothing else", () => {
  // Few hashes and such that stand side by side: runs of occupied places, and runs around the end.
  const hashes = fc.constantFrom(0, 1, 2, 6, 7, 8, 15, 16, -1, -2, 0x7fff_ffff, -0x8000_0000);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(hashes, fc.nat(40), fc.boolean()), { maxLength: 400 }),
      (steps) => {
        const table = new IntegerTable();
        const model = new Map<number, Set<number>>();
        for (const [hash, id, isRemoval] of steps) {
          const ids = model.get(hash) ?? new Set();
          model.set(hash, ids);
          if (isRemoval) {
            table.remove(hash, id); // one that is not there is no harm
            ids.delete(id);
          } else if (!ids.has(id)) {
            table.insert(hash, id);
            ids.add(id);
          }
        }
        for (const [hash, ids] of model)
          assert.deepEqual(
            all(table, hash),
            [...ids].sort((a, b) => a - b),
          );
        assert.equal(
          table.size,
          [...model.values()].reduce((sum, ids) => sum + ids.size, 0),
        );
      },
    ),
  );
});

test("a table that is divided into parts, and one that shrinks, still finds everything", () => {
  const table = new IntegerTable();
  const hashOf = (id: number): number => Math.imul(id, 0x9e37_79b1);
  const count = 40_000;
  for (let id = 0; id < count; id++) table.insert(hashOf(id), id);
  for (let id = 0; id < count; id++) assert.equal(table.first(hashOf(id)), id);
  for (let id = 0; id < count; id++) {
    if (id % 100 === 0) continue;
    table.remove(hashOf(id), id);
    assert.equal(table.first(hashOf(id)), -1);
  }
  assert.equal(table.size, count / 100);
  for (let id = 0; id < count; id += 100) assert.equal(table.first(hashOf(id)), id);
});
