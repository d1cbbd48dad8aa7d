import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MessageTable, NOWHERE } from "./message-table.ts";
import { QueueIndex } from "./queue-index.ts";

/** Numbers as a broker gives them, and the largest that a file can hold. */
const messageNumber = fc.oneof(
  fc.integer({ min: 1, max: 40 }),
  fc.integer({ min: 2 ** 32 - 5, max: 2 ** 32 + 5 }),
  fc.integer({ min: 2 ** 48 - 5, max: 2 ** 48 - 1 }),
);

test("a message table holds what a Map would", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          what: fc.constantFrom("place", "place", "retain", "release", "remove"),
          number: messageNumber,
          slot: fc.integer({ min: 0, max: 0xfffe }),
          offset: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
          length: fc.integer({ min: 8, max: 2 ** 32 - 1 }),
        }),
        { maxLength: 300 },
      ),
      (steps) => {
        const table = new MessageTable();
        const model = new Map<
          number,
          { slot: number; offset: number; length: number; references: number }
        >();
        for (const { what, number, slot, offset, length } of steps) {
          const known = model.get(number);
          if (what === "place") {
            table.place(number, slot, offset, length);
            model.set(number, { slot, offset, length, references: known?.references ?? 0 });
          } else if (what === "retain") {
            table.retain(number);
            if (known === undefined)
              model.set(number, { slot: NOWHERE, offset: 0, length: 1, references: 1 });
            else known.references += 1;
          } else if (what === "release") {
            const left = Math.max(0, (known?.references ?? 0) - 1);
            assert.equal(table.release(number), left);
            if (known !== undefined) known.references = left;
          } else {
            table.remove(number);
            model.delete(number);
          }
        }
        assert.equal(table.size, model.size);
        const seen = new Map<number, unknown>();
        table.forEach((number, slot, offset, length, references) =>
          seen.set(number, { slot, offset, length, references }),
        );
        assert.deepEqual(seen, model);
        for (const [number, expected] of model) {
          assert.ok(table.find(number));
          const { slot, offset, length, references } = table;
          assert.deepEqual({ slot, offset, length, references }, expected);
        }
      },
    ),
    { numRuns: 200 },
  );
});

test("a message table finds each of many numbers, and shrinks again", () => {
  const table = new MessageTable();
  for (let number = 0; number < 20_000; number += 1) table.place(number * 7, number % 9, number, 8);
  for (let number = 0; number < 20_000; number += 1) {
    assert.ok(table.find(number * 7));
    assert.equal(table.offset, number);
    assert.equal(table.find(number * 7 + 1), false);
  }
  for (let number = 0; number < 20_000; number += 1) if (number % 100 > 0) table.remove(number * 7);
  assert.equal(table.size, 200);
  for (let number = 0; number < 20_000; number += 100) assert.ok(table.find(number * 7));
});

test("a queue index holds what a sorted list would", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          gap: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3 }), fc.constant(2 ** 33)),
          message: messageNumber,
          qos: fc.constantFrom(0 as const, 1 as const, 2 as const),
          retain: fc.boolean(),
          subscriptionIdentifiers: fc.array(fc.integer({ min: 1, max: 268_435_455 }), {
            maxLength: 2,
          }),
          share: fc.constantFrom("", "", "$share/a/b", "$share/a b/c"),
          settle: fc.array(fc.nat(30), { maxLength: 2 }),
        }),
        { maxLength: 700, size: "max" },
      ),
      fc.nat(100),
      fc.nat(100),
      (steps, from, count) => {
        const index = new QueueIndex();
        let model: { sequence: number }[] = [];
        let next = 0;
        for (const { gap, settle, ...content } of steps) {
          const entry = { sequence: next + gap, ...content };
          assert.ok(index.push(entry));
          assert.equal(index.push(entry), false, "the same sequence again");
          model.push(entry);
          next = entry.sequence + 1;
          for (const place of settle) {
            const settled = model[place];
            if (settled === undefined) continue;
            assert.equal(index.settle(settled.sequence), (settled as typeof entry).message);
            assert.equal(index.settle(settled.sequence), undefined);
            model = model.filter((other) => other !== settled);
          }
        }
        assert.equal(index.count, model.length);
        assert.equal(index.next, next);
        assert.equal(index.first, model[0]?.sequence ?? next);
        const start = model[from]?.sequence ?? 0;
        const seen: unknown[] = [];
        index.forEachFrom(start, (entry) => seen.push(entry) > 0);
        assert.deepEqual(
          seen,
          model.filter(({ sequence }) => sequence >= start),
        );
        assert.equal(
          index.endOf(start, count),
          (model
            .filter(({ sequence }) => sequence >= start)
            .slice(0, count)
            .at(-1)?.sequence ?? start - 1) + 1,
        );
        const released: number[] = [];
        while (index.drain(10, (message) => released.push(message)));
        assert.deepEqual(
          released,
          model.map((entry) => (entry as unknown as { message: number }).message),
        );
      },
    ),
    { numRuns: 60 },
  );
});

test("more origins than fit into an entry are kept all the same", () => {
  const index = new QueueIndex();
  for (let sequence = 0; sequence < 5000; sequence += 1)
    index.push({
      sequence,
      message: 1,
      qos: 1,
      retain: false,
      subscriptionIdentifiers: [sequence + 1],
      share: `$share/${sequence % 2}/a`,
    });
  index.forEachFrom(0, ({ sequence, subscriptionIdentifiers, share }) => {
    assert.deepEqual(subscriptionIdentifiers, [sequence + 1]);
    assert.equal(share, `$share/${sequence % 2}/a`);
    return true;
  });
});

test("a million entries of a thousand sessions take less than 20 MB", () => {
  let bytes = 0;
  for (let session = 0; session < 1000; session += 1) {
    const index = new QueueIndex();
    for (let sequence = 0; sequence < 1000; sequence += 1)
      index.push({
        sequence,
        message: session * 1000 + sequence,
        qos: 1,
        retain: false,
        subscriptionIdentifiers: [],
        share: "",
      });
    bytes += index.bytes;
  }
  assert.ok(bytes < 20e6, `${bytes} bytes`);
});
