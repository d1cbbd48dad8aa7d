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
        assert.ok(row < Math.max(64, 2 ** Math.ceil(Math.log2(most))));
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
  const given = new Set<number>();
  const allocate = (count: number): void => {
    for (let index = 0; index < count; index++) given.add(rows.allocate());
  };
  const free = (row: number): void => {
    rows.free(row);
    given.delete(row);
  };
  for (let round = 0; round < 3; round++) {
    allocate(100_000);
    for (const row of given) if (row % 2 === 0) free(row);
    allocate(100_000 - given.size);
    assert.equal(given.size, 100_000);
    for (const row of given) assert.ok(row < 7 * 16_384, "freed rows are given again");
    const order = [...given];
    for (let index = 0; index < order.length; index++)
      free(order[(index * 7_919) % order.length] as number);
    assert.equal(rows.size, 0);
  }
});
