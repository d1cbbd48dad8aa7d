import assert from "node:assert/strict";
import { test } from "node:test";
import { NAME_OF_VERSION, TestBroker, VERSIONS } from "../test-broker.test-support.ts";
import type { PartialSettings } from "../settings.ts";
import type { WireClient } from "../wire-client.test-support.ts";

const limited = (limits: NonNullable<PartialSettings["limits"]>): TestBroker =>
  new TestBroker({ settings: { limits } });

/** Publishes so many messages at QoS 1 in one piece. */
function publish(client: WireClient, count: number, payload = "x"): void {
  for (let id = 1; id <= count; id++) client.sendPublish("a", payload, { qos: 1, id });
}

const received = (broker: TestBroker): number => broker.engine.counters.messagesRouted;

for (const version of VERSIONS) {
  const name = NAME_OF_VERSION[version];

  test(`${name}: what is above limits.messageRate waits, and nothing is lost`, () => {
    const broker = limited({ messageRate: 10 });
    const client = broker.connect("c", version);
    publish(client, 30);
    broker.settle();
    assert.equal(received(broker), 11, "a second's worth at once, and the one that is too much");
    broker.advance(1000);
    assert.ok(received(broker) >= 20 && received(broker) <= 22, `${received(broker)} in a second`);
    broker.advance(1000);
    assert.equal(received(broker), 30);
    assert.equal(client.told().length, 30);
    assert.ok(broker.engine.counters.ratePauses > 0);
    assert.equal(broker.logged("limit-reached")[0]?.fields["limit"], "limits.messageRate");
  });

  test(`${name}: what is above limits.byteRate waits`, () => {
    const broker = limited({ byteRate: 1000 });
    const client = broker.connect("c", version);
    publish(client, 10, "x".repeat(490));
    broker.settle();
    assert.equal(received(broker), 3, "a second's worth at once, and the one that is too much");
    broker.advance(2000);
    assert.ok(received(broker) >= 5 && received(broker) <= 7, `${received(broker)} in two seconds`);
    broker.advance(4000);
    assert.equal(received(broker), 10);
  });

  test(`${name}: above the rate with "drop" a message has no effect, and the answer is the version's`, () => {
    const broker = limited({ messageRate: 2, rateExceeded: "drop" });
    const client = broker.connect("c", version);
    const others = broker.connect("s");
    others.subscribe("a", 2);
    client.sendPublish("a", "1");
    client.sendPublish("a", "2");
    client.sendPublish("a", "3");
    client.sendPublish("a", "4", { qos: 1, id: 1 });
    client.sendPublish("a", "5", { qos: 2, id: 2 });
    broker.settle();
    const code = version === 5 ? " 0x97" : "";
    assert.deepEqual(client.told(), [`PUBACK 1${code}`, `PUBREC 2${code}`]);
    assert.equal(others.takePublishes().length, 2);
    assert.equal(broker.engine.drops["rate-exceeded"], 3);
    broker.advance(1000);
    client.sendPublish("a", "6");
    broker.settle();
    assert.equal(others.takePublishes().length, 1);
  });

  test(`${name}: above the rate with "disconnect" the connection ends${version === 5 ? " with 0x96" : ""}`, () => {
    const broker = limited({ messageRate: 2, rateExceeded: "disconnect" });
    const client = broker.connect("c", version);
    for (const payload of ["1", "2", "3", "4"]) client.sendPublish("a", payload);
    broker.settle();
    assert.deepEqual(client.told(), version === 5 ? ["DISCONNECT 0x96", "CLOSED"] : ["CLOSED"]);
    assert.equal(received(broker), 2);
    assert.equal(broker.engine.counters.rateDisconnects, 1);
  });
}

test("while a client waits for its rate, its acknowledgements pass, and its Keep Alive stands still", () => {
  const broker = limited({ messageRate: 1 });
  const client = broker.connect("c", 5, { keepAlive: 2 });
  client.subscribe("b", 1);
  const publisher = broker.connect("p");
  client.sendPublish("a", "1");
  client.sendPublish("a", "2");
  client.sendPublish("a", "3");
  publisher.sendPublish("b", "x", { qos: 1 });
  const [message] = client.takePublishes();
  client.sendAcknowledgement("puback", message!.packetIdentifier!);
  broker.settle();
  assert.equal(broker.engine.sessions.get("c")!.outbound?.size ?? 0, 0);
  assert.equal(received(broker), 3, "the third waits");
  broker.advance(2900);
  assert.equal(received(broker), 4);
  assert.equal(client.isClosed, false);
});

test("a message that is too large for the rate holds its client for limits.holdTimeout at most", () => {
  const broker = limited({ byteRate: 10, holdTimeout: 5000 });
  const client = broker.connect("c");
  client.sendPublish("a", "x".repeat(1000));
  client.send({ type: "pingreq" });
  broker.advance(4900);
  assert.deepEqual(client.told(), []);
  broker.advance(200);
  assert.deepEqual(client.told(), ["PINGRESP"]);
});

test("one client that waits does not slow another", () => {
  const broker = limited({ messageRate: 5 });
  publish(broker.connect("a"), 50);
  const client = broker.connect("b");
  publish(client, 5);
  broker.settle();
  assert.equal(client.told().length, 5);
});

test("a client that ends while it waits for its rate: what it sent is handled all the same", () => {
  const broker = limited({ messageRate: 2 });
  const client = broker.connect("c");
  for (let i = 0; i < 6; i++) client.sendPublish("a", "x");
  client.send({ type: "disconnect", reasonCode: 0 });
  client.link.end();
  broker.advance(10_000);
  assert.equal(received(broker), 6);
  assert.equal(broker.engine.connections.size, 0);
});

test("a limit of the rate begins and ends for those who are connected", () => {
  const broker = limited({});
  const client = broker.connect("c");
  assert.equal([...broker.engine.connections][0]!.rate, undefined);
  const { engine } = broker;
  const unlimited = engine.settings;
  engine.settings = { ...unlimited, limits: { ...unlimited.limits, messageRate: 1 } };
  engine.settingsChanged();
  publish(client, 4);
  broker.settle();
  assert.equal(received(broker), 2);
  engine.settings = unlimited;
  engine.settingsChanged();
  broker.advance(2000);
  assert.equal(received(broker), 4);
});
