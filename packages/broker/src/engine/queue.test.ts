import assert from "node:assert/strict";
import { test } from "node:test";
import { TopicNameTable } from "@sericite/protocol";
import fc from "fast-check";
import type { Extras } from "./extras.ts";
import { composeMessage } from "./forms.ts";
import type { Message } from "./message.ts";
import { META_QOS, Queue } from "./queue.ts";

const topicNames = new TopicNameTable({ maximumEntries: 16 });

function message(number: number, length = 3): Message {
  return composeMessage(number, {
    topic: topicNames.intern("a"),
    payload: new Uint8Array(length),
    properties: new Uint8Array(0),
    qos: 0,
    retain: false,
    publisher: "",
    expiresAt: 0,
  });
}

interface Entry {
  readonly message: Message;
  readonly meta: number;
  readonly extras: Extras | undefined;
  readonly position: number;
  readonly sequence: number;
}

/** What a queue is, without any cleverness. */
class Model {
  entries: Entry[] = [];
  nextSequence = 0;
  get bytes(): number {
    return this.entries.reduce((sum, entry) => sum + entry.message.size, 0);
  }
}

const command = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      act: fc.constant("push" as const),
      meta: fc.integer({ min: 0, max: 6 }).filter((meta) => (meta & META_QOS) < 3),
      identifier: fc.integer({ min: 0, max: 2 }),
      position: fc.integer({ min: 0, max: 3 }),
      length: fc.integer({ min: 0, max: 40 }),
    }),
  },
  { weight: 3, arbitrary: fc.constant({ act: "shift" as const }) },
  { weight: 1, arbitrary: fc.constant({ act: "dropQos0" as const }) },
  { weight: 1, arbitrary: fc.constant({ act: "dropOldest" as const }) },
  { weight: 1, arbitrary: fc.constant({ act: "drain" as const }) },
  { weight: 1, arbitrary: fc.constant({ act: "takeAll" as const }) },
);

test("whatever is done to it, a queue gives what was pushed, in order, with all that belongs to it", () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 120 }), (commands) => {
      const meter = { bytes: 0 };
      const queue = new Queue(meter);
      const model = new Model();
      const all: Message[] = [];
      const compareHead = (): void => {
        const first = model.entries[0];
        assert.equal(queue.head(), first?.message);
        if (first === undefined) return;
        assert.equal(queue.headMeta, first.meta);
        assert.equal(queue.headExtras, first.extras);
        assert.equal(queue.headPosition, first.position);
        assert.equal(queue.headSequence, first.sequence);
      };
      const shift = (): void => {
        compareHead();
        const first = model.entries.shift();
        if (first === undefined) return;
        queue.shift();
        first.message.release();
      };
      for (const one of commands) {
        switch (one.act) {
          case "push": {
            const added = message(all.length, one.length);
            all.push(added);
            const extras =
              one.identifier === 0
                ? undefined
                : { identifiers: [one.identifier], group: undefined };
            // Some sequences are those of messages that went elsewhere.
            const sequence = (model.nextSequence += 1 + one.identifier);
            queue.push(added, one.meta, extras, one.position, sequence);
            model.entries.push({
              message: added,
              meta: one.meta,
              extras,
              position: one.position,
              sequence,
            });
            break;
          }
          case "shift":
            shift();
            break;
          case "drain":
            while (model.entries.length > 0) shift();
            break;
          case "takeAll": {
            const taken: unknown[] = [];
            queue.takeAll((each, meta, sequence, extras) => {
              taken.push([each, meta, sequence, extras]);
              each.release();
            });
            assert.deepEqual(
              taken,
              model.entries
                .splice(0)
                .map((entry) => [entry.message, entry.meta, entry.sequence, entry.extras]),
            );
            break;
          }
          default: {
            const at =
              one.act === "dropOldest"
                ? model.entries.length === 0
                  ? -1
                  : 0
                : model.entries.findIndex(({ meta }) => (meta & META_QOS) === 0);
            const [entry] = at < 0 ? [] : model.entries.splice(at, 1);
            const dropped = queue[one.act]();
            assert.equal(dropped?.message, entry?.message);
            assert.equal(dropped?.meta, entry?.meta);
            assert.equal(dropped?.sequence, entry?.sequence);
            entry?.message.release();
          }
        }
        assert.equal(queue.length, model.entries.length);
        assert.equal(queue.bytes, model.bytes);
        assert.equal(meter.bytes, model.bytes);
        const visited: unknown[] = [];
        queue.forEach((visitedMessage, meta, sequence, extras) =>
          visited.push([visitedMessage.number, meta, sequence, extras]),
        );
        assert.deepEqual(
          visited,
          model.entries.map((entry) => [
            entry.message.number,
            entry.meta,
            entry.sequence,
            entry.extras,
          ]),
        );
      }
      const waiting = new Set(model.entries.map((entry) => entry.message));
      for (const one of all) assert.equal(one.references, waiting.has(one) ? 1 : 0);
    }),
    { numRuns: 300 },
  );
});

test("a long queue keeps its order, and is used again after it was empty", () => {
  const queue = new Queue({ bytes: 0 });
  const count = 20_000;
  for (let i = 0; i < count; i++) queue.push(message(i), i % 3, undefined, 0, 3 * i);
  for (let i = 0; i < count; i++) {
    assert.equal(queue.head()!.number, i);
    assert.equal(queue.headSequence, 3 * i);
    queue.shift();
  }
  assert.equal(queue.head(), undefined);
  assert.equal(queue.length, 0);
  queue.push(message(1), 0, undefined, 0, 3 * count);
  assert.equal(queue.head()!.number, 1);
});

test("dropping the oldest QoS 0 of many does not look at all of them each time", () => {
  const queue = new Queue({ bytes: 0 });
  const count = 100_000;
  for (let i = 0; i < count; i++) queue.push(message(i, 0), i % 2, undefined, 0, i);
  for (let i = 0; i < count / 2; i++) assert.equal(queue.dropQos0()!.sequence, 2 * i);
  assert.equal(queue.dropQos0(), undefined);
  assert.equal(queue.length, count / 2);
  assert.equal(queue.head()!.number, 1);
});
