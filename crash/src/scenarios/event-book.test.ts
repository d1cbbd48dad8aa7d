import assert from "node:assert/strict";
import { test } from "node:test";
import { World } from "../world.ts";
import { EventBook } from "./event-book.ts";
import type { Expected } from "./event-book.ts";

interface Come {
  readonly qos?: 1 | 2;
  readonly dup?: boolean;
}

/** A book that expects one message, and what comes of it. */
function desk(expected: Partial<Expected> = {}): {
  world: World;
  book: EventBook;
  come: (what?: Come) => void;
} {
  const world = new World(1, 1);
  world.begin(1);
  const book = new EventBook(world, "wills");
  const qos = expected.qos ?? 2;
  book.expect({
    id: "it",
    qos,
    owed: () => "must",
    earliest: () => 0,
    copies: () => 1,
    ...expected,
  });
  const come = (what: Come = {}): void =>
    book.receive({
      type: "publish",
      topicName: "w",
      payload: Buffer.from("it"),
      qos: what.qos ?? qos,
      dup: what.dup ?? false,
      retain: false,
      packetIdentifier: 1,
      subscriptionIdentifiers: [],
    });
  return { world, book, come };
}

test("what must come is owed until it has", () => {
  const { book, come } = desk();
  assert.deepEqual(book.owed(), ['"it" has not come']);
  come();
  assert.deepEqual(book.owed(), []);
});

test("what may come is not owed", () => {
  assert.deepEqual(desk({ owed: () => "may" }).book.owed(), []);
});

test("what must not come is a fault", () => {
  assert.throws(desk({ owed: () => "never" }).come, /came, and must not/);
});

test("what comes before its time is a fault", () => {
  assert.throws(desk({ earliest: () => performance.now() + 500 }).come, /ms too early/);
});

test("what comes again at QoS 2 is a fault, with DUP too", () => {
  const { come } = desk();
  come();
  assert.throws(() => come({ dup: true }), /came again at QoS 2/);
});

test("what comes again at QoS 1 needs DUP, unless the broker died right behind it", () => {
  const { world, come } = desk({ qos: 1 });
  come();
  come({ dup: true });
  assert.throws(() => come(), /came 2 times without DUP/);
  world.end();
  world.begin(1);
  come();
});

test("after a later acknowledgement in the same life, a crash is no excuse", () => {
  const { world, come } = desk({ qos: 1 });
  come();
  world.witness({ life: world.life, at: performance.now() + 1 });
  world.end();
  world.begin(1);
  assert.throws(() => come(), /came 2 times without DUP/);
});

test("what is settled and comes again at QoS 2 is a fault", () => {
  const { book, come } = desk({ qos: 2 });
  come();
  book.forget();
  assert.throws(() => come(), /came again, long after/);
});
