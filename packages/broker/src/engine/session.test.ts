import assert from "node:assert/strict";
import { test } from "node:test";
import type { PublishPacket, QoS } from "@sericite/protocol";
import { NAME_OF_VERSION, TestBroker, VERSIONS } from "../test-broker.test-support.ts";
import type { ConnectOptions, WireClient } from "../wire-client.test-support.ts";

/** What keeps a session: Clean Session 0 before 5.0, an expiry there. */
function kept(version: 3 | 4 | 5, cleanStart = false): ConnectOptions {
  return version === 5
    ? { cleanStart, properties: { sessionExpiryInterval: 1000 } }
    : { cleanStart: false };
}

const payloadOf = (message: PublishPacket): string => Buffer.from(message.payload).toString();

for (const version of VERSIONS) {
  const name = NAME_OF_VERSION[version];

  test(`[MQTT3-3.1.2-4] [MQTT3-3.1.2-5] [MQTT3-3.2.2-2] [MQTT3-3.2.2-3] [MQTT3-4.1.0-1] [MQTT5-3.1.2-5] [MQTT5-3.1.2-6] [MQTT5-3.1.2-23] [MQTT5-3.2.2-3] ${name}: a session keeps subscriptions and QoS 1 and 2 messages for a client that is away`, () => {
    const broker = new TestBroker();
    const client = broker.connect("c", version, kept(version));
    assert.equal(client.connack!.sessionPresent, false);
    client.subscribe("a", 2);
    client.leave();
    const publisher = broker.connect("p");
    for (const qos of [0, 1, 2] as const)
      publisher.sendPublish("a", String(qos), { qos, id: qos + 1 });
    broker.settle();
    assert.equal(broker.engine.drops["offline-qos0"], 1);
    const again = broker.connect("c", version, kept(version));
    assert.equal(again.connack!.sessionPresent, version !== 3); // 3.1 has no such flag.
    const messages = again.takePublishes();
    assert.deepEqual(messages.map(payloadOf), ["1", "2"]);
    assert.deepEqual(
      messages.map((message) => message.dup),
      [false, false],
    );
    publisher.sendPublish("a", "live");
    assert.equal(again.takePublishes().length, 1);
  });

  test(`[MQTT3-3.1.2-6] [MQTT3-3.2.2-1] [MQTT5-3.1.2-4] [MQTT5-3.2.2-2] ${name}: a clean start throws the old session away`, () => {
    const broker = new TestBroker();
    const ended = broker.listen("sessionEnded");
    const client = broker.connect("c", version, kept(version));
    client.subscribe("a", 1);
    client.leave();
    broker.connect("p").sendPublish("a", "x", { qos: 1 });
    broker.settle();
    const again = broker.connect("c", version, { ...kept(version), cleanStart: true });
    assert.equal(again.connack!.sessionPresent, false);
    assert.deepEqual(again.told(), []);
    assert.deepEqual(ended, [{ clientId: "c", reason: "Clean Start" }]);
    assert.equal(broker.engine.topicTree.size, 0);
    assert.equal(broker.engine.drops["session-ended"], 1);
  });
}

for (const version of [3, 4] as const) {
  test(`[MQTT3-3.1.2-6] [MQTT3-3.2.2-3] ${NAME_OF_VERSION[version]}: a Clean Session 1 session ends with its connection`, () => {
    const broker = new TestBroker();
    const client = broker.connect("c", version, { cleanStart: true });
    client.subscribe("a", 1);
    client.drop();
    assert.equal(broker.engine.sessions.size, 0);
    const again = broker.connect("c", version, { cleanStart: false });
    assert.equal(again.connack!.sessionPresent, false);
  });
}

test("[X-23] a 5.0 session without expiry ends with its connection, however it was started", () => {
  for (const sessionExpiryInterval of [undefined, 0]) {
    const broker = new TestBroker();
    const client = broker.connect("c", 5, {
      cleanStart: false,
      properties: { sessionExpiryInterval },
    });
    client.subscribe("a", 1);
    client.leave();
    assert.equal(broker.engine.sessions.size, 0);
  }
});

test("[MQTT3-3.1.3-2] [MQTT5-3.1.3-2] a session is found by its Client Identifier, to the character, in any version", () => {
  const broker = new TestBroker();
  const client = broker.connect("Client", 5, kept(5));
  client.subscribe("a", 1);
  client.leave();
  assert.equal(broker.connect("client", 5, kept(5)).connack!.sessionPresent, false);
  const again = broker.connect("Client", 4, kept(4));
  assert.equal(again.connack!.sessionPresent, true);
  broker.connect("p").sendPublish("a", "x", { qos: 1 });
  assert.equal(again.takePublishes().length, 1);
});

// --- resumption of what is in flight

interface Flight {
  readonly broker: TestBroker;
  readonly client: WireClient;
  readonly messages: PublishPacket[];
}

/** A client with messages of these QoS in flight, nothing acknowledged. */
function inFlight(version: 3 | 4 | 5, qos: readonly QoS[], options: ConnectOptions = {}): Flight {
  const broker = new TestBroker({ settings: { mqtt: { retryInterval: 0 } } });
  const client = broker.connect("c", version, { ...kept(version), ...options });
  client.subscribe("a", 2);
  const publisher = broker.connect("p");
  qos.forEach((one, i) => publisher.sendPublish("a", String(i), { qos: one, id: i + 1 }));
  return { broker, client, messages: client.takePublishes() };
}

for (const version of VERSIONS) {
  const name = NAME_OF_VERSION[version];

  test(`[MQTT3-3.3.1-1] [MQTT3-4.4.0-1] [MQTT3-4.6.0-1] [MQTT3-2.3.1-4] [MQTT5-3.3.1-1] [MQTT5-4.4.0-1] [MQTT5-4.6.0-1] [X-121] ${name}: what is in flight comes again on resumption, in order, with DUP and the same identifiers, before what waited`, () => {
    const { broker, client, messages } = inFlight(version, [1, 2, 1, 2, 1]);
    client.drop();
    const publisher = broker.connect("q");
    for (let i = 0; i < 3; i++) publisher.sendPublish("a", `later ${i}`, { qos: 1, id: i + 1 });
    broker.settle();
    const again = broker.connect("c", version, kept(version));
    const repeats = again.takePublishes();
    assert.deepEqual(
      repeats.slice(0, 5),
      messages.map((message) => ({ ...message, dup: true })),
    );
    assert.deepEqual(repeats.slice(5).map(payloadOf), ["later 0", "later 1", "later 2"]);
    assert.deepEqual(
      repeats.slice(5).map((message) => message.dup),
      [false, false, false],
    );
  });

  test(`[MQTT5-4.3.2-3] [MQTT5-4.3.3-3] ${name}: it comes again on every resumption until it is acknowledged`, () => {
    const { broker, client, messages } = inFlight(version, [1, 2]);
    client.drop();
    for (let i = 0; i < 3; i++) {
      const again = broker.connect("c", version, kept(version));
      assert.deepEqual(again.takePublishes().map(payloadOf), ["0", "1"]);
      again.drop();
    }
    const last = broker.connect("c", version, kept(version));
    last.take();
    last.sendAcknowledgement("puback", messages[0]!.packetIdentifier!);
    last.sendAcknowledgement("pubrec", messages[1]!.packetIdentifier!);
    last.take();
    last.sendAcknowledgement("pubcomp", messages[1]!.packetIdentifier!);
    broker.settle();
    last.drop();
    assert.deepEqual(broker.connect("c", version, kept(version)).told(), []);
  });

  test(`[MQTT3-4.3.3-1] [MQTT5-4.3.3-4] [MQTT5-4.3.3-5] [MQTT5-4.3.3-6] [MQTT5-4.4.0-1] ${name}: after PUBREC the PUBREL comes again on resumption, and never the PUBLISH`, () => {
    const { broker, client, messages } = inFlight(version, [2, 2, 2]);
    const identifiers = messages.map((message) => message.packetIdentifier!);
    for (const identifier of identifiers.slice(0, 2))
      client.sendAcknowledgement("pubrec", identifier);
    assert.deepEqual(
      client.told(),
      identifiers.slice(0, 2).map((identifier) => `PUBREL ${identifier}`),
    );
    client.drop();
    const again = broker.connect("c", version, kept(version));
    assert.deepEqual(again.told(), [
      `PUBREL ${identifiers[0]}`,
      `PUBREL ${identifiers[1]}`,
      `PUBLISH a '2' qos2 #${identifiers[2]} dup`,
    ]);
    for (const identifier of identifiers.slice(0, 2))
      again.sendAcknowledgement("pubcomp", identifier);
    again.sendAcknowledgement("pubrec", identifiers[2]!);
    assert.deepEqual(again.told(), [`PUBREL ${identifiers[2]}`]);
    again.sendAcknowledgement("pubcomp", identifiers[2]!);
    broker.settle();
    assert.equal(broker.engine.sessions.get("c")!.outbound!.size, 0);
  });

  // The receiving side, interrupted at each step.
  test(`[MQTT3-4.3.3-2] [MQTT5-4.3.3-8] [MQTT5-4.3.3-10] [MQTT5-4.3.3-11] ${name}: a QoS 2 PUBLISH of the client is taken once, wherever its handshake was cut off`, () => {
    for (const cutAfter of ["PUBLISH", "PUBREC", "PUBREL", "PUBCOMP"] as const) {
      const broker = new TestBroker();
      const receiver = broker.connect("r");
      receiver.subscribe("a", 0);
      let client = broker.connect("c", version, kept(version));
      const reconnect = (): void => {
        client.drop();
        client = broker.connect("c", version, kept(version));
      };
      client.sendPublish("a", "x", { qos: 2, id: 9 });
      if (cutAfter !== "PUBLISH") assert.deepEqual(client.told(), ["PUBREC 9"]);
      broker.settle();
      if (cutAfter === "PUBLISH" || cutAfter === "PUBREC") {
        reconnect();
        client.sendPublish("a", "x", { qos: 2, id: 9, dup: true });
        assert.deepEqual(client.told(), ["PUBREC 9"]);
      }
      client.sendAcknowledgement("pubrel", 9);
      if (cutAfter === "PUBCOMP") assert.deepEqual(client.told(), ["PUBCOMP 9"]);
      broker.settle();
      if (cutAfter === "PUBREL" || cutAfter === "PUBCOMP") {
        reconnect();
        client.sendAcknowledgement("pubrel", 9);
      }
      const [line] = client.told();
      assert.match(line!, /^PUBCOMP 9/);
      assert.equal(receiver.takePublishes().length, 1, cutAfter);
      assert.equal(broker.engine.sessions.get("c")!.inbound!.size, 0);
    }
  });
}

test("[X-11] [MQTT5-3.6.2-1] [MQTT5-3.7.2-1] acknowledgements that mean nothing here are answered with 0x92, or not at all", () => {
  const broker = new TestBroker();
  const client = broker.connect("c");
  client.sendAcknowledgement("puback", 5);
  client.sendAcknowledgement("pubrec", 6);
  client.sendAcknowledgement("pubrel", 7);
  client.sendAcknowledgement("pubcomp", 8);
  assert.deepEqual(client.told(), ["PUBREL 6 0x92", "PUBCOMP 7 0x92"]);
  const old = broker.connect("old", 4);
  old.sendAcknowledgement("pubrec", 6);
  old.sendAcknowledgement("pubrel", 7);
  assert.deepEqual(old.told(), ["PUBREL 6", "PUBCOMP 7"]);
});

test("a repeated PUBREC gets its PUBREL again, and a PUBACK for a QoS 2 message does nothing", () => {
  const { broker, client, messages } = inFlight(5, [2, 1]);
  const [two, one] = messages.map((message) => message.packetIdentifier!);
  client.sendAcknowledgement("puback", two!);
  client.sendAcknowledgement("pubrec", one!);
  assert.deepEqual(client.told(), [`PUBREL ${one} 0x92`]);
  assert.equal(broker.engine.sessions.get("c")!.outbound!.size, 2);
  client.sendAcknowledgement("pubrec", two!);
  client.sendAcknowledgement("pubrec", two!);
  assert.deepEqual(client.told(), [`PUBREL ${two}`, `PUBREL ${two}`]);
  client.sendAcknowledgement("pubcomp", two!);
  client.sendAcknowledgement("pubcomp", two!);
  client.sendAcknowledgement("puback", one!);
  broker.settle();
  assert.equal(broker.engine.sessions.get("c")!.outbound!.size, 0);
});

test("[MQTT5-4.4.0-2] [X-4] PUBACK and PUBREC of 0x80 or above settle a message: it does not come again, and its identifier is free", () => {
  const { broker, client, messages } = inFlight(5, [1, 2]);
  const [one, two] = messages.map((message) => message.packetIdentifier!);
  client.sendAcknowledgement("puback", one!, 0x97);
  client.sendAcknowledgement("pubrec", two!, 0x80);
  assert.deepEqual(client.told(), [], "no PUBREL for a refused message");
  client.drop();
  assert.deepEqual(broker.connect("c", 5, kept(5)).told(), []);
});

test("a session resumed by a client of another version gets what is in flight in that version", () => {
  const { broker, client, messages } = inFlight(5, [1, 2]);
  client.drop();
  const old = broker.connect("c", 4, kept(4));
  assert.deepEqual(
    old.told(),
    messages.map(
      ({ qos, packetIdentifier }, i) => `PUBLISH a '${i}' qos${qos} #${packetIdentifier} dup`,
    ),
  );
});

test("[MQTT5-3.1.2-25] a message in flight that has become too large for the client is settled unsent", () => {
  const broker = new TestBroker();
  const client = broker.connect("c", 5, kept(5));
  client.subscribe("a", 2);
  const publisher = broker.connect("p");
  publisher.sendPublish("a", "x".repeat(100), { qos: 1, id: 1 });
  publisher.sendPublish("a", "small", { qos: 1, id: 2 });
  assert.equal(client.takePublishes().length, 2);
  client.drop();
  const again = broker.connect("c", 5, {
    ...kept(5),
    properties: { sessionExpiryInterval: 1000, maximumPacketSize: 60, receiveMaximum: 1 },
  });
  assert.deepEqual(again.takePublishes().map(payloadOf), ["small"]);
  assert.equal(broker.engine.drops["packet-too-large"], 1);
  assert.equal(broker.engine.sessions.get("c")!.outbound!.size, 1);
});

// --- expiry

test("[MQTT5-4.1.0-2] a session of a week lives a week, not a millisecond less or more", () => {
  const broker = new TestBroker();
  const ended = broker.listen("sessionEnded");
  const week = 604_800;
  const client = broker.connect("c", 5, { properties: { sessionExpiryInterval: week } });
  client.subscribe("a", 1);
  client.leave();
  broker.advance(week * 1000 - 1);
  assert.equal(broker.engine.sessions.size, 1);
  broker.advance(1);
  assert.equal(broker.engine.sessions.size, 0);
  assert.deepEqual(ended, [{ clientId: "c", reason: "it expired" }]);
  assert.equal(broker.engine.topicTree.size, 0);
  assert.equal(broker.connect("c", 5, kept(5)).connack!.sessionPresent, false);
});

test("[MQTT5-4.1.0-1] [MQTT3-4.1.0-2] a session does not end while its client is connected; its time starts anew with each end", () => {
  const broker = new TestBroker();
  let client = broker.connect("c", 5, { properties: { sessionExpiryInterval: 10 } });
  broker.advance(100_000);
  for (let i = 0; i < 5; i++) {
    client.drop();
    broker.advance(9999);
    client = broker.connect("c", 5, {
      cleanStart: false,
      properties: { sessionExpiryInterval: 10 },
    });
    assert.equal(client.connack!.sessionPresent, true);
    broker.advance(100_000);
  }
});

test("[X-23] Session Expiry Interval 4 294 967 295 never ends, where session.maximumExpiryInterval allows it", () => {
  const broker = new TestBroker({ settings: { session: { maximumExpiryInterval: 0xffff_ffff } } });
  const client = broker.connect("c", 5, { properties: { sessionExpiryInterval: 0xffff_ffff } });
  assert.equal(client.connack!.properties!.sessionExpiryInterval, undefined);
  client.leave();
  broker.advance(1000 * 366 * 86_400_000);
  assert.equal(broker.engine.sessions.size, 1);
});

test("session.maximumExpiryInterval ends 3.x sessions too", () => {
  const broker = new TestBroker({ settings: { session: { maximumExpiryInterval: 60 } } });
  const client = broker.connect("c", 4, { cleanStart: false });
  client.leave();
  broker.advance(59_999);
  assert.equal(broker.engine.sessions.size, 1);
  broker.advance(1);
  assert.equal(broker.engine.sessions.size, 0);
});

for (const [connected, disconnected, lives] of [
  [100, undefined, 100],
  [100, 0, 0],
  [100, 10, 10],
  [100, 1000, 1000],
  [100, 0xffff_ffff, 604_800], // the maximum
] as const) {
  test(`[X-68] CONNECT asked for ${connected} s and DISCONNECT for ${disconnected ?? "nothing"}: the session lives ${lives} s`, () => {
    const broker = new TestBroker();
    const client = broker.connect("c", 5, { properties: { sessionExpiryInterval: connected } });
    client.leave({ sessionExpiryInterval: disconnected });
    if (lives > 0) {
      broker.advance(lives * 1000 - 1);
      assert.equal(broker.engine.sessions.size, 1);
      broker.advance(1);
    }
    assert.equal(broker.engine.sessions.size, 0);
  });
}

test("[X-69] a Session Expiry Interval in DISCONNECT after none in CONNECT is a protocol error, and changes nothing", () => {
  const broker = new TestBroker();
  const client = broker.connect("c");
  client.sendDisconnect(0, { sessionExpiryInterval: 100 });
  assert.deepEqual(client.told(), ["DISCONNECT 0x82", "CLOSED"]);
  assert.equal(broker.engine.sessions.size, 0);
});

test("a resumed session has the expiry of its newest CONNECT", () => {
  const broker = new TestBroker();
  broker.connect("c", 5, { properties: { sessionExpiryInterval: 1000 } }).leave();
  broker.connect("c", 5, { cleanStart: false, properties: { sessionExpiryInterval: 10 } }).drop();
  broker.advance(10_000);
  assert.equal(broker.engine.sessions.size, 0);
  broker.connect("d", 5, { properties: { sessionExpiryInterval: 1000 } }).leave();
  broker.connect("d", 5, { cleanStart: false }).drop();
  assert.equal(broker.engine.sessions.size, 0);
});

test("thousands of sessions that expire at one moment all go, and nothing of them stays", () => {
  const broker = new TestBroker();
  for (let i = 0; i < 2000; i++) {
    const client = broker.connect(`c${i}`, 5, { properties: { sessionExpiryInterval: 60 } });
    client.sendSubscribe([
      [`own/${i}`, 1],
      ["all/#", 1],
    ]);
    client.sendDisconnect();
  }
  broker.settle();
  assert.equal(broker.engine.topicTree.size, 4000);
  broker.connect("p").sendPublish("all/x", "x", { qos: 1 });
  broker.advance(60_000);
  assert.equal(broker.engine.sessions.size, 1);
  assert.equal(broker.engine.topicTree.size, 0);
  assert.equal(broker.engine.drops["session-ended"], 2000);
});

// --- leaving

test("[MQTT5-3.14.4-1] [X-67] [X-104] the broker closes after DISCONNECT, and says nothing", () => {
  for (const version of VERSIONS) {
    const broker = new TestBroker();
    const disconnected = broker.listen("clientDisconnected");
    const client = broker.connect("c", version);
    client.sendDisconnect();
    client.sendPublish("a", "never", { retain: true });
    assert.deepEqual(client.told(), ["CLOSED"]);
    assert.equal(broker.engine.retained.count, 0);
    assert.equal(disconnected.length, 1);
    assert.equal(disconnected[0]!.reasonCode, 0);
  }
});

test("[X-66] a DISCONNECT of any length that 5.0 allows is in order", () => {
  for (const spelled of ["e0 00", "e0 01 00", "e0 02 00 00", "e0 07 00 05 11 0000 003c"]) {
    const broker = new TestBroker();
    const client = broker.connect("c", 5, { properties: { sessionExpiryInterval: 30 } });
    client.sendHex(spelled);
    assert.deepEqual(client.told(), ["CLOSED"], spelled);
  }
});

// --- several brokers

test("two brokers in one process know nothing of each other", () => {
  const one = new TestBroker();
  const other = new TestBroker();
  const clients = [one, other].map((broker) => {
    const client = broker.connect("c", 5, kept(5, true));
    client.subscribe("#", 1);
    return client;
  });
  one.connect("p").sendPublish("a", "x", { retain: true });
  assert.equal(clients[0]!.takePublishes().length, 1);
  assert.deepEqual(clients[1]!.told(), []);
  assert.equal(other.engine.retained.count, 0);
  assert.equal(other.engine.counters.publishReceived, 0);
});
