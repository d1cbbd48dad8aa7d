import assert from "node:assert/strict";
import { test } from "node:test";
import { TopicNameTable } from "@sericite/protocol";
import fc from "fast-check";
import { Arena } from "./arena.ts";
import { composeMessage } from "./forms.ts";
import { Message } from "./message.ts";
import { Slabs } from "./slab.ts";

const SIZE = 256;
const topic = new TopicNameTable({ maximumEntries: 4 }).intern("a");

/** A message of `length` bytes in a slab, filled with its number. */
function put(slabs: Slabs, number: number, length: number): Message {
  const slab = slabs.room(length);
  const start = slab.used;
  slab.used += length;
  slab.bytes.fill(number & 0xff, start, slab.used);
  return new Message(
    number,
    topic,
    slab.bytes,
    start,
    slab.used,
    0,
    0,
    0,
    0,
    false,
    0,
    false,
    "",
    0,
    slab,
  );
}

function isIntact(message: Message): boolean {
  return message.payload().every((byte) => byte === (message.number & 0xff));
}

test("messages that something refers to are intact, however often their memory was given free and used again", () => {
  const step = fc.record({
    length: fc.integer({ min: 1, max: 100 }),
    isKept: fc.boolean(),
    release: fc.integer({ min: 0, max: 3 }),
    endsTurn: fc.boolean(),
    isHeld: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const slabs = new Slabs(SIZE);
      const kept: Message[] = [];
      const held: { bytes: Uint8Array; start: number; end: number; number: number }[] = [];
      steps.forEach(({ length, isKept, release, endsTurn, isHeld }, number) => {
        const message = put(slabs, number, length);
        if (isKept) {
          message.refer();
          kept.push(message);
        }
        if (isHeld) {
          // A transport sends from it after the turn.
          slabs.hold(message.bytes);
          held.push({ bytes: message.bytes, start: message.start, end: message.end, number });
        }
        for (let i = 0; i < release && kept.length > 5; i++) kept.shift()!.release();
        if (endsTurn) slabs.endTurn();
        for (const one of kept) assert.ok(isIntact(one), `message ${one.number}`);
        for (const { bytes, start, end, number: held0 } of held)
          assert.ok(bytes.subarray(start, end).every((byte) => byte === (held0 & 0xff)));
      });
      for (const one of kept) one.release();
    }),
    { numRuns: 200 },
  );
});

test("a message queued for long is copied out of its slab, and its memory is used again", () => {
  const slabs = new Slabs(SIZE);
  const early = put(slabs, 1, 100);
  early.refer();
  const first = early.bytes;
  const others = Array.from({ length: 20 }, (_, i) => {
    const message = put(slabs, i, 200);
    message.refer();
    slabs.endTurn();
    return message;
  });
  assert.notEqual(early.bytes, first, "it does not pin its slab");
  assert.equal(early.bytes.length, 100);
  assert.ok(isIntact(early));
  assert.ok(others.every(isIntact));
  assert.ok(others.filter((message) => message.slab !== undefined).length <= 9);
});

test("without anything that is kept, one slab is enough for ever", () => {
  const slabs = new Slabs(SIZE);
  const seen = new Set<Uint8Array>();
  for (let turn = 0; turn < 1000; turn++) {
    seen.add(put(slabs, turn, 250).bytes);
    slabs.endTurn();
  }
  assert.equal(seen.size, 1);
});

test("what is larger than a slab gets one of its own, which is not used again", () => {
  const slabs = new Slabs(SIZE);
  const large = put(slabs, 1, 1000);
  large.refer();
  slabs.endTurn();
  const small = put(slabs, 2, 10);
  assert.notEqual(small.bytes, large.bytes);
  large.release();
  for (let turn = 0; turn < 20; turn++) {
    assert.equal(put(slabs, 3, 200).bytes.length, SIZE);
    slabs.endTurn();
  }
});

test("refer and release count; own copies only what lies in that slab and is referred to", () => {
  const slabs = new Slabs(SIZE);
  const message = put(slabs, 5, 20);
  const { slab } = message;
  message.own();
  assert.equal(message.slab, slab, "nothing refers to it: nothing to copy");
  message.refer();
  message.refer();
  assert.equal(slab!.live, 1);
  message.release();
  assert.equal(slab!.live, 1);
  message.own();
  assert.equal(slab!.live, 0);
  assert.equal(message.slab, undefined);
  assert.ok(isIntact(message));
  message.release();
  assert.equal(slab!.live, 0);
  const composed = composeMessage(1, {
    topic,
    payload: Uint8Array.of(1),
    properties: new Uint8Array(0),
    qos: 0,
    retain: false,
    publisher: "",
    expiresAt: 0,
  });
  composed.refer();
  composed.own();
  composed.release();
});

test("an arena gives memory that nobody else has in the turn, and the same again in the next", () => {
  const arena = new Arena();
  const first = arena.bytes;
  assert.equal(arena.reserve(10), 0);
  assert.equal(arena.reserve(5), 10);
  arena.endTurn();
  assert.equal(arena.reserve(10), 0);
  assert.equal(arena.bytes, first);
});

test("an arena leaves memory alone that a transport holds, and what overflowed within the turn", () => {
  const arena = new Arena();
  const first = arena.bytes;
  arena.bytes[arena.reserve(1)] = 42;
  const at = arena.reserve(first.length);
  assert.equal(at, 0);
  assert.notEqual(arena.bytes, first);
  assert.equal(first[0], 42);
  const second = arena.bytes;
  arena.hold(first); // an older block: nothing to do
  arena.hold(second);
  arena.endTurn();
  assert.notEqual(arena.bytes, second);
  const huge = arena.reserve(1_000_000);
  assert.ok(arena.bytes.length - huge >= 1_000_000);
  arena.endTurn();
  assert.ok(arena.bytes.length < 1_000_000, "a huge block is not kept");
});
