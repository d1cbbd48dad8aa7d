import assert from "node:assert/strict";
import test from "node:test";
import { ByteRows } from "./byte-rows.ts";

/** Fills a row with bytes that tell it from others. */
function fill(rows: ByteRows, row: number, length: number, mark: number): void {
  const start = rows.start(row);
  rows.bytes(row).fill(mark, start, start + length);
}

function holds(rows: ByteRows, row: number, length: number, mark: number): boolean {
  const start = rows.start(row);
  if (rows.length(row) !== length) return false;
  return rows
    .bytes(row)
    .subarray(start, start + length)
    .every((byte) => byte === mark);
}

test("rows of all lengths hold what was written while others come, go and move", () => {
  const rows = new ByteRows();
  const known = new Map<number, { length: number; mark: number }>();
  let state = 1;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return Math.floor((state / 0x8000_0000) * below);
  };
  for (let step = 0; step < 30_000; step++) {
    // It grows, shrinks, and grows again.
    const isGrowing = Math.floor(step / 6000) % 2 === 0;
    if (random(10) < (isGrowing ? 7 : 2) || known.size === 0) {
      const length = random(100) === 0 ? random(60_000) : random(300);
      const row = rows.allocate(length);
      assert.ok(!known.has(row));
      fill(rows, row, length, step & 0xff);
      known.set(row, { length, mark: step & 0xff });
    } else {
      const all = [...known.keys()];
      const row = all[random(all.length)]!;
      const { length, mark } = known.get(row)!;
      assert.ok(holds(rows, row, length, mark));
      rows.free(row);
      known.delete(row);
    }
    if (step % 500 === 0)
      for (const [row, { length, mark }] of known) assert.ok(holds(rows, row, length, mark));
  }
  assert.equal(rows.size, known.size);
});

test("a row that is larger than the chunks so far comes behind small ones that move", () => {
  for (const lengths of [
    [10, 5000],
    [2000, 4080],
    [10, 20_000, 30_000, 10],
  ]) {
    const rows = new ByteRows();
    const all = lengths.map((length, mark) => {
      const row = rows.allocate(length);
      fill(rows, row, length, mark);
      return row;
    });
    for (const [mark, row] of all.entries())
      assert.ok(holds(rows, row, lengths[mark]!, mark), `row ${mark} of ${lengths.join(", ")}`);
  }
});

test("memory of rows that were freed is given back", () => {
  const rows = new ByteRows();
  const all = Array.from({ length: 50_000 }, () => rows.allocate(100));
  const full = rows.held;
  assert.ok(full < 50_000 * 112 + 256 * 1024);
  // Nine in ten go, from everywhere.
  all.forEach((row, index) => index % 10 !== 0 && rows.free(row));
  assert.ok(rows.held < full / 4, `${rows.held} of ${full} bytes`);
  all.forEach((row, index) => index % 10 === 0 && rows.free(row));
  assert.ok(rows.held <= 256 * 1024, `${rows.held} bytes`);
  assert.equal(rows.size, 0);
});

test("a row that is replaced again and again takes no more memory", () => {
  const rows = new ByteRows();
  let row = rows.allocate(100);
  for (let times = 0; times < 100_000; times++) {
    const next = rows.allocate(100);
    rows.free(row);
    row = next;
  }
  assert.ok(rows.held < 1024 * 1024, `${rows.held} bytes`);
});
