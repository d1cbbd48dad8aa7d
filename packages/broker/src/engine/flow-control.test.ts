import assert from "node:assert/strict";
import { test } from "node:test";
import type { PublishPacket, QoS } from "@sericite/protocol";
import { NAME_OF_VERSION, TestBroker, VERSIONS } from "../test-broker.test-support.ts";

const payloadOf = (message: PublishPacket): string => Buffer.from(message.payload).toString();

// --- towards the client

test("[MQTT5-3.3.4-9] [MQTT5-4.9.0-1] [MQTT5-4.9.0-2] [X-24] the broker has no more unanswered than the client's Receive Maximum", () => {
  for (const [receiveMaximum, sent] of [
    [1, 1],
    [3, 3],
    [65_535, 20],
    [undefined, 20],
  ] as const) {
    const broker = new TestBroker();
    const client = broker.connect("c", 5, { properties: { receiveMaximum } });
    client.subscribe("a", 2);
    const publisher = broker.connect("p");
    for (let i = 1; i <= 20; i++)
      publisher.sendPublish("a", String(i), { qos: (1 + (i % 2)) as QoS, id: i });
    assert.equal(client.takePublishes().length, sent);
  }
});

test("[X-82] PUBACK, PUBCOMP, and PUBREC of 0x80 or above give back one each; PUBREC 0x00 gives nothing", () => {
  const broker = new TestBroker();
  const client = broker.connect("c", 5, { properties: { receiveMaximum: 2 } });
  client.subscribe("a", 2);
  const publisher = broker.connect("p");
  const qos = [1, 2, 2, 1, 1, 1] as const;
  qos.forEach((one, i) => publisher.sendPublish("a", String(i), { qos: one, id: i + 1 }));
  const identifiers: number[] = [];
  const got = (): string[] => {
    const seen: string[] = [];
    for (const packet of client.take()) {
      if (packet.type !== "publish") continue;
      identifiers.push(packet.packetIdentifier!);
      seen.push(payloadOf(packet));
    }
    return seen;
  };
  assert.deepEqual(got(), ["0", "1"]);
  client.sendAcknowledgement("puback", identifiers[0]!);
  assert.deepEqual(got(), ["2"]);
  client.sendAcknowledgement("pubrec", identifiers[1]!);
  assert.deepEqual(got(), []);
  client.sendAcknowledgement("pubcomp", identifiers[1]!);
  assert.deepEqual(got(), ["3"]);
  client.sendAcknowledgement("pubrec", identifiers[2]!, 0x83);
  assert.deepEqual(got(), ["4"]);
  // What was answered already gives nothing more, "never above its start value".
  for (const identifier of identifiers.slice(0, 3)) {
    client.sendAcknowledgement("puback", identifier);
    client.sendAcknowledgement("pubcomp", identifier);
  }
  assert.deepEqual(got(), []);
});

test("[MQTT5-3.3.4-10] [MQTT5-4.9.0-3] at quota 0 everything but PUBLISH is still answered", () => {
  const broker = new TestBroker();
  const client = broker.connect("c", 5, { properties: { receiveMaximum: 1 } });
  client.subscribe("a", 1);
  const publisher = broker.connect("p");
  for (let i = 1; i <= 3; i++) publisher.sendPublish("a", "x", { qos: 1, id: i });
  client.take();
  client.send({ type: "pingreq" });
  client.sendSubscribe([["b", 0]]);
  client.sendUnsubscribe(["b"]);
  client.sendPublish("c", "x", { qos: 1, id: 1 });
  client.sendPublish("c", "x", { qos: 2, id: 2 });
  client.sendAcknowledgement("pubrel", 2);
  assert.deepEqual(client.told(), [
    "PINGRESP",
    "SUBACK 2 [0]",
    "UNSUBACK 3 [0]",
    "PUBACK 1 0x10",
    "PUBREC 2 0x10",
    "PUBCOMP 2",
  ]);
});

test("QoS 0 stands in the same line: it waits behind a message that waits for quota", () => {
  const broker = new TestBroker();
  const client = broker.connect("c", 5, { properties: { receiveMaximum: 1 } });
  client.subscribe("a", 1);
  const publisher = broker.connect("p");
  publisher.sendPublish("a", "1", { qos: 1, id: 1 });
  publisher.sendPublish("a", "2");
  publisher.sendPublish("a", "3", { qos: 1, id: 2 });
  publisher.sendPublish("a", "4");
  const first = client.takePublishes();
  assert.deepEqual(first.map(payloadOf), ["1", "2"]);
  client.sendAcknowledgement("puback", first[0]!.packetIdentifier!);
  assert.deepEqual(client.takePublishes().map(payloadOf), ["3", "4"]);
});

test("[X-83] the quota starts afresh with each connection, and holds for what is sent again", () => {
  const broker = new TestBroker();
  const options = (receiveMaximum: number) => ({
    cleanStart: false,
    properties: { sessionExpiryInterval: 60, receiveMaximum },
  });
  const client = broker.connect("c", 5, options(10));
  client.subscribe("a", 1);
  const publisher = broker.connect("p");
  for (let i = 1; i <= 12; i++) publisher.sendPublish("a", String(i), { qos: 1, id: i });
  assert.equal(client.takePublishes().length, 10);
  client.drop();
  const again = broker.connect("c", 5, options(3));
  const seen: string[] = [];
  for (let round = 0; round < 20; round++) {
    const messages = again.takePublishes();
    assert.ok(messages.length <= 3);
    for (const message of messages) {
      seen.push(`${payloadOf(message)}${message.dup ? " dup" : ""}`);
      again.sendAcknowledgement("puback", message.packetIdentifier!);
    }
  }
  assert.deepEqual(seen, [...Array.from({ length: 10 }, (_, i) => `${i + 1} dup`), "11", "12"]);
});

test("what is to be sent again goes on with each acknowledgement, also where nothing else waits", () => {
  const broker = new TestBroker();
  const options = (receiveMaximum: number) => ({
    cleanStart: false,
    properties: { sessionExpiryInterval: 60, receiveMaximum },
  });
  const client = broker.connect("c", 5, options(10));
  client.subscribe("a", 2);
  const publisher = broker.connect("p");
  for (let i = 1; i <= 6; i++)
    publisher.sendPublish("a", String(i), { qos: (1 + (i % 2)) as QoS, id: i });
  assert.equal(client.takePublishes().length, 6);
  client.drop();
  const again = broker.connect("c", 5, options(1));
  const seen: string[] = [];
  for (let round = 0; round < 20; round++) {
    for (const packet of again.take()) {
      if (packet.type === "pubrel") again.sendAcknowledgement("pubcomp", packet.packetIdentifier);
      if (packet.type !== "publish") continue;
      seen.push(payloadOf(packet));
      again.sendAcknowledgement(packet.qos === 1 ? "puback" : "pubrec", packet.packetIdentifier!);
    }
  }
  assert.deepEqual(seen, ["1", "2", "3", "4", "5", "6"]);
});

test("[X-82] acknowledgements of what was not sent on this connection give no quota", () => {
  for (const type of ["puback", "pubrec"] as const) {
    const broker = new TestBroker();
    const options = (receiveMaximum: number) => ({
      cleanStart: false,
      properties: { sessionExpiryInterval: 60, receiveMaximum },
    });
    const client = broker.connect("c", 5, options(4));
    client.subscribe("a", 2);
    const publisher = broker.connect("p");
    const qos = type === "puback" ? 1 : 2;
    for (let i = 1; i <= 8; i++) publisher.sendPublish("a", String(i), { qos, id: i });
    const identifiers = client.takePublishes().map((message) => message.packetIdentifier!);
    assert.equal(identifiers.length, 4);
    client.drop();
    const again = broker.connect("c", 5, options(1));
    assert.deepEqual(again.takePublishes().map(payloadOf), ["1"]);
    // It had these on the old connection, and says so now.
    for (const identifier of identifiers.slice(1, 3)) {
      again.sendAcknowledgement(type, identifier);
      if (type === "pubrec") again.sendAcknowledgement("pubcomp", identifier);
    }
    assert.deepEqual(
      again.take().filter((packet) => packet.type === "publish"),
      [],
      type,
    );
    again.sendAcknowledgement(type === "puback" ? "puback" : "pubrec", identifiers[0]!, 0x80);
    assert.deepEqual(again.takePublishes().map(payloadOf), ["4"], type);
  }
});

test("PUBRELs that are sent again take no quota, and their PUBCOMPs give none", () => {
  const broker = new TestBroker();
  const properties = { sessionExpiryInterval: 60, receiveMaximum: 2 };
  const options = { cleanStart: false, properties };
  const client = broker.connect("c", 5, options);
  client.subscribe("a", 2);
  const publisher = broker.connect("p");
  for (let i = 1; i <= 8; i++) publisher.sendPublish("a", String(i), { qos: 2, id: i });
  const sent = client.takePublishes().map((message) => message.packetIdentifier!);
  for (const identifier of sent) client.sendAcknowledgement("pubrec", identifier);
  client.take();
  client.drop();
  const again = broker.connect("c", 5, options);
  const lines = again.told();
  assert.deepEqual(
    lines.slice(0, 2),
    sent.map((identifier) => `PUBREL ${identifier}`),
  );
  assert.equal(lines.length, 4);
  for (const identifier of sent) again.sendAcknowledgement("pubcomp", identifier);
  assert.deepEqual(again.told(), []);
});

test("session.inflightMaximum bounds what is in flight to a client of any version", () => {
  for (const version of VERSIONS) {
    const broker = new TestBroker({ settings: { session: { inflightMaximum: 4 } } });
    const client = broker.connect("c", version);
    client.subscribe("a", 1);
    const publisher = broker.connect("p");
    for (let i = 1; i <= 10; i++) publisher.sendPublish("a", String(i), { qos: 1, id: i });
    const first = client.takePublishes();
    assert.deepEqual(first.map(payloadOf), ["1", "2", "3", "4"], NAME_OF_VERSION[version]);
    client.sendAcknowledgement("puback", first[3]!.packetIdentifier!);
    assert.deepEqual(client.takePublishes().map(payloadOf), ["5"]);
  }
});

// --- from the client

test("[MQTT5-3.3.4-7] [X-55] one PUBLISH more than the broker's Receive Maximum ends the connection with 0x93", () => {
  const broker = new TestBroker({ settings: { mqtt: { receiveMaximum: 3 } } });
  const client = broker.connect("c");
  assert.equal(client.connack!.properties!.receiveMaximum, 3);
  for (let id = 1; id <= 3; id++) client.sendPublish("a", "x", { qos: 2, id });
  assert.deepEqual(client.told(), ["PUBREC 1 0x10", "PUBREC 2 0x10", "PUBREC 3 0x10"]);
  // Repeats of these, QoS 0, and what follows a PUBCOMP are in order.
  client.sendPublish("a", "x", { qos: 2, id: 1, dup: true });
  client.sendPublish("a", "x");
  client.sendAcknowledgement("pubrel", 2);
  client.sendPublish("a", "x", { qos: 2, id: 4 });
  assert.deepEqual(client.told(), ["PUBREC 1", "PUBCOMP 2", "PUBREC 4 0x10"]);
  client.sendPublish("a", "x", { qos: 1, id: 5 });
  assert.deepEqual(client.told(), ["DISCONNECT 0x93", "CLOSED"]);
});

test("acknowledged QoS 1 messages do not count, however many", () => {
  const broker = new TestBroker({ settings: { mqtt: { receiveMaximum: 1 } } });
  const client = broker.connect("c");
  for (let id = 1; id <= 100; id++) client.sendPublish("a", "x", { qos: 1, id });
  assert.equal(client.told().length, 100);
});

test("refused QoS 2 messages do not count", () => {
  const broker = new TestBroker({
    settings: { mqtt: { receiveMaximum: 1 } },
    hooks: { authorizePublish: () => false },
  });
  const client = broker.connect("c");
  for (let id = 1; id <= 10; id++) client.sendPublish("a", "x", { qos: 2, id });
  assert.equal(client.told().at(-1), "PUBREC 10 0x87");
});

test("3.x knows no Receive Maximum", () => {
  const broker = new TestBroker({ settings: { mqtt: { receiveMaximum: 2 } } });
  for (const version of [3, 4] as const) {
    const client = broker.connect("c", version);
    for (let id = 1; id <= 50; id++) client.sendPublish("a", "x", { qos: 2, id });
    assert.equal(client.told().length, 50);
  }
});

// --- Maximum Packet Size

test("[X-25] [MQTT5-3.2.2-15] a packet above mqtt.maximumPacketSize ends the connection before its body comes: 0x95", () => {
  for (const version of VERSIONS) {
    const broker = new TestBroker({ settings: { mqtt: { maximumPacketSize: 1024 } } });
    const client = broker.connect("c", version);
    const overhead = version === 5 ? 7 : 6; // fixed header 3, Topic Name 3, Property Length 1
    client.sendPublish("a", "x".repeat(1024 - overhead), { retain: true });
    assert.deepEqual(client.told(), []);
    assert.equal(broker.engine.retained.count, 1);
    client.sendHex("30 fe 07");
    assert.deepEqual(client.told(), version === 5 ? ["DISCONNECT 0x95", "CLOSED"] : ["CLOSED"]);
  }
});

test("a CONNECT above mqtt.maximumPacketSize is closed without a word", () => {
  const broker = new TestBroker({ settings: { mqtt: { maximumPacketSize: 1024 } } });
  const client = broker.dial();
  client.sendConnect("c".repeat(1100));
  assert.deepEqual(client.told(), ["CLOSED"]);
});

test("[MQTT5-3.1.2-24] [MQTT5-3.1.2-25] what is above the client's Maximum Packet Size is dropped, and counts as sent", () => {
  for (const qos of [0, 1, 2] as const) {
    const broker = new TestBroker();
    const dropped = broker.listen("messageDropped");
    const client = broker.connect("c", 5, {
      properties: { maximumPacketSize: 100, receiveMaximum: 2 },
    });
    client.subscribe("a", 2);
    const publisher = broker.connect("p");
    const overhead = 2 + 3 + (qos === 0 ? 0 : 2) + 1;
    publisher.sendPublish("a", "1".repeat(100 - overhead), { qos, id: 1 });
    publisher.sendPublish("a", "2".repeat(101 - overhead), { qos, id: 2 });
    publisher.sendPublish("a", "3", { qos, id: 3 });
    const messages = client.takePublishes();
    assert.deepEqual(
      messages.map((message) => message.payload[0]),
      [0x31, 0x33],
    );
    assert.deepEqual(dropped, [{ reason: "packet-too-large", clientId: "c", topicName: "a", qos }]);
    assert.ok(client.sizes.every((size) => size <= 100));
    // It took no quota: both identifiers are free again after two acknowledgements.
    if (qos === 1) {
      for (const message of messages)
        client.sendAcknowledgement("puback", message.packetIdentifier!);
      for (let id = 4; id <= 6; id++) publisher.sendPublish("a", "4", { qos, id });
      assert.equal(client.takePublishes().length, 2);
    }
  }
});

test("[MQTT5-3.1.2-24] the client's Maximum Packet Size counts what a delivery adds: identifiers, expiry, another version's properties", () => {
  const broker = new TestBroker();
  const client = broker.connect("c", 5, { properties: { maximumPacketSize: 60 } });
  for (let identifier = 1; identifier <= 20; identifier++)
    client.subscribe(
      `a/${identifier % 2 === 0 ? "+" : "#"}/${"x/".repeat(identifier)}`.slice(0, 3),
      0,
      { identifier },
    );
  client.subscribe("a/b", 0, { identifier: 268_435_455 });
  const publisher = broker.connect("p", 4);
  for (let length = 30; length <= 60; length++) publisher.sendPublish("a/b", "x".repeat(length));
  const withExpiry = broker.connect("q", 5);
  for (let length = 30; length <= 60; length++)
    withExpiry.sendPublish("a/b", "x".repeat(length), { properties: { messageExpiryInterval: 5 } });
  const messages = client.takePublishes();
  assert.ok(messages.length > 0);
  assert.ok(client.sizes.every((size) => size <= 60));
  assert.equal(messages.length + broker.engine.drops["packet-too-large"], 62);
});

test("[MQTT5-3.1.2-25] a SUBACK above the client's Maximum Packet Size is dropped, and the subscriptions stand", () => {
  const broker = new TestBroker();
  const client = broker.connect("c", 5, { properties: { maximumPacketSize: 50 } });
  client.sendSubscribe(Array.from({ length: 100 }, (_, i) => [`a/${i}`, 0] as const));
  client.sendPublish("a/7", "x");
  assert.deepEqual(client.told(), ["PUBLISH a/7 'x' qos0"]);
});

// --- clients that do not read

test("a client that does not read is sent no more than its link takes; its queue is bounded, QoS 0 goes first", () => {
  const broker = new TestBroker({ settings: { session: { queueMaximumMessages: 50 } } });
  const slow = broker.connect("slow");
  slow.subscribe("a", 1);
  const quick = broker.connect("quick");
  quick.subscribe("a", 1);
  const publisher = broker.connect("p");
  slow.brokerLink.stall();
  let received = 0;
  for (let i = 0; i < 500; i++) {
    publisher.sendPublish("a", "x".repeat(100), { qos: (i % 2) as QoS, id: 1 + (i % 1000) });
    for (const message of quick.takePublishes()) {
      received++;
      if (message.qos === 1) quick.sendAcknowledgement("puback", message.packetIdentifier!);
    }
    publisher.take();
    assert.ok((broker.engine.sessions.get("slow")!.queue?.length ?? 0) <= 50);
    assert.ok(slow.brokerLink.unsentBytes < 1000);
  }
  assert.equal(received, 500, "the quick one lost nothing");
  assert.ok(broker.engine.drops["queue-full"] >= 448);
  slow.brokerLink.release();
  const messages = slow.takePublishes();
  assert.ok(messages.length >= 50);
  assert.ok(
    messages.slice(2).every((message) => message.qos === 1),
    "QoS 0 went first",
  );
});

test("session.slowConsumerTimeout ends the connection of a client that leaves its link full; its session stays", () => {
  const broker = new TestBroker({ settings: { session: { slowConsumerTimeout: 5000 } } });
  const disconnected = broker.listen("clientDisconnected");
  const client = broker.connect("c", 5, { properties: { sessionExpiryInterval: 60 } });
  client.subscribe("a", 1);
  client.brokerLink.stall();
  broker.connect("p").sendPublish("a", "x", { qos: 1 });
  broker.advance(4999);
  assert.equal(client.isClosed, false);
  broker.advance(1);
  assert.equal(client.isClosed, true);
  assert.equal(broker.engine.counters.slowConsumers, 1);
  assert.equal(disconnected[0]!.reasonCode, 0x97);
  const again = broker.connect("c", 5, { cleanStart: false });
  assert.equal(again.takePublishes().length, 1);
});

test("a client that reads in time is not a slow consumer, however often its link was full", () => {
  const broker = new TestBroker({ settings: { session: { slowConsumerTimeout: 5000 } } });
  const client = broker.connect("c");
  client.subscribe("a");
  const publisher = broker.connect("p");
  for (let i = 0; i < 5; i++) {
    client.brokerLink.stall();
    publisher.sendPublish("a", "x");
    broker.advance(4000);
    client.brokerLink.release();
    broker.advance(1);
  }
  assert.equal(client.takePublishes().length, 5);
});

test("a client that sends and never reads its answers is not read from any more, and others are served", () => {
  const broker = new TestBroker({ settings: { session: { slowConsumerTimeout: 30_000 } } });
  const rude = broker.connect("rude", 4);
  rude.brokerLink.stall();
  const [connection] = broker.engine.connections;
  const block = Buffer.alloc(20_000, Uint8Array.of(0xc0, 0));
  for (let i = 0; i < 100; i++) {
    rude.sendBytes(block);
    broker.settle();
  }
  assert.ok(connection!.sender.output.size < 200 * 1024, `${connection!.sender.output.size}`);
  assert.ok(rude.link.unsentBytes > 1_000_000, "the client's own bytes wait on its side");
  const polite = broker.connect("polite", 4);
  polite.send({ type: "pingreq" });
  assert.deepEqual(polite.told(), ["PINGRESP"]);
  broker.advance(30_000);
  assert.equal(rude.isClosed, true);
});

test("a large backlog goes out in bounded turns", () => {
  const broker = new TestBroker({ settings: { limits: { bytesPerTurn: 10_000 } } });
  const client = broker.connect("c", 4, { cleanStart: false });
  client.subscribe("a", 1);
  client.leave();
  const publisher = broker.connect("p");
  for (let i = 0; i < 200; i++) publisher.sendPublish("a", "x".repeat(1000), { qos: 1, id: i + 1 });
  broker.settle();
  const before = broker.engine.turn;
  const again = broker.connect("c", 4, { cleanStart: false });
  assert.equal(again.takePublishes().length, 200);
  assert.ok(broker.engine.turn - before >= 20);
});
