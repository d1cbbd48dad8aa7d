import assert from "node:assert/strict";
import { test } from "node:test";
import type { Properties, PublishPacket, Will } from "@sericite/protocol";
import { utf8 } from "../spelling.test-support.ts";
import { SETTLED_UNSAFE } from "./backlog.ts";
import { TestBroker } from "../test-broker.test-support.ts";
import type { Outage } from "../test-broker.test-support.ts";
import type { ConnectOptions, WireClient } from "../wire-client.test-support.ts";

const DAY = 86_400_000;

/** A CONNECT of a session that lives on for so many seconds. */
function lasting(sessionExpiryInterval = 3600, cleanStart = false): ConnectOptions {
  return { cleanStart, properties: { sessionExpiryInterval } };
}

/** A retained Will for the topic of its client, whose presence shows that it was published. */
function willOf(clientId: string, properties?: Properties): Will {
  return { topicName: `will/${clientId}`, payload: utf8("gone"), qos: 1, retain: true, properties };
}

const isGone = (broker: TestBroker, clientId: string): boolean =>
  broker.engine.retained.get(`will/${clientId}`) !== undefined;

const exists = (broker: TestBroker, clientId: string): boolean =>
  broker.engine.sessions.get(clientId) !== undefined;

const payloadsOf = (client: WireClient): string[] =>
  client.takePublishes().map(({ payload }) => new TextDecoder().decode(payload));

/** A durable broker with a session that collects everything, and whose client is away. */
function collected(): TestBroker {
  const broker = new TestBroker({ durable: true });
  const client = broker.connect("collector", 5, lasting(604_800));
  client.subscribe("#", 2);
  client.leave();
  return broker;
}

/** What came to the session that collects everything. */
function collect(broker: TestBroker): string[] {
  const client = broker.connect("collector", 5, lasting(604_800));
  const packets = client.takePublishes();
  for (const { packetIdentifier, qos } of packets)
    client.sendAcknowledgement(qos === 1 ? "puback" : "pubrec", packetIdentifier!);
  client.take();
  for (const { packetIdentifier, qos } of packets)
    if (qos === 2) client.sendAcknowledgement("pubcomp", packetIdentifier!);
  broker.settle();
  client.leave();
  return packets.map(
    ({ topicName, payload }) => `${topicName} ${new TextDecoder().decode(payload)}`,
  );
}

/** How a process may end and begin; `passes`: what store time goes on by meanwhile. */
const outages: readonly (Outage & { readonly what: string; readonly passes: number })[] = [
  { what: "goes on", lasts: 40_000, passes: 40_000 },
  { what: "goes on where nothing passed", lasts: 0, passes: 0 },
  { what: "stands where the wall clock went back", lasts: 40_000, wallClockJumps: -DAY, passes: 0 },
  {
    what: "stands where the wall clock starts in 1970",
    lasts: 40_000,
    wallClockJumps: -1_799_999_000_000,
    passes: 0,
  },
];

for (const { what, passes, ...outage } of outages) {
  test(`[X-23] a Session Expiry Interval ${what}`, () => {
    const before = new TestBroker({ durable: true });
    before.connect("s", 5, lasting(100)).leave();
    before.advance(20_000);
    before.connect("other", 5, lasting()).leave(); // A mark goes with its record.
    const broker = before.restart(outage);
    broker.advance(79_900 - passes);
    assert.ok(exists(broker, "s"), "it ended too early");
    broker.advance(200);
    assert.ok(!exists(broker, "s"), "it did not end");
  });

  test(`[MQTT5-3.3.2-5] [MQTT5-3.3.2-6] a Message Expiry Interval ${what}`, () => {
    const before = collected();
    const publisher = before.connect("p");
    publisher.sendPublish("short", "x", { qos: 1, properties: { messageExpiryInterval: 50 } });
    publisher.sendPublish("long", "x", {
      qos: 1,
      retain: true,
      properties: { messageExpiryInterval: 100 },
    });
    before.advance(15_000);
    before.connect("other", 5, lasting()).leave();
    const broker = before.restart(outage);
    const client = broker.connect("collector", 5, lasting());
    const expiries = client
      .takePublishes()
      .map(({ topicName, properties }) => [topicName, properties?.messageExpiryInterval]);
    const left = [
      ["short", 35 - passes / 1000],
      ["long", 85 - passes / 1000],
    ];
    assert.deepEqual(
      expiries,
      left.filter(([, seconds]) => Number(seconds) > 0),
    );
    broker.advance(84_900 - passes);
    const late = broker.connect("late");
    late.sendSubscribe([["long", 0]]);
    assert.equal(late.take().length, 2);
    broker.advance(200);
    const later = broker.connect("later");
    later.sendSubscribe([["long", 0]]);
    assert.equal(later.take().length, 1);
  });

  test(`[MQTT5-3.1.2-8] a Will Delay Interval ${what}`, () => {
    const before = new TestBroker({ durable: true });
    before
      .connect("s", 5, { ...lasting(3600), will: willOf("s", { willDelayInterval: 100 }) })
      .drop();
    before.advance(20_000);
    before.connect("other", 5, lasting()).leave();
    const broker = before.restart(outage);
    broker.advance(79_900 - passes);
    assert.ok(!isGone(broker, "s"), "it came too early");
    broker.advance(200);
    assert.ok(isGone(broker, "s"), "it did not come");
  });

  test(`the delay of a message below $delayed/ ${what}`, () => {
    const before = collected();
    before.connect("c").sendPublish("$delayed/100/a", "late", { qos: 2 });
    before.advance(20_000);
    before.connect("other", 5, lasting()).leave();
    const broker = before.restart(outage);
    broker.advance(79_900 - passes);
    assert.deepEqual(collect(broker), []);
    broker.advance(200);
    assert.deepEqual(collect(broker), ["a late"]);
  });
}

test("a wall clock that is set while the process runs ends and delays nothing", () => {
  for (const jump of [DAY, -DAY]) {
    const before = new TestBroker({ durable: true });
    before.connect("s", 5, lasting(100)).leave();
    before.events.clock.jumpWallTime(jump);
    before.advance(70_000);
    const broker = before.restart({ lasts: 20_000 });
    broker.advance(9900);
    assert.ok(exists(broker, "s"));
    broker.advance(200);
    assert.ok(!exists(broker, "s"));
  }
});

test("a record that is younger than the present after a restart makes no interval longer", () => {
  const before = new TestBroker({ durable: true });
  before.advance(9000);
  before.connect("s", 5, lasting(100)).leave();
  const broker = before.restart({ wallClockJumps: -DAY });
  broker.advance(99_900);
  assert.ok(exists(broker, "s"));
  broker.advance(200);
  assert.ok(!exists(broker, "s"));
});

test("a session that was attached at the crash lives on from then, or a little later", () => {
  const before = new TestBroker({ durable: true });
  before.connect("s", 5, lasting(100));
  before.advance(30_000);
  // The only mark is 31 s old, so the connection may have lasted 29 s more for all that is known.
  const broker = before.restart({ lasts: 120_000 });
  broker.advance(8900);
  assert.ok(exists(broker, "s"));
  const again = broker.restart({ lasts: 0 });
  again.advance(200);
  assert.ok(!exists(again, "s"), "the time without a connection began anew");
});

test("[MQTT5-4.1.0-1] [MQTT3-4.1.0-1] a session with a Session Expiry Interval of 0 ends with the process", () => {
  const before = new TestBroker({ durable: true });
  before.connect("s", 5, lasting(100)).leave();
  const client = before.connect("s", 5, { ...lasting(0), will: willOf("s") });
  assert.equal(client.connack?.sessionPresent, true);
  const broker = before.restart();
  assert.ok(!exists(broker, "s"));
  assert.ok(isGone(broker, "s"));
  assert.ok(!exists(broker.restart(), "s"));
});

test("a session that never expires outlives any outage", () => {
  const settings = { session: { maximumExpiryInterval: 0xffff_ffff } };
  const before = new TestBroker({ durable: true, settings });
  before.connect("s", 5, lasting(0xffff_ffff)).leave();
  const broker = before.restart({ lasts: 4000 * DAY });
  assert.ok(exists(broker, "s"));
  broker.advance(2 * DAY);
  assert.ok(exists(broker, "s"));
});

for (const [what, connect, isDue] of [
  ["without a stored session", { will: willOf("c") }, true],
  ["whose session ends with it", { ...lasting(0, true), will: willOf("c") }, true],
  ["whose session lives on", { ...lasting(), will: willOf("c") }, true],
  [
    "with a Will Delay Interval that is over",
    { ...lasting(), will: willOf("c", { willDelayInterval: 60 }) },
    true,
  ],
  [
    "with a Will Delay Interval that is not over",
    { ...lasting(), will: willOf("c", { willDelayInterval: 300 }) },
    false,
  ],
  [
    "whose Session Expiry Interval is over before its Will Delay Interval",
    { ...lasting(30), will: willOf("c", { willDelayInterval: 300 }) },
    true,
  ],
] as const) {
  test(`[MQTT5-3.1.2-8] [MQTT3-3.1.2-8] the Will of a connection ${what} is published ${isDue ? "before anybody is let in" : "in time"}, once`, () => {
    const before = collected();
    before.connect("c", 5, connect);
    const broker = before.restart({ lasts: 130_000 });
    assert.equal(isGone(broker, "c"), isDue);
    if (!isDue) broker.advance(300_000);
    const again = broker.restart();
    again.advance(600_000);
    assert.deepEqual(collect(again), ["will/c gone"]);
    assert.equal(again.engine.counters.willsPublished, 0);
  });
}

test("a Will that was published in a batch which did not survive is published again, and once", () => {
  for (const tail of [0, 1]) {
    const before = collected();
    before.connect("c", 5, { will: willOf("c") });
    const dying = before.restart({ stalls: true });
    assert.ok(isGone(dying, "c"));
    const broker = dying.restart({ tail });
    assert.equal(broker.engine.counters.willsPublished, 1 - tail);
    assert.deepEqual(collect(broker), ["will/c gone"]);
  }
});

test("[MQTT5-3.1.3-9] no Will comes of a session that is resumed in time after a crash", () => {
  const before = collected();
  before.connect("c", 5, { ...lasting(), will: willOf("c", { willDelayInterval: 100 }) });
  const broker = before.restart({ lasts: 10_000 });
  broker.connect("c", 5, lasting());
  broker.advance(200_000);
  assert.deepEqual(collect(broker), []);
  assert.deepEqual(collect(broker.restart()), []);
});

test("[MQTT5-3.1.3-10] a Will keeps its properties and its expiry through a crash", () => {
  const before = new TestBroker({ durable: true });
  const properties: Properties = {
    willDelayInterval: 60,
    messageExpiryInterval: 90,
    contentType: "text",
    userProperties: [["a", "b"]],
  };
  before.connect("c", 5, { ...lasting(), will: willOf("c", properties) }).drop();
  const broker = before.restart({ lasts: 30_000 });
  const watcher = broker.connect("watcher");
  watcher.subscribe("will/c", 1);
  broker.advance(30_000);
  const [message] = watcher.takePublishes();
  assert.deepEqual(message?.properties, {
    messageExpiryInterval: 90,
    contentType: "text",
    userProperties: [["a", "b"]],
  });
});

test("a Will below $delayed/ waits as long as it asked for, once it is published", () => {
  const before = collected();
  const will = { ...willOf("c"), topicName: "$delayed/50/will/c" };
  before.connect("c", 5, { will });
  const broker = before.restart();
  broker.advance(30_000);
  const again = broker.restart({ lasts: 10_000 });
  assert.deepEqual(collect(again), []);
  again.advance(10_000);
  assert.deepEqual(collect(again), ["will/c gone"]);
});

test("what was due while no process ran comes in the order of its times, and before anybody is let in", () => {
  const before = collected();
  before.connect("c", 5, { ...lasting(), will: willOf("c", { willDelayInterval: 20 }) }).drop();
  const client = before.connect("d");
  client.sendPublish("$delayed/30/a", "30", { qos: 1 });
  client.sendPublish("$delayed/10/a", "10", { qos: 1 });
  client.sendPublish("$delayed/1000/a", "1000", { qos: 1 });
  before.settle();
  const broker = before.restart({ lasts: 100_000 });
  assert.deepEqual(broker.logged("caught-up")[0]?.fields, {
    message: "what fell due while no broker ran was done",
    sessionsEnded: 0,
    willsPublished: 1,
    delayedPublished: 2,
  });
  assert.deepEqual(collect(broker), ["a 10", "will/c gone", "a 30"]);
  assert.equal(broker.engine.delayed.count, 1);
});

test("PUBACK and PUBREC of a delayed message wait for its record", () => {
  const broker = new TestBroker({ durable: true });
  const client = broker.connect("c");
  for (const [qos, answer] of [
    [1, "PUBACK 5"],
    [2, "PUBREC 5"],
  ] as const) {
    broker.store.stall();
    client.sendPublish("$delayed/60/a", "x", { qos, id: 5 });
    assert.deepEqual(client.told(), []);
    broker.store.unstall();
    assert.deepEqual(client.told(), [answer]);
  }
  broker.store.stall();
  client.sendPublish("$delayed/cancel/a", "", { qos: 1, id: 6 });
  assert.deepEqual(client.told(), []);
  broker.store.unstall();
  assert.deepEqual(client.told(), ["PUBACK 6"]);
});

test("a store that refuses takes no delayed message", () => {
  const broker = new TestBroker({ durable: true });
  const client = broker.connect("c");
  broker.store.enter("refusing");
  client.sendPublish("$delayed/60/a", "x", { qos: 1, id: 5 });
  assert.deepEqual(client.told(), ["PUBACK 5 0x97"]);
  assert.equal(broker.engine.delayed.count, 0);
});

test("a delayed message is published once, whatever of its batch survives", () => {
  for (const tail of [0, 1]) {
    const before = collected();
    before.connect("c").sendPublish("$delayed/60/a", "late", { qos: 2 });
    before.advance(59_000);
    before.store.stall();
    before.advance(2000);
    assert.equal(before.engine.delayed.count, 0);
    const broker = before.restart({ tail });
    assert.equal(broker.engine.delayed.count, 0);
    assert.equal(broker.engine.counters.delayedPublished, 1 - tail);
    const again = broker.restart({ lasts: 100_000 });
    assert.deepEqual(collect(again), ["a late"]);
    assert.equal(again.engine.counters.delayedPublished, 0);
  }
});

test("delayed messages are counted, listed and cancelled as before, and new ones get other numbers", () => {
  const before = collected();
  const client = before.connect("c");
  for (const topic of ["a", "b", "c"])
    client.sendPublish(`$delayed/60/${topic}`, topic.repeat(100));
  before.advance(10_000);
  const { bytes } = before.engine.delayed;
  const broker = before.restart({ lasts: 10_000 });
  const { delayed } = broker.engine;
  assert.equal(delayed.bytes, bytes);
  const listed = delayed.list(0, 10);
  assert.deepEqual(
    listed.map(({ topicName, publisher, remainingMs }) => [topicName, publisher, remainingMs]),
    ["a", "b", "c"].map((topicName) => [topicName, "c", 40_000]),
  );
  const later = broker.connect("c");
  later.sendPublish("$delayed/60/d", "d", { qos: 1 });
  later.sendPublish("$delayed/cancel/b", "");
  broker.settle();
  const again = broker.restart({ lasts: 0 });
  const ids = again.engine.delayed.list(0, 10).map(({ id, topicName }) => [id, topicName]);
  assert.deepEqual(ids, [
    [listed[0]!.id, "a"],
    [listed[2]!.id, "c"],
    [Math.max(...listed.map(({ id }) => id)) + 1, "d"],
  ]);
});

test("[MQTT5-4.8.2-3] a Shared Subscription has its members and options again", () => {
  const before = new TestBroker({ durable: true });
  for (const [clientId, qos] of [
    ["s", 1],
    ["t", 2],
  ] as const)
    before.connect(clientId, 5, lasting()).subscribe("$share/g/a", qos, { identifier: qos });
  const broker = before.restart();
  const members = ["s", "t"].map((clientId) => broker.connect(clientId, 5, lasting()));
  const publisher = broker.connect("p");
  for (const id of [1, 2]) publisher.sendPublish("a", String(id), { qos: 2, id });
  const seen = members.map((member) =>
    member.takePublishes().map(({ qos, properties }) => [qos, properties?.subscriptionIdentifiers]),
  );
  assert.deepEqual(seen, [[[1, [1]]], [[2, [2]]]]);
});

test("[MQTT3-3.3.5-2] on 3.1.1 a QoS 2 message that was refused stays refused behind a crash", () => {
  const hooks = { authorizePublish: () => false };
  const before = new TestBroker({ durable: true, hooks });
  const options = { cleanStart: false };
  before.connect("c", 4, options).sendPublish("a", "x", { qos: 2, id: 7 });
  before.settle();
  const broker = before.restart();
  const { inbound } = broker.engine.sessions.get("c")!;
  assert.equal(inbound?.isRefused(7), true);
  const client = broker.connect("c", 4, options);
  client.sendPublish("a", "x", { qos: 2, id: 7, dup: true });
  client.sendAcknowledgement("pubrel", 7);
  assert.deepEqual(client.told(), ["PUBREC 7", "PUBCOMP 7"]);
});

test("retained messages that a subscription is still owed come after a crash, as it asked for them", () => {
  const before = new TestBroker({ durable: true });
  const client = before.connect("s", 5, lasting());
  client.sendPublish("own", "x", { retain: true });
  const publisher = before.connect("p");
  for (let i = 0; i < 200; i++) publisher.sendPublish(`other/${i}`, "x", { qos: 1, retain: true });
  before.settle();
  // It reads nothing, so the first of them wait for it, and the others stay where they are.
  client.brokerLink.stall();
  client.sendSubscribe([{ topicFilter: "#", qos: 1, noLocal: true }], {
    subscriptionIdentifiers: [9],
  });
  before.settle();
  const broker = before.restart();
  const messages = broker.connect("s", 5, lasting()).takePublishes();
  assert.equal(new Set(messages.map(({ topicName }) => topicName)).size, 200);
  for (const { topicName, retain, properties } of messages) {
    assert.notEqual(topicName, "own");
    assert.ok(retain);
    assert.deepEqual(properties?.subscriptionIdentifiers, [9]);
  }
});

test("of two sessions with one Client Identifier the one with the higher epoch goes on", () => {
  for (const order of ["rising", "falling"]) {
    const before = new TestBroker({ durable: true });
    const { engine } = before;
    const epochs = order === "rising" ? [5, 9] : [9, 5];
    engine.enter();
    for (const [index, epoch] of epochs.entries()) {
      const session = 100 + index;
      engine.append({
        type: "session-begin",
        session,
        clientId: "s",
        epoch,
        username: `epoch ${epoch}`,
        sessionExpiryInterval: 3600,
        isTrusted: false,
        inFlightMaximum: 1024,
      });
      engine.append({
        type: "subscribe",
        session,
        topicFilter: `epoch/${epoch}`,
        qos: 1,
        noLocal: false,
        retainAsPublished: false,
        subscriptionIdentifier: 0,
        retainedOwed: false,
      });
    }
    before.settle();
    const broker = before.restart();
    assert.equal(broker.engine.sessions.get("s")?.username, "epoch 9");
    broker.connect("p").sendPublish("epoch/9", "x", { qos: 1 });
    broker.connect("p").sendPublish("epoch/5", "x", { qos: 1 });
    broker.settle();
    assert.ok(broker.engine.topicTree.size <= 2);
    const again = broker.restart();
    assert.equal(again.engine.sessions.size, 1);
    assert.deepEqual(payloadsOf(again.connect("s", 5, lasting())), ["x"]);
  }
});

test("numbers go on above those that were given out", () => {
  const before = collected();
  before.connect("c").sendPublish("a", "1", { qos: 1 });
  before.settle();
  const first = before.engine.nextMessageNumber() - 1;
  const broker = before.restart();
  assert.equal(broker.engine.nextMessageNumber(), first + 1);
  const key = broker.engine.sessions.get("collector")!.key;
  broker.connect("new", 5, lasting());
  assert.ok(broker.engine.sessions.get("new")!.key > key);
});

test("[MQTT5-2.2.1-3] [MQTT5-4.4.0-1] a message has its Packet Identifier and its place again", () => {
  const before = new TestBroker({ durable: true });
  const client = before.connect("s", 5, lasting());
  client.subscribe("#", 2);
  const publisher = before.connect("p");
  for (const id of [1, 2, 3]) publisher.sendPublish("a", String(id), { qos: id === 2 ? 1 : 2, id });
  const sent = client.takePublishes();
  const broker = before.restart();
  const again = broker.connect("s", 5, lasting()).takePublishes();
  const shape = ({ payload, qos, packetIdentifier }: (typeof sent)[number]): unknown => [
    new TextDecoder().decode(payload),
    qos,
    packetIdentifier,
  ];
  assert.deepEqual(again.map(shape), sent.map(shape));
  assert.ok(again.every(({ dup }) => dup));
});

for (const { name, after } of [
  { name: "on the connection that the crash ends", after: undefined },
  { name: "on one before, of which that one was sent a few again", after: 2 },
])
  test(`[MQTT5-3.3.1-1] [MQTT3-3.3.1-1] what was sent ${name} has DUP, though the settings allow fewer since`, () => {
    const before = new TestBroker({ durable: true, settings: { session: { inflightMaximum: 4 } } });
    const { settings } = before.engine;
    before.engine.settings = {
      ...settings,
      session: { ...settings.session, inflightMaximum: 10_000 },
    };
    const subscriber = before.connect("s", 5, lasting());
    subscriber.subscribe("#", 1);
    const count = SETTLED_UNSAFE + 100;
    const publisher = before.connect("p");
    for (let id = 1; id <= count; id++) publisher.sendPublish("a", String(id), { qos: 1, id });
    before.settle();
    assert.equal(subscriber.takePublishes().length, count);
    if (after !== undefined) {
      subscriber.drop();
      const { properties } = lasting();
      const options = {
        cleanStart: false,
        properties: { ...properties, receiveMaximum: after },
      };
      const second = before.connect("s", 5, options);
      assert.equal(second.takePublishes().length, after);
    }
    const again = before.restart().connect("s", 5, lasting());
    const repeated: PublishPacket[] = [];
    for (let sent = again.takePublishes(); sent.length > 0; sent = again.takePublishes()) {
      repeated.push(...sent);
      for (const { packetIdentifier } of sent)
        again.sendAcknowledgement("puback", packetIdentifier!);
    }
    assert.equal(repeated.length, count);
    assert.ok(repeated.every(({ dup }) => dup));
  });

test("[MQTT5-3.3.1-1] [MQTT3-3.3.1-1] what was sent has DUP after a crash, however many messages wait for PUBCOMP", () => {
  const inflightMaximum = 4;
  const before = new TestBroker({ durable: true, settings: { session: { inflightMaximum } } });
  const subscriber = before.connect("s", 5, lasting());
  subscriber.subscribe("#", 2);
  subscriber.drop();
  const publisher = before.connect("p");
  // A session that is resumed gets its PUBRELs, too.
  const publishesOf = (client: WireClient): PublishPacket[] =>
    client.take().filter((packet) => packet.type === "publish");
  const count = SETTLED_UNSAFE + 2 * inflightMaximum;
  for (let id = 1; id <= count + 1; id++) {
    publisher.sendPublish("a", String(id), { qos: 2, id });
    publisher.sendAcknowledgement("pubrel", id);
  }
  for (let answered = 0; answered < count; answered += inflightMaximum) {
    const client = before.connect("s", 5, lasting());
    for (const { packetIdentifier } of publishesOf(client))
      client.sendAcknowledgement("pubrec", packetIdentifier!);
    before.settle();
    client.drop();
  }
  const last = publishesOf(before.connect("s", 5, lasting()));
  assert.deepEqual(
    last.map(({ dup }) => dup),
    [false],
  );
  const again = publishesOf(before.restart().connect("s", 5, lasting()));
  assert.deepEqual(
    again.map(({ packetIdentifier, dup }) => [packetIdentifier, dup]),
    [[last[0]!.packetIdentifier, true]],
  );
});
