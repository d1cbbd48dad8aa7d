/**
 * Messages that pass a receiver's queue by: what they may not pass by.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Packet, QoS } from "@sericite/protocol";
import { TestBroker } from "../test-broker.test-support.ts";
import { utf8 } from "../spelling.test-support.ts";
import type { Engine } from "./engine.ts";
import { composeMessage } from "./forms.ts";
import { route } from "./route.ts";

const publish = (topicName: string, qos: QoS): Packet => ({
  type: "publish",
  topicName,
  payload: utf8("x"),
  qos,
  dup: false,
  retain: false,
  packetIdentifier: qos === 0 ? undefined : 1,
});

/** As the embedding program does. */
function localPublish(engine: Engine, topicName: string): void {
  engine.enter();
  const message = composeMessage(engine.nextMessageNumber(), {
    topic: engine.topicNames.intern(topicName),
    payload: utf8("y"),
    properties: new Uint8Array(0),
    qos: 0,
    retain: false,
    publisher: "",
    expiresAt: 0,
  });
  route(engine, message, "broker");
}

test("what leaves at once is in no queue, what must wait is", () => {
  const broker = new TestBroker();
  const receiver = broker.connect("r", 5, { properties: { receiveMaximum: 1 } });
  receiver.subscribe("a", 1);
  const publisher = broker.connect("p");
  const { counters } = broker.engine;
  publisher.sendPublish("a", "1", { qos: 1 });
  broker.settle();
  assert.equal(counters.messagesQueued, 0);
  publisher.sendPublish("a", "2", { qos: 1 });
  publisher.sendPublish("a", "3", { qos: 0 });
  broker.settle();
  assert.equal(counters.messagesQueued, 2);
  const [first, ...more] = receiver.takePublishes();
  assert.deepEqual(more, []);
  receiver.sendAcknowledgement("puback", first!.packetIdentifier!);
  const rest = receiver.takePublishes().map(({ payload }) => Buffer.from(payload).toString());
  assert.deepEqual(rest, ["2", "3"]);
});

for (const qos of [0, 1, 2] as const) {
  test(`QoS ${qos}: a member that leaves in the very turn leaves its message to the others`, () => {
    const broker = new TestBroker();
    const [leaving, staying] = [broker.connect("l"), broker.connect("s")];
    leaving.subscribe("$share/g/a", 2);
    staying.subscribe("$share/g/a", 2);
    // The first member is the first one's turn: it gets what it publishes itself, and is gone.
    leaving.send(publish("a", qos), { type: "disconnect", reasonCode: 0 });
    broker.settle();
    assert.equal(staying.takePublishes().length, 1);
  });
}

test("a message for a session that outlives its connection is new to the next one if that ends in the very turn", () => {
  const broker = new TestBroker();
  const options = { cleanStart: false, properties: { sessionExpiryInterval: 100 } };
  const client = broker.connect("c", 5, options);
  client.subscribe("a", 1);
  client.send(publish("a", 1), {
    type: "connect",
    protocolVersion: 5,
    clientId: "c",
    cleanStart: true,
    keepAlive: 0,
  });
  broker.settle();
  const again = broker.connect("c", 5, options);
  const [message] = again.takePublishes();
  assert.equal(message?.dup, false); // [MQTT5-4.3.2-2]
});

test("what a listener of sent packets publishes is told, too", () => {
  const broker = new TestBroker();
  const { engine } = broker;
  const client = broker.connect("c", 4);
  client.subscribe("a");
  const sent: string[] = [];
  engine.events.on("packetSent", ({ packet }) => {
    if (packet.type !== "publish") return;
    sent.push(packet.topicName);
    if (sent.length === 1) localPublish(engine, "a");
  });
  broker.connect("p", 4).sendPublish("a", "x");
  broker.settle();
  assert.equal(client.takePublishes().length, 2);
  assert.deepEqual(sent, ["a", "a"]);
});

test("what a listener publishes while a message is routed leaves alone what its acknowledgement waits for", () => {
  const broker = new TestBroker({ durable: true });
  const { engine } = broker;
  const away = broker.connect("away", 5, {
    cleanStart: false,
    properties: { sessionExpiryInterval: 100 },
  });
  away.subscribe("a", 0);
  away.leave();
  engine.events.on("messageDropped", () => localPublish(engine, "nobody"));
  const publisher = broker.connect("p");
  broker.store.stall();
  publisher.send({ ...publish("a", 1), retain: true } as Packet);
  assert.deepEqual(publisher.told(), []);
  broker.store.unstall();
  assert.deepEqual(publisher.told(), ["PUBACK 1"]);
});
