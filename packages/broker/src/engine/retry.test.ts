import assert from "node:assert/strict";
import { test } from "node:test";
import { NAME_OF_VERSION, TestBroker } from "../test-broker.test-support.ts";

for (const version of [3, 4] as const) {
  const name = NAME_OF_VERSION[version];

  test(`[X-106] [X-120] [MQTT3-3.3.1-1] ${name}: an unacknowledged PUBLISH is sent again every 10 s, five times, then the connection ends and the session stays`, () => {
    for (const qos of [1, 2] as const) {
      const broker = new TestBroker();
      const client = broker.connect("c", version, { cleanStart: false });
      client.subscribe("a", 2);
      broker.connect("p").sendPublish("a", "x", { qos });
      const [first] = client.takePublishes();
      for (let i = 1; i <= 5; i++) {
        broker.advance(9999);
        assert.deepEqual(client.told(), []);
        broker.advance(1);
        assert.deepEqual(client.takePublishes(), [{ ...first, dup: true }], `repeat ${i}`);
      }
      broker.advance(9999);
      assert.equal(client.isClosed, false);
      broker.advance(1);
      assert.deepEqual(client.told(), ["CLOSED"]);
      assert.equal(broker.engine.counters.retriesExhausted, 1);
      assert.equal(broker.engine.counters.publishResent, 5);
      assert.equal(broker.logged("retries-exhausted").length, 1);
      const again = broker.connect("c", version, { cleanStart: false });
      assert.deepEqual(again.takePublishes(), [{ ...first, dup: true }]);
      // And so on, from the start.
      broker.advance(10_000);
      assert.equal(again.takePublishes().length, 1);
    }
  });

  test(`${name}: a PUBREL is sent again in the same way, and never its PUBLISH`, () => {
    const broker = new TestBroker();
    const client = broker.connect("c", version);
    client.subscribe("a", 2);
    broker.connect("p").sendPublish("a", "x", { qos: 2 });
    const identifier = client.takePublishes()[0]!.packetIdentifier!;
    broker.advance(5000);
    client.sendAcknowledgement("pubrec", identifier);
    assert.deepEqual(client.told(), [`PUBREL ${identifier}`]);
    for (let i = 1; i <= 5; i++) {
      broker.advance(9999);
      assert.deepEqual(client.told(), [], `${i}`);
      broker.advance(1);
      // Only 3.1 has DUP on PUBREL, and it is not asked for.
      assert.deepEqual(client.told(), [`PUBREL ${identifier}`]);
    }
    broker.advance(10_000);
    assert.deepEqual(client.told(), ["CLOSED"]);
  });

  test(`${name}: nothing is sent again once it is acknowledged`, () => {
    const broker = new TestBroker();
    const client = broker.connect("c", version);
    client.subscribe("a", 2);
    const publisher = broker.connect("p");
    for (const qos of [1, 2] as const) publisher.sendPublish("a", "x", { qos, id: qos });
    const [one, two] = client.takePublishes().map((message) => message.packetIdentifier!);
    client.sendAcknowledgement("puback", one!);
    client.sendAcknowledgement("pubrec", two!);
    client.take();
    client.sendAcknowledgement("pubcomp", two!);
    broker.advance(1_000_000);
    assert.deepEqual(client.told(), []);
    // The timer starts again with the next one.
    publisher.sendPublish("a", "x", { qos: 1, id: 5 });
    broker.settle();
    client.take();
    broker.advance(10_000);
    assert.equal(client.takePublishes()[0]!.dup, true);
  });

  test(`[MQTT3-4.6.0-6] ${name}: what is due is sent again in its original order`, () => {
    const broker = new TestBroker();
    const client = broker.connect("c", version);
    client.subscribe("a", 2);
    const publisher = broker.connect("p");
    for (let i = 1; i <= 50; i++) {
      publisher.sendPublish("a", String(i), { qos: i % 2 === 0 ? 1 : 2, id: i });
      broker.advance(10);
    }
    const first = client.takePublishes();
    broker.advance(10_000);
    const repeats = client.takePublishes();
    assert.deepEqual(
      repeats,
      first.map((message) => ({ ...message, dup: true })),
    );
  });
}

test("[MQTT5-4.4.0-1] nothing is ever sent again on a live 5.0 connection", () => {
  const broker = new TestBroker();
  const client = broker.connect("c", 5, { properties: { sessionExpiryInterval: 60 } });
  client.subscribe("a", 2);
  const publisher = broker.connect("p");
  publisher.sendPublish("a", "1", { qos: 1, id: 1 });
  publisher.sendPublish("a", "2", { qos: 2, id: 2 });
  publisher.sendPublish("a", "3", { qos: 2, id: 3 });
  const messages = client.takePublishes();
  client.sendAcknowledgement("pubrec", messages[2]!.packetIdentifier!);
  client.take();
  broker.advance(100_000_000);
  assert.deepEqual(client.told(), []);
  assert.equal(broker.engine.counters.publishResent, 0);
  // What a resumption sent again is not sent a third time either.
  client.drop();
  const again = broker.connect("c", 5, {
    cleanStart: false,
    properties: { sessionExpiryInterval: 60 },
  });
  assert.equal(again.told().length, 3);
  broker.advance(100_000_000);
  assert.deepEqual(again.told(), []);
});

test("mqtt.retryInterval and mqtt.retryMaximum are settings; 0 ms is never, 0 times ends the connection at once", () => {
  for (const [retryInterval, retryMaximum, after, told] of [
    [2000, 1, 2000, ["PUBLISH"]],
    [2000, 1, 4000, ["PUBLISH", "CLOSED"]],
    [2000, 0, 2000, ["CLOSED"]],
    [0, 5, 1_000_000, []],
  ] as const) {
    const broker = new TestBroker({ settings: { mqtt: { retryInterval, retryMaximum } } });
    const client = broker.connect("c", 4);
    client.subscribe("a", 1);
    broker.connect("p").sendPublish("a", "x", { qos: 1 });
    client.take();
    broker.advance(after);
    assert.deepEqual(
      client.told().map((line) => line.split(" ")[0]),
      told,
    );
  }
});

test("the time of a packet stands still while the link is full", () => {
  const broker = new TestBroker({ settings: { session: { slowConsumerTimeout: 0 } } });
  const client = broker.connect("c", 4);
  client.subscribe("a", 1);
  const publisher = broker.connect("p");
  client.brokerLink.stall();
  publisher.sendPublish("a", "x", { qos: 1 });
  broker.advance(305_000);
  assert.equal(client.isClosed, false);
  client.brokerLink.release();
  assert.equal(client.takePublishes().length, 1);
  broker.advance(9999);
  assert.deepEqual(client.told(), []);
  broker.advance(10_001);
  assert.equal(client.takePublishes()[0]!.dup, true);
});

test("a repeat is bounded like everything else that is sent: it goes out in turns", () => {
  const broker = new TestBroker({ settings: { limits: { bytesPerTurn: 10_000 } } });
  const client = broker.connect("c", 4);
  client.subscribe("a", 1);
  const publisher = broker.connect("p");
  for (let i = 1; i <= 100; i++) publisher.sendPublish("a", "x".repeat(1000), { qos: 1, id: i });
  const first = client.takePublishes();
  let longest = 0;
  const { write } = client.brokerLink;
  client.brokerLink.write = function (bytes) {
    longest = Math.max(longest, bytes.length);
    return write.call(client.brokerLink, bytes);
  };
  broker.advance(10_100);
  const repeats = client.takePublishes();
  assert.deepEqual(
    repeats.map((message) => message.packetIdentifier),
    first.map((message) => message.packetIdentifier),
  );
  assert.ok(longest <= 12_000, `${longest} bytes at once`);
});

test("the client's repeats are answered: PUBREC for a PUBLISH, PUBCOMP for a PUBREL, SUBACK for a SUBSCRIBE with DUP of 3.1", () => {
  const broker = new TestBroker();
  const client = broker.connect("c", 3);
  client.sendHex("34 06 0001'a' 0005 'x'");
  client.sendHex("3c 06 0001'a' 0005 'x'");
  assert.deepEqual(client.told(), ["PUBREC 5", "PUBREC 5"]);
  client.sendHex("62 02 0005");
  client.sendHex("6a 02 0005");
  assert.deepEqual(client.told(), ["PUBCOMP 5", "PUBCOMP 5"]);
  client.sendHex("8a 06 0006 0001'a' 01");
  client.sendHex("aa 05 0007 0001'a'");
  assert.deepEqual(client.told(), ["SUBACK 6 [1]", "UNSUBACK 7"]);
});
