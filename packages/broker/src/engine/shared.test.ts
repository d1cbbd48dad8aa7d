import assert from "node:assert/strict";
import { test } from "node:test";
import type { PublishPacket } from "@sericite/protocol";
import { NAME_OF_VERSION, TestBroker, VERSIONS } from "../test-broker.test-support.ts";
import type { ConnectOptions, WireClient } from "../wire-client.test-support.ts";

const payloadOf = (message: PublishPacket): string => Buffer.from(message.payload).toString();
const kept: ConnectOptions = { cleanStart: false, properties: { sessionExpiryInterval: 1000 } };

/** Members of `$share/g/a`, connected. */
function members(
  broker: TestBroker,
  count: number,
  qos: 0 | 1 | 2 = 2,
  options: ConnectOptions = {},
): WireClient[] {
  return Array.from({ length: count }, (_, i) => {
    const client = broker.connect(`m${i}`, 5, options);
    client.subscribe("$share/g/a", qos);
    return client;
  });
}

/** Publishes so many, numbered from 1, and gives what each member got. */
function share(
  broker: TestBroker,
  clients: readonly WireClient[],
  count: number,
  qos: 0 | 1 | 2 = 0,
) {
  const publisher = broker.connect("publisher");
  for (let i = 1; i <= count; i++) publisher.sendPublish("a", String(i), { qos, id: i });
  return clients.map((client) => client.takePublishes());
}

for (const version of VERSIONS) {
  for (const filter of ["$share/g/a/+", "$queue/a/+"]) {
    test(`[X-77] ${NAME_OF_VERSION[version]}: each message of ${filter} goes to one member`, () => {
      const broker = new TestBroker();
      const clients = [0, 1, 2].map((i) => {
        const client = broker.connect(`m${i}`, version);
        client.subscribe(filter, 1);
        return client;
      });
      const publisher = broker.connect("p");
      for (let i = 1; i <= 30; i++) publisher.sendPublish(`a/${i}`, "x", { qos: 1, id: i });
      const names = clients.map((client) =>
        client.takePublishes().map(({ topicName }) => topicName),
      );
      assert.deepEqual(
        names.map((own) => own.length),
        [10, 10, 10],
      );
      assert.equal(new Set(names.flat()).size, 30);
    });
  }
}

test("groups and ordinary subscriptions are served each for itself", () => {
  const broker = new TestBroker();
  const one = broker.connect("one");
  one.subscribe("$share/g1/a");
  one.subscribe("$share/g2/a");
  one.subscribe("a");
  const other = broker.connect("other");
  other.subscribe("$share/g1/#");
  broker.connect("p").sendPublish("a", "x");
  // g1/a, g2/a and a are three; g1/# is a Shared Subscription of its own.
  assert.equal(one.takePublishes().length, 3);
  assert.equal(other.takePublishes().length, 1);
});

test("[MQTT5-4.8.2-3] a message goes out at a QoS within what its receiver was granted", () => {
  const broker = new TestBroker();
  const clients = ([0, 1, 2] as const).map((qos) => {
    const client = broker.connect(`m${qos}`);
    client.subscribe("$share/g/a", qos);
    return client;
  });
  const got = share(broker, clients, 9, 2);
  got.forEach((messages, qos) => {
    assert.equal(messages.length, 3);
    for (const message of messages) assert.equal(message.qos, qos);
  });
});

test("[X-58] [X-79] only the receiver's own Subscription Identifier goes out; subscribing again counts once and replaces", () => {
  const broker = new TestBroker();
  const [one, other] = [broker.connect("one"), broker.connect("other")];
  one.subscribe("$share/g/a", 0, { identifier: 1 });
  one.subscribe("$share/g/a", 1, { identifier: 11 });
  other.subscribe("$share/g/a", 0, { identifier: 2 });
  const publisher = broker.connect("p");
  for (let i = 1; i <= 6; i++) publisher.sendPublish("a", "x", { qos: 1, id: i });
  const [ofOne, ofOther] = [one.takePublishes(), other.takePublishes()];
  assert.deepEqual([ofOne.length, ofOther.length], [3, 3]);
  for (const message of ofOne) {
    assert.deepEqual(message.properties!.subscriptionIdentifiers, [11]);
    assert.equal(message.qos, 1);
  }
  for (const message of ofOther) assert.deepEqual(message.properties!.subscriptionIdentifiers, [2]);
});

test("[X-79] UNSUBSCRIBE with the whole filter ends a membership, and only that", () => {
  const broker = new TestBroker();
  const [one, other] = members(broker, 2);
  one!.sendUnsubscribe(["a", "$share/h/a", "$share/g/a"]);
  assert.deepEqual(one!.told(), ["UNSUBACK 2 [0x11 0x11 0]"]);
  assert.deepEqual(
    share(broker, [one!, other!], 4).map((got) => got.length),
    [0, 4],
  );
  other!.sendUnsubscribe(["$share/g/a"]);
  other!.take();
  assert.equal(broker.engine.topicTree.size, 0);
  assert.equal(broker.engine.shared.size, 0);
  assert.deepEqual(
    share(broker, [one!, other!], 2).map((got) => got.length),
    [0, 0],
  );
});

test("connected members come first, whatever the strategy", () => {
  for (const strategy of [
    "round-robin",
    "random",
    "sticky",
    "hash-client",
    "hash-topic",
    "least-in-flight",
  ]) {
    const broker = new TestBroker({ settings: { shared: { strategy } } });
    const clients = members(broker, 3, 1, kept);
    clients[0]!.drop();
    clients[2]!.drop();
    const got = share(broker, clients.slice(1, 2), 20, 1);
    assert.equal(got[0]!.length, 20, strategy);
  }
});

test("where no member is connected, the message waits for one of them", () => {
  const broker = new TestBroker();
  for (const client of members(broker, 3, 1, kept)) client.drop();
  share(broker, [], 9, 1);
  broker.settle();
  const got = [0, 1, 2].map((i) => broker.connect(`m${i}`, 5, kept).takePublishes().map(payloadOf));
  assert.deepEqual(
    got.flat().toSorted(),
    Array.from({ length: 9 }, (_, i) => String(i + 1)),
  );
});

for (const [strategy, judge] of [
  ["round-robin", (counts: number[]) => counts.every((count) => count === 40)],
  ["random", (counts: number[]) => counts.every((count) => count > 15)],
  ["sticky", (counts: number[]) => counts.filter((count) => count === 120).length === 1],
  ["hash-client", (counts: number[]) => counts.filter((count) => count === 120).length === 1],
  ["hash-topic", (counts: number[]) => counts.filter((count) => count === 120).length === 1],
  ["least-in-flight", (counts: number[]) => counts.every((count) => count === 40)],
] as const) {
  test(`strategy ${strategy}: how 120 messages of one topic and publisher are divided among three`, () => {
    const broker = new TestBroker({ settings: { shared: { strategy } } });
    const counts = share(broker, members(broker, 3, 1), 120, 1).map((got) => got.length);
    assert.equal(
      counts.reduce((sum, count) => sum + count),
      120,
    );
    assert.ok(judge(counts), counts.join(" "));
  });
}

test("strategy hash-topic: one topic stays with one member, topics are spread", () => {
  const broker = new TestBroker({ settings: { shared: { strategy: "hash-topic" } } });
  const clients = [0, 1, 2].map((i) => {
    const client = broker.connect(`m${i}`);
    client.subscribe("$share/g/#");
    return client;
  });
  const publisher = broker.connect("p");
  for (let i = 0; i < 300; i++) publisher.sendPublish(`t/${i % 30}`, "x");
  const names = clients.map(
    (client) => new Set(client.takePublishes().map(({ topicName }) => topicName)),
  );
  assert.equal(
    names.reduce((sum, own) => sum + own.size, 0),
    30,
  );
  assert.ok(names.every((own) => own.size > 3));
});

test("strategy sticky: another member takes over when the one is gone, and keeps it", () => {
  const broker = new TestBroker({ settings: { shared: { strategy: "sticky" } } });
  const clients = members(broker, 3);
  const first = share(broker, clients, 10).findIndex((got) => got.length === 10);
  clients[first]!.drop();
  const rest = clients.filter((_, i) => i !== first);
  const counts = [...share(broker, rest, 10), ...share(broker, rest, 10)].map((got) => got.length);
  assert.deepEqual(
    counts.toSorted((a, b) => a - b),
    [0, 0, 10, 10],
  );
  assert.equal(counts[0], counts[2]);
});

test("strategy least-in-flight: a member that does not acknowledge gets no more than the others", () => {
  const broker = new TestBroker({ settings: { shared: { strategy: "least-in-flight" } } });
  const [slow, quick] = members(broker, 2, 1);
  const publisher = broker.connect("p");
  let served = 0;
  for (let i = 1; i <= 50; i++) {
    publisher.sendPublish("a", "x", { qos: 1, id: i });
    for (const { packetIdentifier } of quick!.takePublishes()) {
      served++;
      quick!.sendAcknowledgement("puback", packetIdentifier!);
    }
    broker.settle();
  }
  assert.ok(served >= 48, `${served}`);
  assert.ok(slow!.takePublishes().length <= 2);
});

// --- when a member goes

test("[X-80] [MQTT5-4.8.2-4] what was sent waits for its member, while the session lives", () => {
  for (const qos of [1, 2] as const) {
    const broker = new TestBroker();
    const [one, other] = members(broker, 2, 2, kept);
    const [ofOne, ofOther] = share(broker, [one!, other!], 2, qos);
    one!.drop();
    assert.deepEqual(other!.told(), []);
    const again = broker.connect("m0", 5, kept);
    assert.deepEqual(
      again.takePublishes(),
      ofOne!.map((message) => ({ ...message, dup: true })),
    );
    assert.equal(ofOther!.length, 1);
  }
});

test("[X-80] when a member's session ends, its unacknowledged QoS 1 messages and those that waited go to another", () => {
  const broker = new TestBroker();
  const one = broker.connect("m0", 5, { properties: { receiveMaximum: 2 } });
  one.subscribe("$share/g/a", 1);
  const got = share(broker, [one], 6, 1);
  assert.deepEqual(got[0]!.map(payloadOf), ["1", "2"]);
  one.sendAcknowledgement("puback", got[0]![0]!.packetIdentifier!);
  assert.deepEqual(one.takePublishes().map(payloadOf), ["3"]);
  const other = broker.connect("m1");
  other.subscribe("$share/g/a", 1);
  one.drop();
  assert.deepEqual(other.takePublishes().map(payloadOf).toSorted(), ["2", "3", "4", "5", "6"]);
});

test("[MQTT5-4.8.2-5] a QoS 2 message that was sent ends with its member's session; one that waited goes to another", () => {
  const broker = new TestBroker();
  const one = broker.connect("m0", 5, { properties: { receiveMaximum: 1 } });
  one.subscribe("$share/g/a", 2);
  share(broker, [], 3, 2);
  assert.deepEqual(one.takePublishes().map(payloadOf), ["1"]);
  const other = broker.connect("m1");
  other.subscribe("$share/g/a", 2);
  one.drop();
  assert.deepEqual(other.takePublishes().map(payloadOf).toSorted(), ["2", "3"]);
});

test("[X-81] what nobody is left for is dropped, and counted", () => {
  const broker = new TestBroker();
  const one = broker.connect("m0", 5, { properties: { receiveMaximum: 1 } });
  one.subscribe("$share/g/a", 1);
  share(broker, [], 3, 1);
  broker.settle();
  one.drop();
  assert.equal(broker.engine.drops["session-ended"], 2);
  assert.equal(broker.engine.shared.size, 0);
  assert.equal(broker.engine.topicTree.size, 0);
});

test("[MQTT5-4.8.2-6] a message that its member refuses is discarded, and nobody else is tried", () => {
  for (const [qos, type] of [
    [1, "puback"],
    [2, "pubrec"],
  ] as const) {
    const broker = new TestBroker();
    const [one, other] = members(broker, 2);
    const [ofOne, ofOther] = share(broker, [one!, other!], 1, qos);
    const [chosen, rest] = ofOne!.length === 1 ? [one!, other!] : [other!, one!];
    chosen.sendAcknowledgement(type, (ofOne![0] ?? ofOther![0])!.packetIdentifier!, 0x80);
    assert.deepEqual(chosen.told(), []);
    assert.deepEqual(rest.told(), []);
    chosen.drop();
    assert.deepEqual(rest.told(), []);
  }
});

test("a session that a clean start throws away passes its part on to the members that stay", () => {
  const broker = new TestBroker();
  const [one, other] = members(broker, 2, 1, kept);
  one!.drop();
  other!.drop();
  share(broker, [], 4, 1);
  broker.settle();
  const back = broker.connect("m1", 5, kept);
  const own = back.takePublishes().length;
  broker.connect("m0");
  assert.equal(own + back.takePublishes().length, 4);
});

test("a durable member's messages are recorded for it, and again for the one they go on to", () => {
  const broker = new TestBroker({ durable: true });
  const [one, other] = members(broker, 2, 1, kept);
  const keys = ["m0", "m1"].map((clientId) => broker.engine.sessions.get(clientId)!.key);
  share(broker, [one!, other!], 2, 1);
  broker.settle();
  const state = broker.store.medium.state();
  assert.deepEqual(
    keys.map((key) => state.queue(key).length),
    [1, 1],
  );
  one!.leave({ sessionExpiryInterval: 0 });
  const after = broker.store.medium.state();
  assert.equal(after.queue(keys[1]!).length, 2);
});

test("RETAIN and retained messages: none on joining, As Published as asked", () => {
  const broker = new TestBroker();
  broker.connect("p").sendPublish("a", "kept", { retain: true });
  broker.settle();
  const client = broker.connect("m");
  client.subscribe("$share/g/a", 0, { retainAsPublished: true });
  assert.deepEqual(client.told(), []);
  broker.connect("q").sendPublish("a", "x", { retain: true });
  assert.deepEqual(client.told(), ["PUBLISH a 'x' qos0 retain"]);
});

for (const filter of [
  "$share/g",
  "$share//a",
  "$share/g/",
  "$share/g+/a",
  "$share/#/a",
  "$queue/",
  "$share/g/a#",
]) {
  test(`[MQTT5-4.8.2-1] [MQTT5-4.8.2-2] ${filter} is no Shared Subscription, and ends the connection`, () => {
    const broker = new TestBroker();
    const client = broker.connect("c");
    client.sendSubscribe([[filter, 1]]);
    assert.deepEqual(client.told(), ["DISCONNECT 0x8f", "CLOSED"]);
  });
}

test("memberships count among the subscriptions of a session", () => {
  const broker = new TestBroker({ settings: { session: { subscriptionsMaximum: 2 } } });
  const client = broker.connect("c");
  client.sendSubscribe([
    ["$share/g/a", 0],
    ["b", 0],
    ["$share/g/c", 0],
    ["$share/g/a", 1],
  ]);
  assert.deepEqual(client.told(), ["SUBACK 1 [0 0 0x97 1]"]);
});

test("numbers of groups and sessions are used again without mixing them up", () => {
  const broker = new TestBroker();
  for (let round = 0; round < 20; round++) {
    const client = broker.connect(`c${round}`);
    client.subscribe(`$share/g${round}/a`);
    client.subscribe("a");
    broker.connect("p").sendPublish("a", "x");
    assert.equal(client.takePublishes().length, 2);
    client.leave();
    broker.settle();
  }
  assert.ok(broker.engine.sessions.end < 20, `${broker.engine.sessions.end}`);
});

test("a message that is passed on from a session without records is recorded anew: the store may have forgotten it", () => {
  const broker = new TestBroker({ durable: true });
  const [volatile] = members(broker, 1, 1);
  const other = broker.connect("other", 5, kept);
  other.subscribe("a", 1);
  broker.connect("publisher").sendPublish("a", "x", { qos: 1 });
  other.sendAcknowledgement("puback", other.takePublishes()[0]!.packetIdentifier!);
  broker.settle();
  broker.connect("heir", 5, kept).subscribe("$share/g/a", 1);
  volatile!.drop();
  const types = broker.store.records.map(({ record }) => record.type);
  const settled = types.indexOf("settled");
  assert.ok(settled > 0);
  assert.deepEqual(
    types.slice(settled).filter((type) => type === "message" || type === "enqueue"),
    ["message", "enqueue"],
  );
});
