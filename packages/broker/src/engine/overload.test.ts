import assert from "node:assert/strict";
import { test } from "node:test";
import { NAME_OF_VERSION, TestBroker, VERSIONS } from "../test-broker.test-support.ts";
import { Answer, Chance } from "../testing/index.ts";
import type { WireClient } from "../wire-client.test-support.ts";

/** So many bytes are too many. */
const MOST = 10_000;
const LOTS = "x".repeat(6000);

/** A moment of a second. */
function look(broker: TestBroker, count = 1, lagMs = 0): void {
  for (let i = 0; i < count; i++) {
    broker.engine.overload.look(lagMs, MOST);
    broker.advance(1000);
  }
}

/** A client that reads nothing of what is published to it. */
function slowClient(broker: TestBroker, clientId: string, qos: 0 | 1 = 1): WireClient {
  const client = broker.connect(clientId);
  client.subscribe("a", qos);
  client.brokerLink.stall();
  return client;
}

/** Fills the queues. */
function flood(broker: TestBroker, publisher: WireClient, qos: 0 | 1): void {
  for (let id = 1; id <= 60; id++) publisher.sendPublish("a", LOTS, { qos, id });
  broker.settle();
}

for (const version of VERSIONS) {
  const name = NAME_OF_VERSION[version];

  test(`${name}: at first new clients are refused, and let in again in calm`, () => {
    const broker = new TestBroker();
    broker.connect("before", version);
    look(broker, 1, 6000);
    const client = broker.dial(version);
    client.sendConnect("c");
    broker.settle();
    assert.deepEqual(client.told(), [`CONNACK 0x${version === 5 ? "89" : "03"}`, "CLOSED"]);
    assert.equal(broker.engine.counters.overloadRefused, 1);
    look(broker);
    broker.connect("c", version);
    assert.equal(broker.logged("overload-over").length, 1);
  });

  test(`${name}: then publishers are held, their acknowledgements pass, and in calm they go on`, () => {
    const broker = new TestBroker();
    const client = broker.connect("c", version);
    client.subscribe("b", 1);
    const publisher = broker.connect("p", version);
    publisher.sendPublish("b", "x", { qos: 1 });
    const [message] = client.takePublishes();
    look(broker, 2, 6000);
    client.sendPublish("a", "1");
    client.sendPublish("a", "2");
    client.sendAcknowledgement("puback", message!.packetIdentifier!);
    broker.settle();
    assert.equal(broker.engine.sessions.get("c")!.outbound?.size ?? 0, 0);
    assert.equal(broker.engine.counters.publishReceived, 2);
    look(broker);
    assert.equal(broker.engine.counters.publishReceived, 3);
    assert.equal(client.isClosed, false);
  });

  test(`${name}: publishers are held behind a message that waits for a hook, too`, () => {
    const broker = new TestBroker({
      hooks: ({ process }) => ({ authorizePublish: () => Answer.after(process, 100, () => true) }),
    });
    const client = broker.connect("c", version);
    look(broker, 2, 6000);
    for (const payload of ["1", "2", "3"]) client.sendPublish("a", payload);
    broker.advance(500);
    assert.equal(broker.engine.counters.messagesRouted, 1);
    assert.equal(broker.engine.counters.publishReceived, 1);
    look(broker);
    assert.equal(broker.engine.counters.messagesRouted, 3);
  });

  test(`${name}: who is held for limits.holdTimeout is disconnected`, () => {
    const broker = new TestBroker({ settings: { limits: { holdTimeout: 5000 } } });
    const client = broker.connect("c", version);
    look(broker, 2, 6000);
    client.sendPublish("a", "1");
    broker.advance(4900);
    assert.equal(client.isClosed, false);
    broker.advance(200);
    assert.deepEqual(client.told(), version === 5 ? ["DISCONNECT 0x97", "CLOSED"] : ["CLOSED"]);
  });
}

test("then QoS 0 messages of the slowest are dropped, and those of others are not", () => {
  const broker = new TestBroker();
  const publisher = broker.connect("p");
  const slow = slowClient(broker, "slow", 0);
  const quick = broker.connect("quick");
  quick.subscribe("a");
  flood(broker, publisher, 0);
  assert.ok(broker.engine.meter.bytes > MOST);
  look(broker, 3);
  assert.ok(broker.engine.meter.bytes <= MOST);
  assert.ok(broker.engine.drops.overload > 0);
  assert.equal(slow.isClosed, false);
  assert.equal(quick.takePublishes().length, 60);
});

test("what is dropped of a durable session's queue is gone from the store as well", () => {
  const broker = new TestBroker({ durable: true, settings: { session: { queueQos0: true } } });
  const publisher = broker.connect("p");
  const slow = broker.connect("slow", 4, { cleanStart: false });
  slow.subscribe("a");
  slow.brokerLink.stall();
  flood(broker, publisher, 0);
  look(broker, 3);
  assert.ok(broker.engine.drops.overload > 0);
  const { key, queue } = broker.engine.sessions.get("slow")!;
  assert.equal(broker.store.medium.state().queue(key).length, queue!.length);
});

test("at last the slowest are disconnected, until there is calm", () => {
  const broker = new TestBroker();
  const publisher = broker.connect("p");
  const slow = slowClient(broker, "slow");
  const quick = broker.connect("quick");
  quick.subscribe("a", 0);
  flood(broker, publisher, 1);
  look(broker, 3);
  assert.equal(broker.engine.drops.overload, 0);
  assert.ok(broker.engine.sessions.get("slow")?.connection !== undefined);
  look(broker);
  assert.equal(broker.engine.sessions.get("slow")?.connection, undefined);
  assert.equal(broker.engine.counters.overloadDisconnects, 1);
  assert.equal(quick.isClosed, false);
  look(broker, 4);
  assert.equal(broker.engine.overload.level, 0);
  void slow;
});

test("a client for which messages wait is let in", () => {
  const broker = new TestBroker();
  const client = broker.connect("c", 4, { cleanStart: false });
  client.subscribe("a", 1);
  client.leave();
  const publisher = broker.connect("p");
  for (let id = 1; id <= 3; id++) publisher.sendPublish("a", LOTS, { qos: 1, id });
  broker.settle();
  look(broker, 4);
  assert.equal(broker.engine.overload.level, 4);
  const again = broker.connect("c", 4, { cleanStart: false });
  for (const { packetIdentifier } of again.takePublishes())
    again.sendAcknowledgement("puback", packetIdentifier!);
  broker.settle();
  look(broker, 4);
  assert.equal(broker.engine.overload.level, 0);
});

/** What happened under all seeds: pauses that never came would show nothing. */
const seen = { overloads: 0, ratePauses: 0, overloadDisconnects: 0, parked: 0, heldTooLong: 0 };

for (let seed = 1; seed <= 30; seed++)
  test(`pauses end: clients that all publish to each other and read by fits and starts, seed ${seed}`, () => {
    const chance = Chance.ofSeed(seed);
    const holdTimeout = 12_000;
    const broker = new TestBroker({
      settings: { limits: { holdTimeout, messageRate: 3 } },
      // Every second world has a hook that takes its time.
      hooks: ({ process }) =>
        seed % 2 === 0
          ? { authorizePublish: () => Answer.after(process, chance.integer(1, 900), () => true) }
          : {},
    });
    const most = chance.integer(5000, 60_000);
    const join = (clientId: string): WireClient => {
      const client = broker.dial();
      client.sendConnect(clientId);
      broker.settle();
      if (client.take()[0]?.type === "connack" && !client.isClosed) client.subscribe("a", 1);
      return client;
    };
    const clients = Array.from({ length: 6 }, (_, i) => join(`c${i}`));
    const acknowledge = (client: WireClient): void => {
      for (const packet of client.take())
        if (packet.type === "publish" && packet.qos === 1)
          client.sendAcknowledgement("puback", packet.packetIdentifier!);
    };
    const parked = (): number =>
      [...broker.engine.connections].filter(({ isParked }) => isParked).length;
    const moment = (lagMs: number): void => {
      broker.settle();
      seen.parked += parked();
      broker.engine.overload.look(lagMs, most);
      broker.advance(1000);
    };
    let id = 0;
    for (let second = 0; second < 60; second++) {
      for (const [i, client] of clients.entries()) {
        if (client.isClosed) {
          clients[i] = join(`c${i}`);
          continue;
        }
        if (chance.happens(0.1)) client.brokerLink.stall();
        else if (chance.happens(0.4)) client.brokerLink.release();
        if (chance.happens(0.4))
          for (let count = chance.integer(1, 10); count > 0; count--)
            client.sendPublish("a", "x".repeat(500), { qos: 1, id: (id++ % 60_000) + 1 });
        if (chance.happens(0.7)) acknowledge(client);
      }
      moment(chance.happens(0.3) ? 6000 : 0);
    }
    // All read again: what is paused has to go on.
    let closed = 0;
    for (let second = 0; second < 60; second++) {
      for (const client of clients) {
        if (client.isClosed) continue;
        client.brokerLink.release();
        acknowledge(client);
      }
      moment(0);
      if (second === 8) closed = broker.engine.counters.connectionsClosed;
    }
    assert.equal(broker.engine.overload.level, 0);
    assert.equal(parked(), 0);
    assert.equal(broker.engine.counters.connectionsClosed, closed, "a deadline had to end a pause");
    for (const client of clients) {
      if (client.isClosed) continue;
      client.send({ type: "pingreq" });
      assert.ok(client.told().includes("PINGRESP"));
    }
    assert.equal(broker.engine.meter.bytes, 0);
    broker.connect("new");
    for (const name of ["overloads", "ratePauses", "overloadDisconnects"] as const)
      seen[name] += broker.engine.counters[name];
    for (const { fields } of broker.logged("client-disconnected"))
      if (fields["reason"] === "the broker did not keep up") seen.heldTooLong++;
  });

test("under these seeds everything happened that has to end", () => {
  for (const [what, count] of Object.entries(seen)) assert.ok(count > 10, `${what}: ${count}`);
});
