import assert from "node:assert/strict";
import { test } from "node:test";
import type { Publish } from "../wire/packet.ts";
import { World } from "../world.ts";
import { SequenceBook } from "./sequence-book.ts";
import type { SequenceReader } from "./sequence-book.ts";
import type { Publication } from "./publisher.ts";

/** A book with messages 0, 1, 2 … of one line, each sent once, and a subscriber that has got none. */
function book(qos: 1 | 2, count = 5): Desk {
  const world = new World(1, 1);
  const sequence = new SequenceBook(world);
  const reader = sequence.reader("subscriber", 2);
  const publications = Array.from({ length: count }, () => {
    const one = sequence.next("d/x", qos);
    one.sends = 1;
    return one;
  });
  return { world, sequence, reader, publications };
}

interface Desk {
  readonly world: World;
  readonly sequence: SequenceBook;
  readonly reader: SequenceReader;
  readonly publications: readonly Publication[];
}

/** What comes: numbers of messages; `-` in front: with DUP; `|`: a new connection. */
function come({ reader, publications }: Desk, what: string): void {
  let connection = 1;
  for (const word of what.split(" ")) {
    if (word === "|") {
      connection += 1;
      continue;
    }
    const { qos, payload } = publications[Math.abs(Number(word))]!;
    reader.receive(
      {
        type: "publish",
        topicName: "d/x",
        payload,
        qos,
        dup: word.startsWith("-"),
        retain: false,
        packetIdentifier: 1,
        subscriptionIdentifiers: [],
      } satisfies Publish,
      connection,
    );
  }
}

for (const [qos, what, fault] of [
  [2, "0 1 2 3 4", undefined],
  [2, "0 1 | 2 3", undefined],
  [2, "-0 -1 2", undefined],
  [2, "0 2", /2, QoS 2 came, and d\/x 1 .* never did/],
  [2, "1", /d\/x 0 .* never did/],
  [2, "0 1 -1", /1, QoS 2 came again/],
  [2, "0 1 | -1", /1, QoS 2 came again/],
  [1, "0 1 | -0 -1 2", undefined],
  [1, "0 1 | 1", /came 2 times without DUP, and was sent 1 times/],
  [1, "0 1 2 -1", /came after 2, though it was sent once/],
  [1, "0 1 | 3", /never did/],
] as const)
  test(`QoS ${qos}: "${what}" is ${fault === undefined ? "as promised" : "a fault"}`, () => {
    const run = (): void => come(book(qos), what);
    if (fault === undefined) run();
    else assert.throws(run, fault);
  });

test("what the publisher repeated may come once more at QoS 1, behind later ones too", () => {
  const desk = book(1);
  for (const one of desk.publications) one.sends = 2;
  come(desk, "0 1 2 0 1 2 3");
});

test("what was published and has not come is owed until it has", () => {
  const desk = book(2);
  come(desk, "0 1 2");
  assert.match(desk.sequence.owed().join(), /has not got 2 from d\/x 3/);
  come(desk, "3 4");
  assert.deepEqual(desk.sequence.owed(), []);
});

test("a new session gets nothing of what was acknowledged before it subscribed", () => {
  const desk = book(2);
  for (const one of desk.publications.slice(0, 3)) one.acknowledged = desk.world.now();
  desk.reader.subscribing();
  assert.throws(() => come(desk, "2"), /session that was discarded/);
  desk.reader.subscribed();
  // What was under way while it subscribed may come, or some of it: a repeat is not routed twice.
  come(desk, "4");
  assert.deepEqual(desk.sequence.owed(), []);
});

test("a new session gets everything that was published after SUBACK", () => {
  const desk = book(2, 3);
  desk.reader.subscribing();
  desk.reader.subscribed();
  const late = [desk.sequence.next("d/x", 2), desk.sequence.next("d/x", 2)];
  for (const one of late) one.sends = 1;
  const all = { ...desk, publications: [...desk.publications, ...late] };
  assert.throws(() => come(all, "4"), /4, QoS 2 came, and d\/x 3 .* never did/);
  assert.match(desk.sequence.owed().join(), /has not got 2 from d\/x 3/);
});

test("a payload that was changed on its way is seen", () => {
  const desk = book(2, 1);
  const payload = Buffer.from(desk.publications[0]!.payload);
  payload[payload.length - 1]! ^= 1;
  const changed = { ...desk, publications: [{ ...desk.publications[0]!, payload }] };
  assert.throws(() => come(changed, "0"), /a payload that nobody published/);
});
