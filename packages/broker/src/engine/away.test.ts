import assert from "node:assert/strict";
import { test } from "node:test";
import { TestBroker } from "../test-broker.test-support.ts";
import type { WireClient } from "../wire-client.test-support.ts";

const LOTS = "x".repeat(6000);
const lasting = { cleanStart: false, properties: { sessionExpiryInterval: 3600 } };

/** A client that is away. */
function away(broker: TestBroker, clientId: string, topicFilter = "a"): void {
  const client = broker.connect(clientId, 5, lasting);
  client.subscribe(topicFilter, 1);
  client.leave();
}

/** Publishes messages with numbers from 1 on at their beginning. @returns how many are acknowledged. */
function publish(broker: TestBroker, count: number, topicName = "a"): number {
  const publisher = broker.connect("p");
  for (let id = 1; id <= count; id++)
    publisher.sendPublish(topicName, `${id} ${LOTS}`, { qos: 1, id });
  broker.settle();
  const answers = publisher.take();
  publisher.leave();
  return answers.filter((packet) => packet.type === "puback").length;
}

const numbersOf = (client: WireClient): number[] =>
  client.takePublishes().map(({ payload }) => Number.parseInt(Buffer.from(payload).toString(), 10));

for (const { queueFull, kept } of [
  { queueFull: "oldest", kept: [8, 9, 10] },
  { queueFull: "newest", kept: [1, 2, 3] },
])
  test(`what waits in memory for who is away keeps below limits.queuedBytes, so that nobody is held; the ${queueFull} goes`, () => {
    const queuedBytes = 25_000;
    const broker = new TestBroker({
      settings: { limits: { queuedBytes }, session: { queueFull } },
    });
    away(broker, "gone");
    assert.equal(publish(broker, 10), 10);
    broker.engine.overload.look(0, queuedBytes);
    assert.equal(broker.engine.overload.level, 0);
    assert.equal(broker.engine.drops["queue-full"], 7);
    assert.equal(broker.engine.limitsReached["limits.queuedBytes"], 7);
    assert.deepEqual(numbersOf(broker.connect("gone", 5, lasting)), kept);
  });

test("who is away and has nothing gets nothing while others' messages fill the memory, and loses nobody else's", () => {
  const broker = new TestBroker({ settings: { limits: { queuedBytes: 25_000 } } });
  away(broker, "first");
  publish(broker, 3);
  away(broker, "second", "b");
  publish(broker, 3, "b");
  assert.deepEqual(numbersOf(broker.connect("second", 5, lasting)), []);
  assert.deepEqual(numbersOf(broker.connect("first", 5, lasting)), [1, 2, 3]);
});

test("what waits in the store, or for who is there, has no such bound", () => {
  const settings = { limits: { queuedBytes: 25_000 } };
  const durable = new TestBroker({ durable: true, settings });
  away(durable, "gone");
  publish(durable, 10);
  assert.equal(numbersOf(durable.connect("gone", 5, lasting)).length, 10);
  const broker = new TestBroker({ settings });
  const slow = broker.connect("slow", 5, lasting);
  slow.subscribe("a", 1);
  slow.brokerLink.stall();
  publish(broker, 10);
  slow.brokerLink.release();
  broker.settle();
  assert.equal(numbersOf(slow).length, 10);
  assert.equal(durable.engine.drops["queue-full"] + broker.engine.drops["queue-full"], 0);
});

test("overload that queues of clients who left caused ends: the oldest of the longest go", () => {
  const queuedBytes = 50_000;
  const broker = new TestBroker();
  const clients = ["few", "many"].map((clientId) => {
    const properties = { ...lasting.properties, receiveMaximum: 1 };
    const client = broker.connect(clientId, 5, { cleanStart: false, properties });
    client.subscribe(clientId, 1);
    return client;
  });
  for (const client of clients) client.brokerLink.stall();
  publish(broker, 4, "few");
  publish(broker, 30, "many");
  for (const client of clients) client.drop();
  for (let i = 0; i < 4; i++) broker.engine.overload.look(0, queuedBytes);
  assert.ok(broker.engine.meter.bytes <= queuedBytes);
  for (let i = 0; i < 4; i++) broker.engine.overload.look(0, queuedBytes);
  assert.equal(broker.engine.overload.level, 0);
  assert.deepEqual(numbersOf(broker.connect("few", 5, lasting)), [1, 2, 3, 4]);
  assert.equal(numbersOf(broker.connect("many", 5, lasting)).at(-1), 30);
});
