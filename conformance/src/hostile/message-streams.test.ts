import assert from "node:assert/strict";
import { test } from "node:test";
import type { QoS } from "@sericite/protocol";
import { MessageStreams } from "./message-streams.ts";

/** Streams of which `count` messages of each QoS were sent. */
function sent(count: number): MessageStreams {
  const streams = new MessageStreams();
  for (let left = count; left > 0; left -= 1)
    for (const qos of [0, 1, 2] as const) streams.next(qos);
  return streams;
}

for (const [what, qos, numbers, expected] of [
  ["in order", 1, [1, 2, 3], undefined],
  ["lost", 0, [1, 3], "QoS 0: message 3 came after 1: 1 are missing"],
  ["twice", 2, [1, 2, 2], "QoS 2: message 2 came twice"],
  ["once more, later", 1, [1, 2, 3, 2], "QoS 1: message 2 came after 3"],
  ["that nobody sent", 0, [1, 2, 3, 4], "QoS 0: message 4 came and was never sent"],
] as const)
  test(`messages that come ${what} are ${expected === undefined ? "as owed" : "a fault"}`, () => {
    const streams = sent(3);
    const faults = numbers.map((number) => streams.receive(qos as QoS, number));
    assert.equal(faults.at(-1), expected);
    assert.ok(faults.slice(0, -1).every((fault) => fault === undefined));
  });

test("the streams of each QoS are apart, and what has not come is owed", () => {
  const streams = sent(2);
  assert.equal(streams.receive(0, 1), undefined);
  assert.equal(streams.receive(2, 1), undefined);
  assert.equal(streams.receive(1, 1), undefined);
  assert.equal(streams.receive(1, 2), undefined);
  assert.equal(streams.owed, 2);
});
