import assert from "node:assert/strict";
import test from "node:test";
import * as fc from "fast-check";
import { IntegerRows } from "./integer-rows.ts";

test("rows keep what they hold until they are freed, and no row is given twice", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(1000), { maxLength: 600 }), (steps) => {
      const rows = new IntegerRows(3);
      const model = new Map<number, number>();
      let most = 0;
      for (const [index, step] of steps.entries()) {
        if (step < 600 || model.size === 0) {
          const row = rows.allocate();
          assert.ok(!model.has(row));
          model.set(row, index);
          for (let column = 0; column < 3; column++) rows.set(row, column, index * 3 + column);
          most = Math.max(most, model.size);
        } else {
          const row = [...model.keys()][step % model.size] as number;
          rows.free(row);
          model.delete(row);
        }
      }
      for (const [row, index] of model) {
        assert.ok(row < Math.max(64, most * 2));
        for (let column = 0; column < 3; column++)
          assert.equal(rows.get(row, column), index * 3 + column);
      }
      assert.equal(rows.size, model.size);
    }),
    { numRuns: 50 },
  );
});

test("a hundred thousand rows may come and go, in any order, again and again", () => {
  const rows = new IntegerRows(2);
  for (let round = 0; round < 3; round++) {
    const seen = new Set<number>();
    for (let index = 0; index < 100_000; index++) {
      const row = rows.allocate();
      seen.add(row);
      rows.set(row, 1, index);
    }
    assert.equal(seen.size, 100_000);
    const given = [...seen];
    for (let index = 0; index < given.length; index++) {
      const row = given[(index * 7_919) % given.length] as number;
      rows.free(row);
    }
    assert.equal(rows.size, 0);
  }
});
