import assert from "node:assert/strict";
import { test } from "node:test";
import type { QoS, SubscriptionRequest } from "@sericite/protocol";
import { NAME_OF_VERSION, TestBroker, VERSIONS } from "../test-broker.test-support.ts";
import type { WireClient } from "../wire-client.test-support.ts";

/** Subscribes and gives what came with SUBACK and behind it, without Packet Identifiers. */
function subscribe(
  client: WireClient,
  topicFilter: string,
  qos: QoS = 0,
  options: Partial<SubscriptionRequest> = {},
): string[] {
  client.sendSubscribe([{ topicFilter, qos, ...options }]);
  return client
    .told()
    .filter((line) => line.startsWith("PUBLISH"))
    .map((line) => line.replace(/ #\d+/, ""));
}

for (const version of VERSIONS) {
  const name = NAME_OF_VERSION[version];

  test(`[MQTT3-3.3.1-5] [MQTT3-3.3.1-6] [MQTT3-3.3.1-8] [MQTT5-3.3.1-5] [MQTT5-3.3.1-9] [X-45] [X-103] ${name}: a new subscription gets the last retained message of each Topic Name, with RETAIN 1`, () => {
    const broker = new TestBroker();
    const publisher = broker.connect("p", version);
    publisher.sendPublish("a/1", "old", { retain: true });
    publisher.sendPublish("a/1", "new", { retain: true, qos: 1 });
    publisher.sendPublish("a/2", "two", { retain: true, qos: 2, id: 2 });
    publisher.sendPublish("b", "other", { retain: true });
    const client = broker.connect("c", version);
    assert.deepEqual(subscribe(client, "a/+", 2).toSorted(), [
      "PUBLISH a/1 'new' qos1 retain",
      "PUBLISH a/2 'two' qos2 retain",
    ]);
    assert.deepEqual(subscribe(client, "b", 2), ["PUBLISH b 'other' qos0 retain"]);
  });

  test(`[MQTT3-3.3.1-10] [MQTT3-3.3.1-11] [MQTT5-3.3.1-6] [MQTT5-3.3.1-7] [X-123] ${name}: an empty payload is delivered and removes the retained message`, () => {
    const broker = new TestBroker();
    const listener = broker.connect("l", version);
    listener.subscribe("a", 0);
    const publisher = broker.connect("p", version);
    publisher.sendPublish("a", "x", { retain: true });
    publisher.sendPublish("a", "", { retain: true });
    assert.deepEqual(listener.told(), ["PUBLISH a 'x' qos0", "PUBLISH a '' qos0"]);
    assert.deepEqual(subscribe(broker.connect("c", version), "#"), []);
    assert.equal(broker.engine.retained.count, 0);
    assert.equal(broker.engine.retained.bytes, 0);
  });

  test(`[MQTT3-3.3.1-12] [MQTT5-3.3.1-8] ${name}: RETAIN 0 neither stores nor removes`, () => {
    const broker = new TestBroker();
    const publisher = broker.connect("p", version);
    publisher.sendPublish("a", "kept", { retain: true });
    publisher.sendPublish("a", "passing");
    publisher.sendPublish("a", "");
    assert.deepEqual(subscribe(broker.connect("c", version), "a"), [
      "PUBLISH a 'kept' qos0 retain",
    ]);
  });

  test(`[MQTT3-3.1.2-7] [X-71] [X-105] ${name}: retained messages outlive the session that sent them`, () => {
    const broker = new TestBroker();
    const publisher = broker.connect("p", version);
    publisher.sendPublish("a", "x", { retain: true });
    publisher.leave();
    broker.advance(1_000_000_000);
    assert.deepEqual(subscribe(broker.connect("c", version), "a"), ["PUBLISH a 'x' qos0 retain"]);
  });

  test(`[MQTT3-3.8.4-3] [MQTT5-3.8.4-4] ${name}: subscribing again sends them again`, () => {
    const broker = new TestBroker();
    broker.connect("p").sendPublish("a", "x", { retain: true });
    const client = broker.connect("c", version);
    for (let i = 0; i < 3; i++)
      assert.deepEqual(subscribe(client, "a"), ["PUBLISH a 'x' qos0 retain"]);
  });
}

for (const [handling, first, again] of [
  [0, 1, 1],
  [1, 1, 0],
  [2, 0, 0],
] as const) {
  test(`[MQTT5-3.3.1-9] [MQTT5-3.3.1-10] [MQTT5-3.3.1-11] Retain Handling ${handling} sends ${first} at first and ${again} to a subscription that is there`, () => {
    const broker = new TestBroker();
    broker.connect("p").sendPublish("a", "x", { retain: true });
    const client = broker.connect("c");
    const options = { retainHandling: handling };
    assert.equal(subscribe(client, "a", 0, options).length, first);
    assert.equal(subscribe(client, "a", 0, options).length, again);
    client.sendUnsubscribe(["a"]);
    assert.equal(subscribe(client, "a", 0, options).length, first);
  });
}

test("[MQTT5-3.3.1-10] Retain Handling 1 counts a subscription that a resumed session brings along", () => {
  const broker = new TestBroker();
  const options = { properties: { sessionExpiryInterval: 60 } };
  const client = broker.connect("c", 5, options);
  client.subscribe("a");
  client.leave();
  broker.connect("p").sendPublish("a", "x", { retain: true });
  const again = broker.connect("c", 5, { ...options, cleanStart: false });
  assert.deepEqual(subscribe(again, "a", 0, { retainHandling: 1 }), []);
});

test("retained messages come with the lower QoS, their properties and the Subscription Identifier", () => {
  const broker = new TestBroker();
  broker
    .connect("p")
    .sendPublish("a", "x", { retain: true, qos: 2, properties: { contentType: "t" } });
  const client = broker.connect("c");
  client.sendSubscribe([["#", 1]], { subscriptionIdentifiers: [9] });
  const [, line] = client.told();
  assert.match(
    line!,
    /^PUBLISH a 'x' qos1 #\d+ retain \{"contentType":"t","subscriptionIdentifiers":\[9\]\}$/,
  );
  const old = broker.connect("old", 4);
  assert.deepEqual(subscribe(old, "#", 0), ["PUBLISH a 'x' qos0 retain"]);
});

test("[MQTT5-3.8.3-3] No Local holds for retained messages too", () => {
  const broker = new TestBroker();
  const client = broker.connect("c");
  client.sendPublish("a", "own", { retain: true });
  broker.connect("p").sendPublish("b", "other's", { retain: true });
  broker.settle();
  assert.deepEqual(subscribe(client, "#", 0, { noLocal: true }), [
    "PUBLISH b 'other's' qos0 retain",
  ]);
});

test("[MQTT3-4.7.2-1] [MQTT5-4.7.2-1] a leading wildcard does not get retained messages of $-topics", () => {
  const broker = new TestBroker({ settings: { mqtt: { allowDollarTopics: true } } });
  broker.connect("p").sendPublish("$a/b", "x", { retain: true });
  const client = broker.connect("c");
  assert.deepEqual(subscribe(client, "#"), []);
  assert.deepEqual(subscribe(client, "+/b"), []);
  assert.deepEqual(subscribe(client, "$a/#"), ["PUBLISH $a/b 'x' qos0 retain"]);
});

test("[X-78] a Shared Subscription gets no retained messages", () => {
  const broker = new TestBroker();
  broker.connect("p").sendPublish("a", "x", { retain: true });
  assert.deepEqual(subscribe(broker.connect("c"), "$share/g/a", 1), []);
});

// --- expiry

test("[X-46] an expired retained message is none any more; what is left of its time goes out", () => {
  const broker = new TestBroker();
  broker
    .connect("p")
    .sendPublish("a", "x", { retain: true, properties: { messageExpiryInterval: 10 } });
  broker.advance(4000);
  const client = broker.connect("c");
  assert.deepEqual(subscribe(client, "a"), [
    `PUBLISH a 'x' qos0 retain {"messageExpiryInterval":6}`,
  ]);
  broker.advance(6000);
  assert.deepEqual(subscribe(client, "a"), []);
  assert.equal(broker.engine.retained.count, 0);
  assert.equal(broker.engine.retained.bytes, 0);
});

// --- bounds

test("the broker's own retained messages take no place of its clients'", () => {
  const limits = { retainedMessages: 1, retainedBytes: 500 };
  const broker = new TestBroker({ settings: { limits, sys: { interval: 1000 } } });
  broker.advance(2000);
  assert.ok(broker.engine.retained.count > 10);
  broker.connect("p").sendPublish("a", "x", { retain: true });
  broker.settle();
  assert.ok(broker.engine.retained.get("a") !== undefined);
  broker.advance(2000);
  broker.connect("q").sendPublish("b", "x", { retain: true });
  broker.settle();
  assert.equal(broker.engine.retained.get("b"), undefined);
});

test("limits.retainedMessages: new Topic Names are not retained, known ones are replaced, removal makes room", () => {
  const broker = new TestBroker({ settings: { limits: { retainedMessages: 2 } } });
  const dropped = broker.listen("messageDropped");
  const listener = broker.connect("l");
  listener.subscribe("#");
  const publisher = broker.connect("p");
  const retain = (topicName: string, payload: string): void => {
    publisher.sendPublish(topicName, payload, { retain: true });
    broker.settle();
  };
  for (const topicName of ["a", "b", "c"]) retain(topicName, "1");
  retain("a", "2");
  assert.deepEqual(subscribe(broker.connect("c"), "#").toSorted(), [
    "PUBLISH a '2' qos0 retain",
    "PUBLISH b '1' qos0 retain",
  ]);
  assert.equal(listener.takePublishes().length, 4, "delivered all the same");
  assert.deepEqual(dropped, [{ reason: "retained-full", clientId: "", topicName: "c", qos: 0 }]);
  assert.equal(broker.engine.drops["retained-full"], 1);
  retain("b", "");
  retain("c", "3");
  assert.equal(broker.engine.retained.get("c")!.payloadLength, 1);
});

test("limits.retainedBytes bounds what retained messages hold together", () => {
  const broker = new TestBroker({ settings: { limits: { retainedBytes: 1000 } } });
  const publisher = broker.connect("p");
  for (let i = 0; i < 10; i++) {
    publisher.sendPublish(`t${i}`, Buffer.alloc(200), { retain: true });
    broker.settle();
    assert.ok(broker.engine.retained.bytes <= 1000);
  }
  assert.equal(broker.engine.retained.count, 4);
  assert.equal(broker.engine.drops["retained-full"], 6);
  // A smaller message in the place of a larger one is no problem.
  publisher.sendPublish("t0", "x", { retain: true });
  publisher.sendPublish("t9", Buffer.alloc(150), { retain: true });
  broker.settle();
  assert.equal(broker.engine.retained.count, 5);
});

test("a maximum of 0 is no maximum", () => {
  const broker = new TestBroker({
    settings: { limits: { retainedMessages: 0, retainedBytes: 0 } },
  });
  broker.connect("p").sendPublish("a", "x", { retain: true });
  assert.deepEqual(subscribe(broker.connect("c"), "a"), ["PUBLISH a 'x' qos0 retain"]);
});

// --- many

test("100 000 retained messages come one after the other, in slices, while others are served", () => {
  const broker = new TestBroker();
  const count = 100_000;
  const publisher = broker.connect("p", 4);
  let bytes: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const name = Buffer.from(`r/${i >> 8}/${i & 255}`);
    bytes.push(
      Uint8Array.of(0x31, 4 + name.length, 0, name.length),
      name,
      Uint8Array.of((i >> 8) & 255, i & 255),
    );
    if (i % 4000 === 3999) {
      publisher.sendBytes(Buffer.concat(bytes));
      broker.settle();
      bytes = [];
    }
  }
  assert.equal(broker.engine.retained.count, count);

  const pong = broker.connect("pong");
  pong.subscribe("ping");
  const receiver = broker.connect("receiver", 4);
  const session = broker.engine.sessions.get("receiver")!;
  let received = 0;
  let longest = 0;
  let pings = 0;
  let sentPings = 0;
  receiver.onData = (_data, start, end) => {
    received += end - start;
    longest = Math.max(longest, session.queue?.length ?? 0);
    // Another client's message goes through while the retained ones flow.
    if (sentPings < 100) {
      sentPings++;
      publisher.sendPublish("ping", String(received));
    }
  };
  const { onData } = pong;
  const atPing: number[] = [];
  pong.onData = function (data, start, end) {
    atPing.push(received);
    onData.call(pong, data, start, end);
  };
  const turnBefore = broker.engine.turn;
  receiver.sendSubscribe([["r/#", 0]]);
  broker.settle();
  pings = pong.takePublishes().length;
  const all = received;
  assert.ok(all > count * 10);
  assert.ok(longest <= 64, `${longest} waited at once`);
  assert.equal(session.replays, undefined);
  assert.ok(broker.engine.turn - turnBefore > 5, "in several turns");
  assert.ok(pings >= 3, `${pings} messages of others`);
  assert.ok(atPing[0]! < all / 2, "the first of them was served early");
});

test("retained messages wait for a receiver with little quota, and live messages stand in the same line", () => {
  const broker = new TestBroker();
  const publisher = broker.connect("p");
  for (let i = 0; i < 500; i++) {
    publisher.sendPublish(`r/${i}`, "x", { retain: true, qos: 1, id: i + 1 });
    publisher.take();
  }
  const client = broker.connect("c", 5, { properties: { receiveMaximum: 10 } });
  client.sendSubscribe([["r/#", 1]]);
  const names = new Set<string>();
  let live = 0;
  for (let round = 0; round < 60; round++) {
    for (const packet of client.take()) {
      if (packet.type !== "publish") continue;
      if (packet.retain) names.add(packet.topicName);
      else live++;
      client.sendAcknowledgement("puback", packet.packetIdentifier!);
    }
    assert.ok((broker.engine.sessions.get("c")!.queue?.length ?? 0) <= 65);
    if (round === 5) publisher.sendPublish("r/live", "x", { qos: 1 });
  }
  assert.equal(names.size, 500);
  assert.equal(live, 1);
});

test("UNSUBSCRIBE ends a replay that is under way", () => {
  const broker = new TestBroker();
  const publisher = broker.connect("p");
  for (let i = 0; i < 300; i++)
    publisher.sendPublish(`r/${i}`, "x", { retain: true, qos: 1, id: i + 1 });
  publisher.take();
  const client = broker.connect("c", 5, { properties: { receiveMaximum: 1 } });
  client.sendSubscribe([["r/#", 1]]);
  client.take();
  client.sendUnsubscribe(["r/#"]);
  broker.settle();
  assert.equal(broker.engine.sessions.get("c")!.replays?.size ?? 0, 0);
});

test("a session that detaches in the middle of a replay gets the rest when it comes back", () => {
  const broker = new TestBroker();
  const publisher = broker.connect("p");
  for (let i = 0; i < 300; i++)
    publisher.sendPublish(`r/${i}`, "x", { retain: true, qos: 1, id: i + 1 });
  publisher.take();
  const options = { properties: { sessionExpiryInterval: 60, receiveMaximum: 50 } };
  const client = broker.connect("c", 5, options);
  client.sendSubscribe([["r/#", 1]]);
  const names = new Set<string>();
  for (const packet of client.take()) if (packet.type === "publish") names.add(packet.topicName);
  client.drop();
  const again = broker.connect("c", 5, { ...options, cleanStart: false });
  for (let round = 0; round < 20; round++) {
    for (const packet of again.takePublishes()) {
      names.add(packet.topicName);
      again.sendAcknowledgement("puback", packet.packetIdentifier!);
    }
  }
  assert.equal(names.size, 300);
});

test("a long stretch of retained messages that the subscription does not get does not end the replay", () => {
  const broker = new TestBroker();
  const client = broker.connect("c", 5);
  for (let i = 0; i < 2000; i++) client.sendPublish(`r/${i}`, "own", { retain: true });
  broker.connect("p").sendPublish("r/other", "other's", { retain: true });
  broker.settle();
  client.subscribe("r/#", 0, { noLocal: true });
  assert.deepEqual(client.told(), ["PUBLISH r/other 'other's' qos0 retain"]);
});

test("a retained message is given as it was published, whoever published it and however large it is", () => {
  const broker = new TestBroker();
  const publishers = ["plain", "mësser", "Ã©", "é", "plain2"];
  const payload = (index: number): Buffer => Buffer.alloc(index * 1500 + 1, 97 + index);
  publishers.forEach((clientId, index) => {
    const publisher = broker.connect(clientId);
    for (const topicName of [`r/${clientId}`, `r/ü/${index}`])
      publisher.sendPublish(topicName, payload(index), {
        retain: true,
        properties: { userProperties: [["from", clientId]] },
      });
  });
  broker.settle();
  publishers.forEach((clientId, index) => {
    const message = broker.engine.retained.get(`r/${clientId}`)!;
    assert.equal(message.publisher, clientId);
    assert.equal(message.topicName, `r/${clientId}`);
    assert.deepEqual(Buffer.from(message.payload()), payload(index));
    const client = broker.connect("c");
    client.subscribe(`r/ü/${index}`);
    const [packet] = client.takePublishes();
    assert.deepEqual(Buffer.from(packet!.payload), payload(index));
    assert.deepEqual(packet!.properties?.userProperties, [["from", clientId]]);
  });
});
