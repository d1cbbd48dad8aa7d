import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../spelling.test-support.ts";
import { NAME_OF_VERSION, TestBroker, VERSIONS } from "../test-broker.test-support.ts";
import { Answer, FaultOwnership, Chance } from "../testing/index.ts";

for (const older of VERSIONS) {
  for (const newer of VERSIONS) {
    test(`[MQTT3-3.1.4-2] [MQTT5-3.1.4-3] [X-115] a ${NAME_OF_VERSION[newer]} client takes over from a ${NAME_OF_VERSION[older]} client with its Client Identifier`, () => {
      const broker = new TestBroker();
      const before = broker.connect("c", older);
      const after = broker.connect("c", newer);
      assert.deepEqual(before.told(), older === 5 ? ["DISCONNECT 0x8e", "CLOSED"] : ["CLOSED"]);
      assert.deepEqual(after.told(), []);
      assert.equal(broker.engine.counters.takeovers, 1);
      assert.equal(broker.engine.connections.size, 1);
      assert.equal(broker.engine.sessions.size, 1);
      assert.equal(
        broker.engine.sessions.get("c")!.connection!.peer.port,
        after.brokerLink.peer.port,
      );
    });
  }
}

test("one log line tells of a takeover and names both addresses", () => {
  const broker = new TestBroker();
  const before = broker.connect("c");
  const after = broker.connect("c");
  assert.deepEqual(broker.logged("session-taken-over"), [
    {
      level: "info",
      event: "session-taken-over",
      fields: {
        clientId: "c",
        from: `192.0.2.1:${before.brokerLink.peer.port}`,
        by: `192.0.2.1:${after.brokerLink.peer.port}`,
      },
    },
  ]);
});

test("the session goes over with its subscriptions, what is in flight, and what waits", () => {
  for (const version of VERSIONS) {
    const options =
      version === 5
        ? { cleanStart: false, properties: { sessionExpiryInterval: 60, receiveMaximum: 2 } }
        : { cleanStart: false };
    const broker = new TestBroker();
    const before = broker.connect("c", version, options);
    before.subscribe("a", 2);
    const publisher = broker.connect("p");
    for (let i = 1; i <= 4; i++) publisher.sendPublish("a", String(i), { qos: 1, id: i });
    const sent = before.takePublishes();
    const after = broker.connect("c", version, options);
    const received = after.takePublishes();
    assert.equal(sent.length, version === 5 ? 2 : 4);
    assert.deepEqual(
      received.slice(0, sent.length),
      sent.map((message) => ({ ...message, dup: true })),
    );
    for (const { packetIdentifier } of received)
      after.sendAcknowledgement("puback", packetIdentifier!);
    received.push(...after.takePublishes());
    assert.deepEqual(
      received.map(({ payload }) => Buffer.from(payload).toString()),
      ["1", "2", "3", "4"],
    );
  }
});

test("what an old connection says after the takeover has no effect", () => {
  const broker = new TestBroker();
  const before = broker.connect("c", 4, { cleanStart: false });
  before.subscribe("a", 1);
  broker.connect("p").sendPublish("a", "x", { qos: 1 });
  const [message] = before.takePublishes();
  before.brokerLink.stall(); // it cannot be closed yet
  const after = broker.connect("c", 4, { cleanStart: false });
  assert.equal(after.takePublishes().length, 1);
  before.sendAcknowledgement("puback", message!.packetIdentifier!);
  before.sendPublish("b", "late", { retain: true });
  before.sendDisconnect();
  broker.settle();
  assert.equal(broker.engine.sessions.get("c")!.outbound!.size, 1);
  assert.equal(broker.engine.retained.count, 0);
  assert.equal(after.isClosed, false);
});

test("[MQTT5-3.1.4-3] a connection whose link is full is told 0x8E behind what it did not read, or cut off after a while", () => {
  const broker = new TestBroker();
  const before = broker.connect("c");
  before.subscribe("a");
  const publisher = broker.connect("p");
  before.brokerLink.stall();
  publisher.sendPublish("a", "1");
  broker.settle();
  publisher.sendPublish("a", "2");
  broker.settle();
  const after = broker.connect("c");
  assert.equal(before.isClosed, false);
  before.brokerLink.release();
  assert.deepEqual(before.told(), ["PUBLISH a '1' qos0", "DISCONNECT 0x8e", "CLOSED"]);
  assert.deepEqual(after.told(), []);

  const stuck = broker.connect("d");
  stuck.brokerLink.stall();
  broker.connect("d");
  broker.advance(5000);
  assert.equal(stuck.isClosed, true);
});

test("a client that reconnects a thousand times leaves one connection and one session", () => {
  const broker = new TestBroker();
  for (let i = 0; i < 1000; i++) broker.connect("c", VERSIONS[i % 3]!, { cleanStart: i % 2 === 0 });
  broker.settle();
  assert.equal(broker.engine.connections.size, 1);
  assert.equal(broker.engine.sessions.size, 1);
  assert.equal(broker.engine.counters.takeovers, 999);
  assert.equal(broker.engine.counters.connectionsClosed, 999);
});

test("of two connections that come in one turn the later one has the session", () => {
  const broker = new TestBroker();
  const clients = [broker.dial(), broker.dial(), broker.dial()];
  for (const client of clients)
    client.sendConnect("c", {
      will: { topicName: "w", payload: utf8("x"), qos: 0, retain: false },
    });
  broker.settle();
  const open = clients.filter((client) => !client.isClosed);
  assert.equal(open.length, 1);
  assert.equal(broker.engine.counters.willsPublished, 2);
  assert.equal(
    broker.engine.sessions.get("c")!.connection!.peer.port,
    open[0]!.brokerLink.peer.port,
  );
});

// --- while something is parked

test("a connection taken over while a hook thinks about its PUBLISH has no further effect", () => {
  for (const version of VERSIONS) {
    for (const qos of [0, 1, 2] as const) {
      const broker = new TestBroker({
        hooks: ({ process }) => ({
          authorizePublish: () => Answer.after(process, 1000, () => true),
        }),
      });
      const receiver = broker.connect("r");
      receiver.subscribe("#");
      const options = version === 5 ? { properties: { sessionExpiryInterval: 60 } } : {};
      const before = broker.connect("c", version, { cleanStart: false, ...options });
      before.sendPublish("a", "x", { qos, retain: true });
      broker.settle();
      const after = broker.connect("c", version, { cleanStart: false, ...options });
      broker.advance(2000);
      assert.deepEqual(receiver.told(), []);
      assert.deepEqual(after.told(), []);
      assert.equal(broker.engine.retained.count, 0);
      assert.equal(broker.engine.sessions.get("c")!.inbound?.size ?? 0, 0);
    }
  }
});

test("a connection that ends while a hook thinks about its SUBSCRIBE is granted nothing", () => {
  const broker = new TestBroker({
    hooks: ({ process }) => ({
      authorizeSubscribe: () => Answer.after(process, 1000, () => true),
    }),
  });
  const client = broker.connect("c", 5, { properties: { sessionExpiryInterval: 60 } });
  client.sendSubscribe([["a", 0]]);
  broker.settle();
  client.drop();
  broker.advance(2000);
  assert.equal(broker.engine.topicTree.size, 0);
});

test("claims that come late are granted to the connection that asked, if it is still there", () => {
  const broker = new TestBroker({
    ownership: (process) => new FaultOwnership(process, Chance.ofSeed(5), 1, 500),
  });
  const gone = broker.dial();
  gone.sendConnect("c");
  broker.settle();
  gone.drop();
  const client = broker.dial();
  client.sendConnect("c");
  broker.advance(500);
  assert.deepEqual(client.told(), ["CONNACK 0x00"]);
  assert.equal(broker.engine.connections.size, 1);
});

test("an ownership that cannot grant refuses with 0x88", () => {
  for (const claim of [
    (): never => {
      throw new Error("no cluster");
    },
    undefined,
  ]) {
    const broker = new TestBroker({
      ownership: (process) => ({
        claim:
          claim ??
          (() =>
            Answer.after(process, 5, (): never => {
              throw new Error("no cluster");
            })),
        restore: (_clientId, epoch) => ({ epoch }),
        release: () => undefined,
      }),
    });
    const client = broker.dial();
    client.sendConnect("c");
    broker.advance(10);
    assert.deepEqual(client.told(), ["CONNACK 0x88", "CLOSED"]);
  }
});

test("[MQTT3-3.1.3-9] [MQTT5-3.1.3-8] nobody from outside takes over a session of the embedding program, connected or not", () => {
  const kept = { cleanStart: false, properties: { sessionExpiryInterval: 60 } };
  for (const isConnected of [true, false]) {
    const broker = new TestBroker();
    const own = broker.connect("c", 5, { ...kept, isTrusted: true });
    own.subscribe("a", 1);
    if (!isConnected) own.leave();
    for (const version of VERSIONS) {
      for (const cleanStart of [true, false]) {
        const thief = broker.dial(version);
        thief.sendConnect("c", { cleanStart });
        assert.deepEqual(thief.told(), [version === 5 ? "CONNACK 0x85" : "CONNACK 0x02", "CLOSED"]);
      }
    }
    const again = broker.connect("c", 5, { ...kept, isTrusted: true });
    assert.equal(again.connack!.sessionPresent, true);
    broker.connect("p").sendPublish("a", "x", { qos: 1 });
    assert.equal(again.takePublishes().length, 1);
  }
});

test("nor does anybody after a crash, of a session that it began and of one that it took over", () => {
  const kept = { cleanStart: false, properties: { sessionExpiryInterval: 60 } };
  for (const wasForeign of [true, false]) {
    const before = new TestBroker({ durable: true });
    if (wasForeign) before.connect("c", 5, kept).leave();
    before.connect("c", 5, { ...kept, isTrusted: true });
    const broker = before.restart();
    const thief = broker.dial(5);
    thief.sendConnect("c", kept);
    assert.deepEqual(thief.told(), ["CONNACK 0x85", "CLOSED"]);
    const again = broker.connect("c", 5, { ...kept, isTrusted: true });
    assert.equal(again.connack!.sessionPresent, true);
  }
});

test("the embedding program takes over whom it likes", () => {
  const broker = new TestBroker();
  const client = broker.connect("c");
  broker.connect("c", 5, { isTrusted: true });
  assert.deepEqual(client.told(), ["DISCONNECT 0x8e", "CLOSED"]);
});
