import assert from "node:assert/strict";
import { test } from "node:test";
import { NAME_OF_VERSION, TestBroker, VERSIONS } from "../test-broker.test-support.ts";
import { Answer } from "../testing/index.ts";

for (const [version, told] of [
  [3, ["CLOSED"]],
  [4, ["CLOSED"]],
  [5, ["DISCONNECT 0x8d", "CLOSED"]],
] as const) {
  test(`[MQTT3-3.1.2-24] [MQTT5-3.1.2-22] [X-118] ${NAME_OF_VERSION[version]}: silence of 1.5 times the Keep Alive ends the connection, and not before`, () => {
    const broker = new TestBroker();
    const client = broker.connect("c", version, { keepAlive: 10 });
    broker.advance(14_999);
    assert.deepEqual(client.told(), []);
    broker.advance(1);
    assert.deepEqual(client.told(), told);
    assert.equal(broker.engine.counters.keepAliveTimeouts, 1);
  });

  test(`[MQTT3-3.12.4-1] [MQTT5-3.12.4-1] ${NAME_OF_VERSION[version]}: PINGREQ is answered with PINGRESP and starts the time anew`, () => {
    const broker = new TestBroker();
    const client = broker.connect("c", version, { keepAlive: 10 });
    for (let i = 0; i < 5; i++) {
      broker.advance(14_000);
      client.sendHex("c0 00");
      assert.equal(client.takeHex(), "d0 00");
    }
    broker.advance(15_000);
    assert.deepEqual(client.told(), told);
  });
}

test("any packet starts the Keep Alive anew", () => {
  const broker = new TestBroker();
  const client = broker.connect("c", 4, { keepAlive: 1 });
  for (let i = 0; i < 10; i++) {
    broker.advance(1400);
    client.sendPublish("a", "x");
    assert.deepEqual(client.told(), []);
  }
});

test("what the broker sends does not count", () => {
  const broker = new TestBroker();
  const silent = broker.connect("silent", 4, { keepAlive: 2 });
  silent.sendSubscribe([["a", 0]]);
  broker.settle();
  const publisher = broker.connect("publisher");
  for (let i = 0; i < 3; i++) {
    broker.advance(1000);
    publisher.sendPublish("a", "x");
  }
  assert.ok(silent.told().includes("CLOSED"));
});

test("[X-21] [X-94] Keep Alive 0 turns it off", () => {
  for (const version of VERSIONS) {
    const broker = new TestBroker();
    const client = broker.connect("c", version, { keepAlive: 0 });
    broker.advance(365 * 86_400_000);
    assert.deepEqual(client.told(), []);
  }
});

for (const [asked, told] of [
  [0, 60],
  [61, 60],
  [65_535, 60],
  [60, undefined],
  [10, undefined],
] as const) {
  test(`[MQTT5-3.2.2-22] mqtt.maximumKeepAlive 60: a 5.0 client that asks for ${asked} is told ${told ?? "nothing"}, and that holds`, () => {
    const broker = new TestBroker({ settings: { mqtt: { maximumKeepAlive: 60 } } });
    const client = broker.connect("c", 5, { keepAlive: asked });
    assert.equal(client.connack!.properties!.serverKeepAlive, told);
    broker.advance((told ?? asked) * 1500 - 1);
    assert.deepEqual(client.told(), []);
    broker.advance(1);
    assert.deepEqual(client.told(), ["DISCONNECT 0x8d", "CLOSED"]);
  });
}

test("mqtt.maximumKeepAlive leaves 3.x alone, which cannot be told", () => {
  const broker = new TestBroker({ settings: { mqtt: { maximumKeepAlive: 60 } } });
  const client = broker.connect("c", 4, { keepAlive: 0 });
  broker.advance(1_000_000);
  assert.deepEqual(client.told(), []);
});

test("the Keep Alive stands still while a hook thinks, and starts anew afterwards", () => {
  const broker = new TestBroker({
    hooks: ({ process }) => ({
      authorizePublish: () => Answer.after(process, 9000, () => true),
    }),
  });
  const client = broker.connect("c", 5, { keepAlive: 2 });
  client.sendPublish("a", "x");
  broker.advance(9000);
  assert.deepEqual(client.told(), []);
  broker.advance(2999);
  assert.deepEqual(client.told(), []);
  broker.advance(1);
  assert.deepEqual(client.told(), ["DISCONNECT 0x8d", "CLOSED"]);
});

test("the Keep Alive stands still while the broker does not read, and starts anew afterwards", () => {
  const broker = new TestBroker({ settings: { session: { slowConsumerTimeout: 0 } } });
  const client = broker.connect("c", 4, { keepAlive: 2 });
  const [connection] = broker.engine.connections;
  client.brokerLink.stall();
  // As many answers as the broker keeps for one that does not read them; then it reads no more.
  while (connection!.sender.output.size <= 64 * 1024) {
    client.sendBytes(Buffer.alloc(2000, Uint8Array.of(0xc0, 0)));
    broker.settle();
  }
  broker.advance(10_000);
  assert.equal(client.isClosed, false, "closed while it was not read from");
  client.brokerLink.release();
  broker.advance(2900);
  assert.equal(client.isClosed, false, "closed before it had its time again");
  broker.advance(200);
  assert.equal(client.isClosed, true);
});
