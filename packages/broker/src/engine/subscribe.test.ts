import assert from "node:assert/strict";
import { test } from "node:test";
import type { QoS } from "@sericite/protocol";
import { NAME_OF_VERSION, TestBroker, VERSIONS } from "../test-broker.test-support.ts";

// --- SUBACK

for (const version of VERSIONS) {
  test(`[MQTT3-3.8.4-1] [MQTT3-3.8.4-2] [MQTT3-3.8.4-4] [MQTT3-3.8.4-5] [MQTT3-3.9.3-1] [MQTT5-3.8.4-1] [MQTT5-3.8.4-2] [MQTT5-3.8.4-5] [MQTT5-3.8.4-6] [MQTT5-3.8.4-7] [MQTT5-3.9.3-1] [MQTT5-2.2.1-6] [MQTT3-2.3.1-7] ${NAME_OF_VERSION[version]}: one SUBACK with a code for each filter, in their order`, () => {
    const broker = new TestBroker();
    const client = broker.connect("c", version);
    client.sendSubscribe(
      [
        ["a", 2],
        ["b/#", 0],
        ["c/+", 1],
        ["a", 1],
      ],
      undefined,
      0xfffe,
    );
    assert.deepEqual(client.told(), ["SUBACK 65534 [2 0 1 1]"]);
    assert.equal(broker.engine.topicTree.size, 3);
  });
}

for (const version of [3, 4, 5] as const) {
  test(`[MQTT5-4.7.1-1] [MQTT5-4.7.1-2] [MQTT3-4.7.1-2] [MQTT3-4.7.1-3] [MQTT3-4.8.0-1] ${NAME_OF_VERSION[version]}: a filter that is none ends the connection, and those beside it have no effect`, () => {
    for (const filter of ["a#", "#/a", "a/#/b", "a+", "+a/b", "a/b+"]) {
      const broker = new TestBroker();
      const client = broker.connect("c", version);
      client.sendSubscribe([
        ["x", 1],
        [filter, 2],
        ["y", 0],
      ]);
      assert.deepEqual(client.told(), version === 5 ? ["DISCONNECT 0x8f", "CLOSED"] : ["CLOSED"]);
      assert.equal(broker.engine.topicTree.size, 0);
    }
  });
}

test("[X-18] an identifier that a QoS 2 PUBLISH has in use is refused to everything else, on 5.0", () => {
  const broker = new TestBroker();
  const client = broker.connect("c", 5);
  client.sendPublish("t", "x", { qos: 2, id: 7 });
  client.sendSubscribe(
    ["a", "b"].map((filter) => [filter, 0] as const),
    undefined,
    7,
  );
  client.send({ type: "unsubscribe", packetIdentifier: 7, topicFilters: ["a", "b"] });
  client.sendPublish("t", "x", { qos: 1, id: 7 });
  assert.deepEqual(client.told(), [
    "PUBREC 7 0x10",
    "SUBACK 7 [0x91 0x91]",
    "UNSUBACK 7 [0x91 0x91]",
    "PUBACK 7 0x91",
  ]);
  assert.equal(broker.engine.topicTree.size, 0);
});

test("limits.topicLevels bounds Topic Filters", () => {
  const broker = new TestBroker({ settings: { limits: { topicLevels: 3 } } });
  const client = broker.connect("c");
  client.sendSubscribe([
    ["a/b/c", 0],
    ["a/b/c/d", 0],
    ["a/+/#", 0],
  ]);
  assert.deepEqual(client.told(), ["SUBACK 1 [0 0x8f 0]"]);
});

test("session.subscriptionsMaximum bounds the subscriptions of a session; one that is there may be changed", () => {
  for (const [version, code] of [
    [5, "0x97"],
    [4, "0x80"],
  ] as const) {
    const broker = new TestBroker({ settings: { session: { subscriptionsMaximum: 2 } } });
    const client = broker.connect("c", version);
    client.sendSubscribe([
      ["a", 0],
      ["b", 0],
      ["c", 0],
      ["a", 2],
    ]);
    assert.deepEqual(client.told(), [`SUBACK 1 [0 0 ${code} 2]`]);
    client.sendUnsubscribe(["b"]);
    client.sendSubscribe([["c", 0]]);
    assert.equal(client.told().at(-1), "SUBACK 3 [0]");
    // Of this session, not of all.
    broker.connect("d", version).subscribe("a", 0);
  }
});

// --- matching

for (const [filter, name, matches] of [
  ["sport/tennis/player1", "sport/tennis/player1", true],
  ["sport/tennis/player1/#", "sport/tennis/player1", true],
  ["sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true],
  ["sport/#", "sport", true],
  ["sport/#", "sports", false],
  ["#", "sport/tennis", true],
  ["sport/+", "sport", false],
  ["sport/+", "sport/", true],
  ["sport/+", "sport/a/b", false],
  ["+", "/finance", false],
  ["/+", "/finance", true],
  ["+/+", "/finance", true],
  ["+/b/+", "a/b/c", true],
  ["a/b", "A/b", false],
  ["a/", "a", false],
  ["/a", "a", false],
  ["a//b", "a/b", false],
  ["/", "/", true],
  ["caf\u00e9", "cafe\u0301", false], // [MQTT5-4.7.3-4] [MQTT3-4.7.3-4]
] as const) {
  test(`[MQTT3-3.3.2-3] [MQTT5-3.3.2-3] ${JSON.stringify(filter)} ${matches ? "gets" : "does not get"} ${JSON.stringify(name)}`, () => {
    const broker = new TestBroker();
    const client = broker.connect("c");
    client.subscribe(filter);
    client.sendPublish(name, "x");
    assert.deepEqual(client.told(), matches ? [`PUBLISH ${name} 'x' qos0`] : []);
  });
}

test("[MQTT3-4.7.2-1] [MQTT5-4.7.2-1] [X-131] filters that begin with a wildcard do not get $-topics", () => {
  const broker = new TestBroker({ settings: { mqtt: { allowDollarTopics: true } } });
  const client = broker.connect("c");
  for (const filter of ["#", "+/b", "+/#"]) client.subscribe(filter);
  client.sendPublish("$a/b", "x");
  assert.deepEqual(client.told(), []);
  client.subscribe("$a/+");
  client.sendPublish("$a/b", "x");
  assert.deepEqual(client.told(), ["PUBLISH $a/b 'x' qos0"]);
});

// --- subscribing again

for (const version of VERSIONS) {
  test(`[MQTT3-3.8.4-3] [MQTT5-3.8.4-3] ${NAME_OF_VERSION[version]}: the same filter replaces the subscription`, () => {
    const broker = new TestBroker();
    const client = broker.connect("c", version);
    client.subscribe("a", 0);
    client.subscribe("a", 2);
    client.sendPublish("a", "2", { qos: 2, id: 2 });
    const lines = client.told().filter((line) => line.startsWith("PUBLISH"));
    assert.deepEqual(
      lines.map((line) => line.replace(/ #\d+/, "")),
      ["PUBLISH a '2' qos2"],
    );
  });
}

test("[X-61] a replacement brings its own Subscription Identifier, or none", () => {
  const broker = new TestBroker();
  const client = broker.connect("c");
  const told = (): string[] => {
    client.sendPublish("a", "x");
    return client.told();
  };
  client.subscribe("a", 0, { identifier: 5 });
  assert.deepEqual(told(), [`PUBLISH a 'x' qos0 {"subscriptionIdentifiers":[5]}`]);
  client.subscribe("a", 0, { identifier: 268_435_455 });
  assert.deepEqual(told(), [`PUBLISH a 'x' qos0 {"subscriptionIdentifiers":[268435455]}`]);
  client.subscribe("a");
  assert.deepEqual(told(), ["PUBLISH a 'x' qos0"]);
});

// --- overlapping subscriptions

test("[MQTT3-3.3.5-1] [MQTT5-3.3.4-2] overlapping subscriptions get one message at the highest QoS", () => {
  for (const version of VERSIONS) {
    const broker = new TestBroker();
    const client = broker.connect("c", version);
    client.subscribe("a/#", 0);
    client.subscribe("a/b", 2);
    client.subscribe("+/b", 1);
    const publisher = broker.connect("p");
    for (const qos of [0, 1, 2] as const) {
      publisher.sendPublish("a/b", "x", { qos, id: 9 });
      assert.deepEqual(
        client.takePublishes().map((message) => message.qos),
        [qos],
      );
    }
  }
});

test("[MQTT5-3.3.4-3] [MQTT5-3.3.4-4] [X-59] it has the Subscription Identifiers of all of them, at every QoS and for both kinds of publisher", () => {
  for (const qos of [0, 1, 2] as const) {
    for (const from of VERSIONS) {
      const broker = new TestBroker();
      const client = broker.connect("c");
      client.subscribe("a/#", qos, { identifier: 7 });
      client.subscribe("a/b", 0, { identifier: 300 });
      client.subscribe("+/b", 0);
      client.subscribe("a/+", 0, { identifier: 7 });
      const other = broker.connect("other");
      other.subscribe("#", 0, { identifier: 1 });
      broker.connect("p", from).sendPublish("a/b", "x", { qos });
      const [message] = client.takePublishes();
      assert.deepEqual(
        message!.properties!.subscriptionIdentifiers!.toSorted((a, b) => a - b),
        [7, 7, 300],
      );
      assert.deepEqual(other.takePublishes()[0]!.properties!.subscriptionIdentifiers, [1]);
    }
  }
});

test("a message that is sent again has its Subscription Identifiers again", () => {
  const broker = new TestBroker();
  const options = { properties: { sessionExpiryInterval: 60 } };
  const client = broker.connect("c", 5, options);
  client.subscribe("a", 1, { identifier: 5 });
  broker.connect("p").sendPublish("a", "x", { qos: 1 });
  const [first] = client.takePublishes();
  client.drop();
  const again = broker.connect("c", 5, { ...options, cleanStart: false });
  const [repeat] = again.takePublishes();
  assert.deepEqual(repeat, { ...first, dup: true });
});

test("a subscription with a Subscription Identifier delivers without it to a session resumed with 3.1.1", () => {
  const broker = new TestBroker();
  const client = broker.connect("c", 5, { properties: { sessionExpiryInterval: 60 } });
  client.subscribe("a", 1, { identifier: 5 });
  client.leave();
  const old = broker.connect("c", 4, { cleanStart: false });
  assert.equal(old.connack!.sessionPresent, true);
  broker.connect("p").sendPublish("a", "x", { qos: 1, properties: { contentType: "t" } });
  const [message] = old.takePublishes();
  assert.equal(message!.properties, undefined);
});

// --- No Local, Retain As Published

test("[MQTT5-3.8.3-3] No Local keeps a client's own messages from it, and no others", () => {
  for (const qos of [0, 1, 2] as const) {
    const broker = new TestBroker();
    const client = broker.connect("c");
    client.subscribe("a", qos, { noLocal: true });
    client.sendPublish("a", "own", { qos });
    assert.deepEqual(
      client.take().filter((packet) => packet.type === "publish"),
      [],
    );
    broker.connect("other").sendPublish("a", "other's", { qos });
    assert.equal(client.takePublishes().length, 1);
  }
});

test("[MQTT5-3.8.3-3] an overlapping subscription without No Local still gets a client's own messages, at its own QoS", () => {
  const broker = new TestBroker();
  const client = broker.connect("c");
  client.subscribe("a", 2, { noLocal: true, identifier: 1 });
  client.subscribe("+", 1, { identifier: 2 });
  client.sendPublish("a", "own", { qos: 2 });
  const own = client.take().find((packet) => packet.type === "publish");
  assert.equal(own!.qos, 1);
  assert.deepEqual(own!.properties!.subscriptionIdentifiers, [2]);
  broker.connect("other").sendPublish("a", "x", { qos: 2 });
  const [message] = client.takePublishes();
  assert.equal(message!.qos, 2);
});

test("[MQTT5-3.8.3-3] No Local goes by Client Identifier: a new connection of the same client counts as local", () => {
  const broker = new TestBroker();
  const client = broker.connect("c", 5, { properties: { sessionExpiryInterval: 60 } });
  client.subscribe("a", 1, { noLocal: true });
  client.leave();
  const again = broker.connect("c", 5, { cleanStart: false });
  again.sendPublish("a", "x", { qos: 1 });
  assert.deepEqual(again.told(), ["PUBACK 1 0x10"]);
});

test("No Local can be switched on and off by subscribing again", () => {
  const broker = new TestBroker();
  const client = broker.connect("c");
  const got = (): number => {
    client.sendPublish("a", "x");
    return client.takePublishes().length;
  };
  client.subscribe("a");
  assert.equal(got(), 1);
  client.subscribe("a", 0, { noLocal: true });
  assert.equal(got(), 0);
  client.subscribe("a");
  assert.equal(got(), 1);
});

test("[MQTT5-3.3.1-12] [MQTT5-3.3.1-13] [MQTT3-3.3.1-9] RETAIN arrives as published where that was asked for, and cleared elsewhere", () => {
  for (const qos of [0, 1, 2] as const) {
    const broker = new TestBroker();
    const cleared = broker.connect("cleared");
    cleared.subscribe("a", qos);
    const kept = broker.connect("kept");
    kept.subscribe("a", qos, { retainAsPublished: true });
    const old = broker.connect("old", 4);
    old.subscribe("a", qos);
    const publisher = broker.connect("p");
    for (const retain of [true, false]) {
      publisher.sendPublish("a", "x", { qos, retain, id: retain ? 1 : 2 });
      assert.deepEqual(
        [cleared, kept, old].map((client) =>
          client.takePublishes().map((message) => message.retain),
        ),
        [[false], [retain], [false]],
      );
    }
  }
});

test("[MQTT5-3.8.3-4] No Local on a Shared Subscription ends the connection", () => {
  const broker = new TestBroker();
  const client = broker.connect("c");
  client.sendHex("82 10 0001 00 000a'$share/g/a' 04");
  assert.deepEqual(client.told(), ["DISCONNECT 0x82", "CLOSED"]);
});

// --- what is not on offer

for (const [what, setting, subscription, identifier, told] of [
  ["[X-41] a wildcard", "wildcardSubscriptionAvailable", "a/#", undefined, "DISCONNECT 0xa2"],
  [
    "[X-42] a Subscription Identifier",
    "subscriptionIdentifiersAvailable",
    "a",
    1,
    "DISCONNECT 0xa1",
  ],
  [
    "[X-43] a Shared Subscription",
    "sharedSubscriptionAvailable",
    "$share/g/a",
    undefined,
    "DISCONNECT 0x9e",
  ],
] as const) {
  test(`${what} that is not on offer ends a 5.0 connection with ${told}`, () => {
    const broker = new TestBroker({ settings: { mqtt: { [setting]: false } } });
    const client = broker.connect("c");
    client.sendSubscribe(
      [[subscription, 0]],
      identifier === undefined ? undefined : { subscriptionIdentifiers: [identifier] },
    );
    assert.deepEqual(client.told(), [told, "CLOSED"]);
    const open = broker.connect("d");
    open.subscribe("a");
  });
}

test("[MQTT3-3.8.3-2] what is not on offer is refused to 3.1.1 in SUBACK", () => {
  const broker = new TestBroker({
    settings: {
      mqtt: { wildcardSubscriptionAvailable: false, sharedSubscriptionAvailable: false },
    },
  });
  const client = broker.connect("c", 4);
  client.sendSubscribe([
    ["a/+", 0],
    ["a", 0],
    ["$share/g/a", 0],
  ]);
  assert.deepEqual(client.told(), ["SUBACK 1 [0x80 0 0x80]"]);
});

// --- UNSUBSCRIBE

for (const version of VERSIONS) {
  test(`[MQTT3-3.10.4-4] [MQTT3-3.10.4-5] [MQTT3-3.10.4-6] [MQTT5-3.10.4-4] [MQTT5-3.10.4-5] [MQTT5-3.10.4-6] [MQTT5-3.11.3-1] [MQTT5-3.11.3-2] [X-13] ${NAME_OF_VERSION[version]}: one UNSUBACK, also where there was nothing`, () => {
    const broker = new TestBroker();
    const client = broker.connect("c", version);
    client.subscribe("a", 0);
    client.subscribe("b/#", 0);
    client.sendUnsubscribe(["x", "a", "b/+", "b/#"], 77);
    assert.deepEqual(client.told(), [
      version === 5 ? "UNSUBACK 77 [0x11 0 0x11 0]" : "UNSUBACK 77",
    ]);
    assert.equal(broker.engine.topicTree.size, 0);
  });

  test(`[MQTT3-3.10.4-1] [MQTT3-3.10.4-2] [MQTT5-3.10.4-1] [MQTT5-3.10.4-2] ${NAME_OF_VERSION[version]}: the filter itself is meant, not what it matches`, () => {
    const broker = new TestBroker();
    const client = broker.connect("c", version);
    client.subscribe("a/b", 0);
    client.subscribe("a/+", 0);
    client.sendUnsubscribe(["a/+", "#"]);
    client.take();
    client.sendPublish("a/b", "x");
    client.sendPublish("a/c", "x");
    assert.deepEqual(client.told(), ["PUBLISH a/b 'x' qos0"]);
    client.sendUnsubscribe(["a/b"]);
    client.take();
    client.sendPublish("a/b", "x");
    assert.deepEqual(client.told(), []);
  });

  test(`[MQTT3-3.10.4-3] [MQTT5-3.10.4-3] ${NAME_OF_VERSION[version]}: a QoS 2 delivery that began before is completed`, () => {
    const broker = new TestBroker();
    const client = broker.connect("c", version);
    client.subscribe("a", 2);
    broker.connect("p").sendPublish("a", "x", { qos: 2 });
    const [message] = client.takePublishes();
    client.sendUnsubscribe(["a"]);
    client.take();
    client.sendAcknowledgement("pubrec", message!.packetIdentifier!);
    assert.deepEqual(client.told(), [`PUBREL ${message!.packetIdentifier}`]);
    client.sendAcknowledgement("pubcomp", message!.packetIdentifier!);
    assert.deepEqual(client.told(), []);
    assert.equal(broker.engine.sessions.get("c")!.outbound!.size, 0);
  });
}

// --- who subscribed is told, others are not

test("one publish reaches every session once, of every version", () => {
  const broker = new TestBroker();
  const clients = Array.from({ length: 60 }, (_, i) => {
    const client = broker.connect(`c${i}`, VERSIONS[i % 3]!);
    client.subscribe("a/#", (i % 3) as QoS);
    return client;
  });
  broker.connect("bystander").subscribe("b");
  const publisher = broker.connect("p");
  publisher.sendPublish("a/b", "x", { qos: 2 });
  clients.forEach((client, i) => {
    const messages = client.takePublishes();
    assert.deepEqual(
      messages.map((message) => message.qos),
      [i % 3],
    );
  });
  assert.equal(broker.engine.counters.publishSent, 60);
});

test("a subscription counts for what comes next, and an ended one no more", () => {
  const broker = new TestBroker();
  const client = broker.connect("c");
  const publisher = broker.connect("p");
  for (let i = 0; i < 50; i++) {
    client.sendSubscribe([["a", 0]]);
    broker.settle();
    publisher.sendPublish("a", String(i));
    broker.settle();
    client.sendUnsubscribe(["a"]);
    broker.settle();
    publisher.sendPublish("a", "never");
    broker.settle();
  }
  const payloads = client
    .take()
    .flatMap((packet) =>
      packet.type === "publish" ? [Buffer.from(packet.payload).toString()] : [],
    );
  assert.deepEqual(
    payloads,
    Array.from({ length: 50 }, (_, i) => String(i)),
  );
});

test("sessions that end leave the subscriptions of others alone, and numbers are used again", () => {
  const broker = new TestBroker();
  const stays = broker.connect("stays");
  stays.subscribe("a/+");
  for (let round = 0; round < 5; round++) {
    const leaving = Array.from({ length: 40 }, (_, i) => broker.connect(`l${i}`));
    for (const client of leaving) {
      client.subscribe("a/+");
      client.subscribe(`own/${round}`);
    }
    for (const client of leaving) client.leave();
    broker.connect("p").sendPublish("a/x", String(round));
    assert.deepEqual(stays.told(), [`PUBLISH a/x '${round}' qos0`]);
    broker.settle();
    assert.equal(broker.engine.topicTree.size, 1);
  }
  assert.ok(broker.engine.sessions.end <= 45);
});

// --- very large packets

test("a SUBSCRIBE and an UNSUBSCRIBE of very many filters are handled a part a turn; others have their turn, and packets behind wait", () => {
  for (const isAsked of [false, true]) {
    const broker = new TestBroker({
      settings: { limits: { packetsPerTurn: 100 } },
      hooks: isAsked ? { authorizeSubscribe: () => true } : {},
    });
    const client = broker.connect("c", 4);
    const other = broker.connect("other", 4);
    const filters = Array.from({ length: 5000 }, (_, i) => `t/${i}`);
    const before = broker.engine.turn;
    client.sendSubscribe(filters.map((filter) => [filter, 0] as const));
    client.send({ type: "pingreq" });
    let isOtherServed = false;
    const { onData } = client;
    other.onData = () => (isOtherServed = true);
    client.onData = function (bytes, start, end) {
      assert.ok(isOtherServed, "the other client waited for all of it");
      onData.call(client, bytes, start, end);
    };
    other.send({ type: "pingreq" });
    const [suback, ...rest] = client.take();
    assert.equal(suback?.type === "suback" && suback.reasonCodes.length, 5000);
    assert.deepEqual(
      rest.map(({ type }) => type),
      ["pingresp"],
    );
    assert.ok(broker.engine.turn - before >= 50);
    client.sendUnsubscribe(filters);
    client.send({ type: "pingreq" });
    assert.deepEqual(client.told(), ["UNSUBACK 2", "PINGRESP"]);
    assert.equal(broker.engine.topicTree.size, 0);
  }
});

test("a SUBSCRIBE of more than 10 000 filters, and more than a session may have, ends the connection: 0x97", () => {
  for (const version of VERSIONS) {
    const broker = new TestBroker({ settings: { session: { subscriptionsMaximum: 10 } } });
    const client = broker.connect("c", version);
    client.sendSubscribe(Array.from({ length: 10_001 }, () => ["a", 0] as const));
    assert.deepEqual(client.told(), version === 5 ? ["DISCONNECT 0x97", "CLOSED"] : ["CLOSED"]);
    assert.equal(broker.engine.topicTree.size, 0);
  }
});

test("a client that is gone in the middle of its SUBSCRIBE has no further effect", () => {
  const broker = new TestBroker({ settings: { limits: { packetsPerTurn: 10 } } });
  const client = broker.connect("c", 4, { cleanStart: false });
  client.sendSubscribe(Array.from({ length: 1000 }, (_, i) => [`t/${i}`, 0] as const));
  client.sendDisconnect();
  const [connection] = broker.engine.connections;
  for (let i = 0; i < 5; i++) connection!.engine.enter();
  client.brokerLink.cut(true);
  broker.settle();
  assert.ok(broker.engine.topicTree.size < 1000);
  assert.equal(broker.engine.connections.size, 0);
});

test("subscribing again and again to what is retained keeps one replay for each filter", () => {
  const broker = new TestBroker();
  const publisher = broker.connect("p");
  for (let i = 0; i < 100; i++) {
    publisher.sendPublish(`r/${i}`, "x", { retain: true, qos: 1, id: i + 1 });
  }
  publisher.take();
  const client = broker.connect("c", 5, { properties: { receiveMaximum: 1 } });
  for (let i = 0; i < 1000; i++) client.sendSubscribe([["r/#", 1]]);
  broker.settle();
  assert.equal(broker.engine.sessions.get("c")!.replays!.size, 1);
});

test("an UNSUBSCRIBE of more than 10 000 filters, and more than a session may have, ends the connection: 0x97", () => {
  for (const version of VERSIONS) {
    const broker = new TestBroker({ settings: { session: { subscriptionsMaximum: 10 } } });
    const client = broker.connect("c", version);
    client.sendUnsubscribe(Array.from({ length: 10_001 }, () => "a"));
    assert.deepEqual(client.told(), version === 5 ? ["DISCONNECT 0x97", "CLOSED"] : ["CLOSED"]);
  }
});
