import assert from "node:assert/strict";
import { test } from "node:test";
import type { SubscribeOptions } from "./client.ts";
import type { Message } from "./message.ts";
import type { ClientOptions } from "./options.ts";
import { FakeServer } from "./testing/fake-server.ts";

/** A client that keeps the messages of `t` and acknowledges by hand. */
async function byHand(options: ClientOptions = {}, more: SubscribeOptions = {}) {
  const server = new FakeServer();
  const client = await server.connect(options);
  const messages: Message[] = [];
  const subscribed = client.subscribe("t", (message) => void messages.push(message), {
    acknowledge: "manual",
    ...more,
  });
  await server.world.settle();
  await subscribed;
  const publish = (packetIdentifier: number, qos: 1 | 2, dup = false): void =>
    server.connection.publish("t", `${packetIdentifier}`, { qos, packetIdentifier, dup });
  return { server, client, world: server.world, messages, publish };
}

/** `puback 1 0x80 why` and the like. */
function answers(server: FakeServer): string[] {
  return server.connection.received.flatMap((packet) => {
    if (packet.type !== "puback" && packet.type !== "pubrec") return [];
    const { type, packetIdentifier, reasonCode, properties } = packet;
    const code = reasonCode === undefined ? "" : ` 0x${reasonCode.toString(16)}`;
    const why = properties?.reasonString === undefined ? "" : ` ${properties.reasonString}`;
    return [`${type} ${packetIdentifier}${code}${why}`];
  });
}

test("[MQTT5-4.6.0-2] [MQTT5-4.6.0-3] [MQTT3-4.6.0-2] [MQTT3-4.6.0-3] acknowledgements by hand leave in the order of the messages", async () => {
  for (const protocolVersion of [4, 5] as const) {
    const { server, world, messages, publish } = await byHand({ protocolVersion });
    publish(1, 1);
    publish(2, 2);
    publish(3, 1);
    publish(4, 2);
    await world.settle();
    assert.equal(messages.length, 4, "the next one does not wait for the last");
    for (const index of [3, 2, 1]) messages[index]!.ack();
    await world.settle();
    assert.deepEqual(answers(server), []);
    messages[0]!.ack();
    messages[0]!.ack();
    await world.settle();
    assert.deepEqual(answers(server), ["puback 1", "pubrec 2", "puback 3", "pubrec 4"]);
  }
});

test("[MQTT5-4.3.3-9] a rejected message is answered with the reason, and its Packet Identifier is free", async () => {
  const { server, world, messages, publish } = await byHand();
  publish(1, 1);
  publish(2, 2);
  await world.settle();
  messages[1]!.reject(0x99, "not a number");
  messages[0]!.reject();
  messages[0]!.ack();
  await world.settle();
  assert.deepEqual(answers(server), ["puback 1 0x80", "pubrec 2 0x99 not a number"]);
  publish(2, 2);
  await world.settle();
  assert.equal(messages.length, 3);
});

test("[MQTT5-3.4.2-2] [MQTT5-3.4.2-3] [MQTT5-3.5.2-2] [MQTT5-3.5.2-3] a Reason String that makes the packet too large is left out", async () => {
  const server = new FakeServer();
  server.connack = { properties: { maximumPacketSize: 30 } };
  const client = await server.connect();
  const messages: Message[] = [];
  const subscribed = client.subscribe("t", (message) => void messages.push(message), {
    acknowledge: "manual",
  });
  await server.world.settle();
  await subscribed;
  server.connection.publish("t", "", { qos: 1, packetIdentifier: 1 });
  server.connection.publish("t", "", { qos: 2, packetIdentifier: 2 });
  await server.world.settle();
  for (const message of messages) message.reject(0x80, "x".repeat(40));
  await server.world.settle();
  assert.deepEqual(answers(server), ["puback 1 0x80", "pubrec 2 0x80"]);
});

for (const [what, options, qos, act] of [
  ["reject at QoS 0", {}, 0, (message: Message) => message.reject()],
  ["reject before 5.0", { protocolVersion: 4 }, 1, (message: Message) => message.reject()],
  ["a Reason Code that refuses nothing", {}, 1, (message: Message) => message.reject(0x10)],
] as const) {
  test(`${what} is a mistake, and the message can still be acknowledged`, async () => {
    const { server, world, messages } = await byHand(options);
    server.connection.publish("t", "", qos === 0 ? {} : { qos, packetIdentifier: 1 });
    await world.settle();
    assert.throws(() => act(messages[0]!), { name: "UsageError", code: "ERR_USAGE" });
    messages[0]!.ack();
    await world.settle();
    assert.deepEqual(answers(server), qos === 0 ? [] : ["puback 1"]);
  });
}

test("ack of a message that its subscription acknowledges is a mistake", async () => {
  const server = new FakeServer();
  const client = await server.connect();
  const codes: unknown[] = [];
  const subscribed = client.subscribe("t", (message) => {
    for (const act of [() => message.ack(), () => message.reject()])
      assert.throws(act, (error: { code: string }) => codes.push(error.code) > 0);
  });
  await server.world.settle();
  await subscribed;
  server.connection.publish("t", "");
  await server.world.settle();
  assert.deepEqual(codes, ["ERR_USAGE", "ERR_USAGE"]);
});

test("a message for two subscriptions is acknowledged when both have, and a rejection counts", async () => {
  const server = new FakeServer();
  const client = await server.connect();
  const messages: Message[] = [];
  const take = (message: Message): void => void messages.push(message);
  const subscribed = [
    client.subscribe("t", take, { acknowledge: "manual" }),
    client.subscribe("t", take, { acknowledge: "manual" }),
  ];
  await server.world.settle();
  await Promise.all(subscribed);
  server.connection.publish("t", "", { qos: 1, packetIdentifier: 1 });
  await server.world.settle();
  messages[0]!.reject(0x97);
  await server.world.settle();
  assert.deepEqual(answers(server), []);
  messages[1]!.ack();
  await server.world.settle();
  assert.deepEqual(answers(server), ["puback 1 0x97"]);
});

test("an acknowledgement that comes after its connection is not sent on the next", async () => {
  const { server, world, messages, publish } = await byHand();
  publish(1, 1);
  publish(2, 2);
  await world.settle();
  server.connack = { sessionPresent: true };
  server.connection.link.destroy();
  await world.advance(2000);
  messages[0]!.ack();
  publish(1, 1, true);
  publish(2, 2, true);
  await world.settle();
  assert.equal(messages.length, 3, "QoS 1 comes again, QoS 2 does not");
  assert.deepEqual(answers(server), []);
  messages[1]!.ack();
  messages[2]!.ack();
  await world.settle();
  assert.deepEqual(answers(server), ["puback 1", "pubrec 2"]);
});

test("3.x: a repeat of a message that is still at work is not handed out again", async () => {
  const { server, world, messages, publish } = await byHand({ protocolVersion: 4 });
  publish(1, 1);
  publish(1, 1, true);
  await world.settle();
  assert.equal(messages.length, 1);
  messages[0]!.ack();
  await world.settle();
  publish(1, 1);
  await world.settle();
  assert.equal(messages.length, 2);
  assert.deepEqual(answers(server), ["puback 1"]);
});

test("what waits for an acknowledgement by hand is bounded: reading stops, and PINGREQ goes on", async () => {
  const { server, world, messages, publish } = await byHand(
    { protocolVersion: 4, keepAlive: 10 },
    { bufferMaximum: 2 },
  );
  for (const packetIdentifier of [1, 2, 3, 4]) publish(packetIdentifier, 1);
  await world.settle();
  await world.advance(60_000);
  assert.equal(server.connections.length, 1);
  assert.ok(server.connection.of("pingreq").length >= 5);
  publish(5, 1);
  await world.settle();
  assert.equal(messages.length, 3);
  for (const message of messages) message.ack();
  await world.settle();
  assert.equal(messages.length, 5);
});

test("messages that wait when a subscription by hand ends are acknowledged", async () => {
  const server = new FakeServer();
  const client = await server.connect();
  const subscribed = client.subscribe("t", { acknowledge: "manual" });
  await server.world.settle();
  const subscription = await subscribed;
  server.connection.publish("t", "", { qos: 1, packetIdentifier: 1 });
  await server.world.settle();
  const ended = subscription.unsubscribe();
  await server.world.settle();
  await ended;
  assert.deepEqual(answers(server), ["puback 1"]);
});
