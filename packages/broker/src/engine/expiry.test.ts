import assert from "node:assert/strict";
import { test } from "node:test";
import { TestBroker } from "../test-broker.test-support.ts";

const durable = { cleanStart: false, properties: { sessionExpiryInterval: 100_000 } };
const expires = (seconds: number) => ({ properties: { messageExpiryInterval: seconds } });

for (const [waited, left] of [
  [0, 10],
  [999, 10],
  [1000, 9],
  [4500, 6],
  [9999, 1],
] as const) {
  test(`[MQTT5-3.3.2-6] after ${waited} ms in the broker, 10 s are ${left} s`, () => {
    const broker = new TestBroker();
    broker.connect("r", 5, durable).leave();
    const receiver = broker.connect("r", 5, durable);
    receiver.subscribe("a", 1);
    receiver.leave();
    broker.connect("p").sendPublish("a", "x", { qos: 1, ...expires(10) });
    broker.advance(waited);
    const [message] = broker.connect("r", 5, durable).takePublishes();
    assert.equal(message!.properties!.messageExpiryInterval, left);
  });
}

test("[MQTT5-3.3.2-5] a message that expired while it waited is dropped, and those behind it come", () => {
  for (const qos of [1, 2] as const) {
    const broker = new TestBroker();
    const dropped = broker.listen("messageDropped");
    const receiver = broker.connect("r", 5, durable);
    receiver.subscribe("a", 2);
    receiver.leave();
    const publisher = broker.connect("p");
    publisher.sendPublish("a", "1", { qos, id: 1, ...expires(10) });
    publisher.sendPublish("a", "2", { qos, id: 2 });
    publisher.sendPublish("a", "3", { qos, id: 3, ...expires(11) });
    broker.advance(10_000);
    const again = broker.connect("r", 5, durable);
    assert.deepEqual(
      again.takePublishes().map(({ payload }) => Buffer.from(payload).toString()),
      ["2", "3"],
    );
    assert.deepEqual(dropped, [{ reason: "expired", clientId: "r", topicName: "a", qos }]);
  }
});

test("[X-50] a message without Message Expiry Interval never expires", () => {
  const broker = new TestBroker();
  const receiver = broker.connect("r", 4, { cleanStart: false });
  receiver.subscribe("a", 1);
  receiver.leave();
  broker.connect("p").sendPublish("a", "x", { qos: 1 });
  broker.advance(600_000_000);
  assert.equal(broker.connect("r", 4, { cleanStart: false }).takePublishes().length, 1);
});

test("an interval of 0 expires where the message cannot go at once", () => {
  const broker = new TestBroker();
  const receiver = broker.connect("r", 5, durable);
  receiver.subscribe("a", 1);
  receiver.leave();
  broker.connect("p").sendPublish("a", "x", { qos: 1, ...expires(0) });
  broker.settle();
  assert.deepEqual(broker.connect("r", 5, durable).told(), []);
});

test("3.x receivers are told nothing of it, and do not get an expired message either", () => {
  const broker = new TestBroker();
  const receiver = broker.connect("r", 4, { cleanStart: false });
  receiver.subscribe("a", 1);
  receiver.leave();
  const publisher = broker.connect("p");
  publisher.sendPublish("a", "1", { qos: 1, id: 1, ...expires(10) });
  publisher.sendPublish("a", "2", { qos: 1, id: 2, ...expires(100) });
  broker.advance(20_000);
  const again = broker.connect("r", 4, { cleanStart: false });
  const [message, ...others] = again.takePublishes();
  assert.deepEqual(others, []);
  assert.equal(Buffer.from(message!.payload).toString(), "2");
});

test("[MQTT5-4.3.3-7] [MQTT5-4.3.3-13] once sent, a message does not expire: it comes again on resumption, and its handshake goes on", () => {
  for (const qos of [1, 2] as const) {
    const broker = new TestBroker();
    const receiver = broker.connect("r", 5, durable);
    receiver.subscribe("a", 2);
    broker.connect("p").sendPublish("a", "x", { qos, ...expires(10) });
    assert.equal(receiver.takePublishes().length, 1);
    receiver.drop();
    broker.advance(60_000);
    const again = broker.connect("r", 5, durable);
    const [message] = again.takePublishes();
    assert.equal(message!.dup, true);
    if (qos === 2) {
      again.sendAcknowledgement("pubrec", message!.packetIdentifier!);
      assert.deepEqual(again.told(), [`PUBREL ${message!.packetIdentifier}`]);
    }
  }
});

test("a QoS 2 message of a client that has expired is still acknowledged to the end", () => {
  const broker = new TestBroker();
  const client = broker.connect("c");
  client.sendPublish("a", "x", { qos: 2, ...expires(1) });
  broker.advance(10_000);
  client.sendAcknowledgement("pubrel", 1);
  assert.deepEqual(client.told(), ["PUBREC 1 0x10", "PUBCOMP 1"]);
});

test("messages behind a full Receive Maximum expire while they wait", () => {
  const broker = new TestBroker();
  const receiver = broker.connect("r", 5, { properties: { receiveMaximum: 1 } });
  receiver.subscribe("a", 1);
  const publisher = broker.connect("p");
  for (let i = 1; i <= 5; i++)
    publisher.sendPublish("a", String(i), { qos: 1, id: i, ...expires(i) });
  const [first] = receiver.takePublishes();
  broker.advance(3000);
  receiver.sendAcknowledgement("puback", first!.packetIdentifier!);
  const [next] = receiver.takePublishes();
  assert.equal(Buffer.from(next!.payload).toString(), "4");
  assert.equal(next!.properties!.messageExpiryInterval, 1);
  assert.equal(broker.engine.drops.expired, 2);
});

test("a message goes out with what is left of its time to each receiver, beside properties and identifiers", () => {
  const broker = new TestBroker();
  const receivers = [1, 2, 3].map((i) => {
    const receiver = broker.connect(`r${i}`, 5, durable);
    receiver.sendSubscribe([["a", 1]], i === 3 ? { subscriptionIdentifiers: [77] } : undefined);
    receiver.leave();
    return receiver;
  });
  assert.equal(receivers.length, 3);
  broker.connect("p").sendPublish("a", "x", {
    qos: 1,
    properties: { contentType: "t", messageExpiryInterval: 100, userProperties: [["k", "v"]] },
  });
  broker.settle();
  for (const [i, left] of [
    [1, 90],
    [2, 80],
    [3, 70],
  ] as const) {
    broker.advance(10_000);
    const [message] = broker.connect(`r${i}`, 5, durable).takePublishes();
    assert.deepEqual(message!.properties, {
      messageExpiryInterval: left,
      contentType: "t",
      userProperties: [["k", "v"]],
      ...(i === 3 ? { subscriptionIdentifiers: [77] } : {}),
    });
  }
});
