import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { packAcknowledgement, PendingLine } from "./pending.ts";
import type { PendingItem } from "./pending.ts";

test("items leave in order, each when both its positions are reached, none before its predecessor", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          fc.record({ store: fc.nat({ max: 20 }), bus: fc.nat({ max: 20 }) }),
          fc.record({ drainStore: fc.nat({ max: 20 }), drainBus: fc.nat({ max: 20 }) }),
        ),
        { maxLength: 80 },
      ),
      (steps) => {
        const line = new PendingLine();
        const waiting: { item: number; store: number; bus: number }[] = [];
        let item = 0;
        for (const step of steps) {
          if ("store" in step) {
            line.push(item, step.store, step.bus);
            waiting.push({ item: item++, ...step });
          } else {
            const sent: PendingItem[] = [];
            line.drain(step.drainStore, step.drainBus, { sendPending: (one) => sent.push(one) });
            const expected: number[] = [];
            while (
              waiting.length > 0 &&
              waiting[0]!.store <= step.drainStore &&
              waiting[0]!.bus <= step.drainBus
            )
              expected.push(waiting.shift()!.item);
            assert.deepEqual(sent, expected);
          }
          assert.equal(line.length, waiting.length);
          assert.equal(line.isEmpty, waiting.length === 0);
        }
      },
    ),
  );
});

test("a line that is never quite empty gives its memory back", () => {
  const line = new PendingLine();
  let sent = 0;
  line.push(0, 1, 0);
  for (let position = 1; position <= 10_000; position++) {
    line.push(position, position + 1, 0);
    line.drain(position, 0, { sendPending: () => sent++ });
  }
  assert.equal(line.length, 1);
  assert.equal(sent, 10_000);
});

test("an item that pushes another while the line drains does not disturb it", () => {
  const line = new PendingLine();
  line.push(1, 1, 0);
  line.push(2, 1, 0);
  const sent: PendingItem[] = [];
  line.drain(1, 0, {
    sendPending: (item) => {
      sent.push(item);
      if (item === 1) line.push(3, 2, 0);
    },
  });
  assert.deepEqual(sent, [1, 2]);
  assert.equal(line.length, 1);
});

test("an acknowledgement is packed into a number that gives its three parts back", () => {
  for (const packetType of [4, 5, 6, 7]) {
    for (const packetIdentifier of [1, 0x1234, 65_535]) {
      for (const reasonCode of [0, 0x10, 0x87, 0xff]) {
        const item = packAcknowledgement(packetType, packetIdentifier, reasonCode);
        assert.deepEqual(
          [item >>> 24, (item >>> 16) & 0xff, item & 0xffff],
          [packetType, reasonCode, packetIdentifier],
        );
      }
    }
  }
});
