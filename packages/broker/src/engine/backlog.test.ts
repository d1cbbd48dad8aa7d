import assert from "node:assert/strict";
import { test } from "node:test";
import type { PublishPacket } from "@sericite/protocol";
import type { PartialSettings } from "../settings.ts";
import { TestBroker } from "../test-broker.test-support.ts";
import type { ConnectOptions, WireClient } from "../wire-client.test-support.ts";
import { waitingOf } from "./backlog.ts";
import { endSession } from "./session-registry.ts";

const kept: ConnectOptions = { cleanStart: false, properties: { sessionExpiryInterval: 1000 } };
const narrow: ConnectOptions = {
  cleanStart: false,
  properties: { sessionExpiryInterval: 1000, receiveMaximum: 3 },
};
const smallWindow: PartialSettings = {
  session: { windowBytes: 16 * 1024 },
  limits: { windowsBytes: 1024 * 1024 },
};
const payloadOf = (message: PublishPacket): string =>
  Buffer.from(message.payload).toString().trimEnd();

/** A message text of about 1 KiB. */
function large(text: string | number): string {
  return String(text).padEnd(1000);
}

/** A durable session that subscribed to `a` and left. */
function absent(broker: TestBroker, clientId = "c", qos: 0 | 1 | 2 = 2): void {
  const client = broker.connect(clientId, 5, kept);
  client.subscribe("a", qos);
  client.leave();
}

function publish(broker: TestBroker, from: number, to: number, qos: 0 | 1 | 2 = 1): void {
  const publisher = broker.connect("publisher");
  for (let i = from; i <= to; i++) publisher.sendPublish("a", large(i), { qos, id: i });
  for (const packet of publisher.take())
    if (packet.type === "pubrec") publisher.sendAcknowledgement("pubrel", packet.packetIdentifier);
  publisher.leave();
}

/** Takes what comes, acknowledging each message to the end, until nothing comes. */
function drain(client: WireClient): PublishPacket[] {
  const messages: PublishPacket[] = [];
  for (;;) {
    const packets = client.take();
    if (packets.length === 0) return messages;
    for (const packet of packets) {
      if (packet.type === "publish") {
        messages.push(packet);
        if (packet.qos === 1) client.sendAcknowledgement("puback", packet.packetIdentifier!);
        if (packet.qos === 2) client.sendAcknowledgement("pubrec", packet.packetIdentifier!);
      } else if (packet.type === "pubrel") {
        client.sendAcknowledgement("pubcomp", packet.packetIdentifier);
      }
    }
  }
}

/** Connects while the store takes its time. */
function connectSlowly(broker: TestBroker, clientId: string): WireClient {
  const client = broker.dial();
  client.sendConnect(clientId, kept);
  for (;;) {
    const connack = client.takeFirst();
    if (connack !== undefined) return client;
    broker.advance(5);
  }
}

const numbers = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, i) => String(from + i));

for (const qos of [1, 2] as const) {
  test(`QoS ${qos}: what waits for a client that is away takes no memory, and comes in order when it is back`, () => {
    const broker = new TestBroker({ durable: true, settings: smallWindow });
    absent(broker);
    publish(broker, 1, 300, qos);
    const session = broker.engine.sessions.get("c")!;
    assert.equal(session.queue, undefined);
    assert.equal(waitingOf(session), 300);
    assert.equal(broker.engine.meter.bytes, 0);
    const client = broker.connect("c", 5, kept);
    const messages = drain(client);
    assert.deepEqual(messages.map(payloadOf), numbers(1, 300));
    assert.ok(messages.every(({ dup }) => !dup));
    assert.equal(waitingOf(session), 0);
    assert.equal(session.backlog, undefined);
    assert.equal(broker.engine.meter.bytes, 0);
    assert.deepEqual(broker.store.medium.state().queue(session.key), []);
  });
}

test("a slow client has a window in memory, and the rest in the store", () => {
  const broker = new TestBroker({ durable: true, settings: smallWindow });
  const client = broker.connect("c", 5, narrow);
  client.subscribe("a", 1);
  publish(broker, 1, 300);
  const session = broker.engine.sessions.get("c")!;
  assert.equal(waitingOf(session), 297);
  assert.ok(session.queue!.length < 100, `${session.queue!.length} messages in memory`);
  publish(broker, 301, 320);
  assert.deepEqual(drain(client).map(payloadOf), numbers(1, 320));
  publish(broker, 321, 330);
  assert.deepEqual(drain(client).map(payloadOf), numbers(321, 330));
  assert.equal(broker.engine.meter.bytes, 0);
});

test("a page that fills a whole turn's share is followed by the next", () => {
  const broker = new TestBroker({
    durable: true,
    settings: { ...smallWindow, limits: { ...smallWindow.limits, bytesPerTurn: 1024 } },
  });
  absent(broker, "c", 1);
  publish(broker, 1, 200);
  const client = broker.connect("c", 5, kept);
  // Nothing is acknowledged: only the end of a turn makes it go on.
  assert.deepEqual(client.takePublishes().map(payloadOf), numbers(1, 200));
});

test("a message answered out of turn is not sent again when the rest went back to the store", () => {
  const settings: PartialSettings = { session: { windowBytes: 16 * 1024 } };
  const before = new TestBroker({ durable: true, settings });
  const first = before.connect("c", 4, { cleanStart: false });
  first.subscribe("a", 2);
  publish(before, 1, 6, 2);
  const sent = first.takePublishes();
  const answered = sent[4]!.packetIdentifier!;
  first.sendAcknowledgement("pubrec", answered);
  assert.deepEqual(first.told(), [`PUBREL ${answered}`]);
  const broker = before.restart();
  const options: ConnectOptions = {
    cleanStart: false,
    properties: { sessionExpiryInterval: 1000, receiveMaximum: 2 },
  };
  const cut = broker.connect("c", 5, options);
  assert.equal(cut.take().length, 3, "PUBREL and the first two");
  cut.drop();
  const messages = drain(broker.connect("c", 5, options));
  assert.deepEqual(messages.map(payloadOf), ["1", "2", "3", "4", "6"]);
  assert.ok(messages.every(({ dup }) => dup));
});

test("a client that settles faster than the store takes note is held after 1024 messages", () => {
  const broker = new TestBroker({ durable: true });
  const client = broker.connect("c", 5, narrow);
  client.subscribe("a", 1);
  publish(broker, 1, 1200);
  broker.store.stall();
  assert.equal(drain(client).length, 1024 + 2); // with those in flight
  broker.store.unstall();
  assert.equal(drain(client).length, 174);
});

test("so it is where the store took no note of what was dropped before it", () => {
  const broker = new TestBroker({
    durable: true,
    settings: { ...smallWindow, session: { ...smallWindow.session, queueMaximumMessages: 1200 } },
  });
  const client = broker.connect("c", 5, narrow);
  client.subscribe("a", 1);
  publish(broker, 1, 1203);
  const [first] = client.takePublishes();
  broker.store.stall();
  for (const clientId of ["p1", "p2"]) {
    const publisher = broker.connect(clientId, 4);
    for (let i = 1; i <= 550; i++) publisher.sendPublish("a", large(i), { qos: 1, id: i });
    publisher.take();
  }
  assert.equal(broker.engine.drops["queue-full"], 1100);
  client.sendAcknowledgement("puback", first!.packetIdentifier!);
  assert.deepEqual(client.take(), []);
  broker.store.unstall();
  assert.equal(client.takePublishes().length, 1);
});

test("a QoS 2 message is not sent under a Packet Identifier that the store knows another one by", () => {
  const broker = new TestBroker({ durable: true });
  const publisher = broker.connect("publisher");
  publisher.sendPublish("a", "m", { qos: 2, id: 1, retain: true });
  const client = broker.connect("c", 5, kept);
  client.sendSubscribe([["a", 2]]);
  const [first] = client.take().filter(({ type }) => type === "publish") as PublishPacket[];
  const id = first!.packetIdentifier!;
  client.sendAcknowledgement("pubrec", id);
  client.take();
  // The same message once more: it waits for the same Packet Identifier.
  client.subscribe("a", 2);
  broker.store.stall();
  client.sendAcknowledgement("pubcomp", id);
  assert.deepEqual(client.take(), []);
  // A crash now brings the first one back, whose PUBREL must not release the second.
  const later = broker.restart();
  const again = later.connect("c", 5, kept);
  assert.deepEqual(
    again.take().map(({ type }) => type),
    ["pubrel"],
  );
  later.store.stall();
  again.sendAcknowledgement("pubcomp", id);
  assert.deepEqual(again.take(), []);
  later.store.unstall();
  assert.deepEqual(
    again.takePublishes().map(({ packetIdentifier }) => packetIdentifier),
    [id],
  );
});

test("QoS 0 keeps its place behind a backlog", () => {
  const broker = new TestBroker({ durable: true, settings: smallWindow });
  const client = broker.connect("c", 5, narrow);
  client.subscribe("a", 1);
  publish(broker, 1, 200, 1);
  publish(broker, 201, 205, 0);
  publish(broker, 206, 210, 1);
  assert.deepEqual(drain(client).map(payloadOf), numbers(1, 210));
  const session = broker.engine.sessions.get("c")!;
  assert.deepEqual(broker.store.medium.state().queue(session.key), []);
});

test("what comes while a page is being read goes behind it", () => {
  const broker = new TestBroker({ durable: true, settings: smallWindow });
  absent(broker, "c", 1);
  publish(broker, 1, 100);
  broker.store.faults = { delay: 1, delayMaximumMs: 50 };
  const client = connectSlowly(broker, "c");
  const publisher = broker.connect("p");
  const messages: PublishPacket[] = [];
  for (let i = 101; i <= 140; i++) {
    publisher.sendPublish("a", large(i), { qos: 1, id: i });
    messages.push(...drain(client));
    broker.advance(7);
  }
  for (let i = 0; i < 40; i++) {
    messages.push(...drain(client));
    broker.advance(50);
  }
  assert.deepEqual(messages.map(payloadOf), numbers(1, 140));
});

test("a client that goes while messages wait in memory finds them in order when it is back", () => {
  const broker = new TestBroker({ durable: true, settings: smallWindow });
  let client = broker.connect("c", 5, narrow);
  client.subscribe("a", 2);
  publish(broker, 1, 150, 2);
  const sent = client.takePublishes();
  assert.deepEqual(sent.map(payloadOf), ["1", "2", "3"]);
  client.sendAcknowledgement("pubrec", sent[0]!.packetIdentifier!);
  assert.deepEqual(client.told(), [`PUBREL ${sent[0]!.packetIdentifier}`]);
  client.drop();
  const session = broker.engine.sessions.get("c")!;
  assert.equal(session.queue, undefined);
  assert.equal(waitingOf(session), 147);
  client = broker.connect("c", 5, narrow);
  const messages = drain(client);
  assert.deepEqual(messages.map(payloadOf), numbers(2, 150));
  assert.deepEqual(
    messages.slice(0, 3).map(({ dup, packetIdentifier }) => [dup, packetIdentifier]),
    [
      [true, sent[1]!.packetIdentifier],
      [true, sent[2]!.packetIdentifier],
      [false, messages[2]!.packetIdentifier],
    ],
  );
  assert.equal(broker.engine.meter.bytes, 0);
});

test("a page that is read while its client goes and comes back is read again", () => {
  const broker = new TestBroker({ durable: true, settings: smallWindow });
  absent(broker, "c", 1);
  publish(broker, 1, 100);
  broker.store.faults = { delay: 1, delayMaximumMs: 50 };
  const messages: PublishPacket[] = [];
  for (let i = 0; i < 60; i++) {
    const client = connectSlowly(broker, "c");
    broker.advance(i);
    messages.push(...drain(client));
    client.drop();
  }
  broker.store.faults = { delay: 0, delayMaximumMs: 0 };
  broker.advance(100);
  messages.push(...drain(broker.connect("c", 5, kept)));
  assert.deepEqual([...new Set(messages.map(payloadOf))], numbers(1, 100));
});

test("a full queue gives up its oldest message in the store, or refuses the newest", () => {
  for (const [queueFull, expected] of [
    ["oldest", numbers(51, 150)],
    ["newest", numbers(1, 100)],
  ] as const) {
    const broker = new TestBroker({
      durable: true,
      settings: { session: { queueMaximumMessages: 100, queueFull } },
    });
    absent(broker, "c", 1);
    publish(broker, 1, 150);
    assert.equal(broker.engine.drops["queue-full"], 50);
    const session = broker.engine.sessions.get("c")!;
    assert.equal(waitingOf(session), 100);
    assert.deepEqual(
      broker.store.medium
        .state()
        .queue(session.key)
        .map(({ message }) => Buffer.from(message.payload).toString().trimEnd()),
      expected,
    );
    assert.deepEqual(drain(broker.connect("c", 5, kept)).map(payloadOf), expected);
  }
});

test("a queue that is full while a page of it is being read gives up the oldest once the page is there", () => {
  const broker = new TestBroker({
    durable: true,
    settings: { session: { queueMaximumMessages: 20 } },
  });
  absent(broker, "c", 1);
  publish(broker, 1, 20);
  broker.store.faults = { delay: 1, delayMaximumMs: 50 };
  const client = connectSlowly(broker, "c");
  publish(broker, 21, 24);
  broker.advance(200);
  const messages = drain(client);
  broker.advance(200);
  messages.push(...drain(client));
  assert.deepEqual(messages.map(payloadOf), numbers(1, 24));
  assert.equal(broker.engine.drops["queue-full"], 0);
});

test("messages of many slow clients together stay within limits.windowsBytes, and each gets on", () => {
  const broker = new TestBroker({ durable: true, settings: smallWindow });
  for (let i = 0; i < 100; i++) absent(broker, `c${i}`, 1);
  publish(broker, 1, 60);
  const clients = Array.from({ length: 100 }, (_, i) => broker.connect(`c${i}`, 5, narrow));
  // Each of them may have one small page beyond the bound.
  const most = 1024 * 1024 + 100 * 16 * 1024;
  for (const client of clients) {
    assert.ok(broker.engine.meter.bytes <= most, `${broker.engine.meter.bytes} bytes`);
    assert.deepEqual(drain(client).map(payloadOf), numbers(1, 60));
  }
  assert.equal(broker.engine.meter.bytes, 0);
});

test("[MQTT5-4.8.2-4] what waits in the store for a member of a Shared Subscription goes to another when its session ends", () => {
  const broker = new TestBroker({ durable: true, settings: smallWindow });
  const first = broker.connect("m1", 5, kept);
  first.subscribe("$share/g/a", 2);
  first.subscribe("b", 1);
  first.leave();
  const publisher = broker.connect("p");
  for (let i = 1; i <= 50; i++) {
    publisher.sendPublish("a", large(i), { qos: i % 2 === 0 ? 1 : 2, id: i });
    publisher.sendPublish("b", "own", { qos: 1, id: 1000 + i });
  }
  publisher.take();
  const second = broker.connect("m2", 5, kept);
  second.subscribe("$share/g/a", 2);
  const before = broker.engine.sessions.get("m1")!;
  broker.connect("m1"); // Clean Start
  const messages = drain(second);
  assert.deepEqual(messages.map(payloadOf).sort(byNumber), numbers(1, 50));
  assert.deepEqual(broker.store.medium.state().queue(before.key), []);
  assert.equal(broker.engine.drops["session-ended"], 50);
});

test("so it does where its session ends while a page of that is being read", () => {
  const broker = new TestBroker({ durable: true, settings: smallWindow });
  const first = broker.connect("m1", 5, kept);
  first.subscribe("$share/g/a", 1);
  first.leave();
  publish(broker, 1, 50);
  const second = broker.connect("m2", 5, kept);
  second.subscribe("$share/g/a", 1);
  const before = broker.engine.sessions.get("m1")!;
  const again = broker.dial();
  again.sendConnect("m1", kept);
  while (before.reading === undefined) broker.events.run(1);
  broker.store.faults = { delay: 1, delayMaximumMs: 50 };
  again.link.destroy();
  endSession(broker.engine, before, "of the test");
  broker.advance(1000);
  assert.deepEqual(drain(second).map(payloadOf).sort(byNumber), numbers(1, 50));
  assert.deepEqual(broker.store.medium.state().queue(before.key), []);
});

test("[MQTT5-4.8.2-5] a QoS 2 message of a Shared Subscription that was sent ends with its session", () => {
  const broker = new TestBroker({ durable: true, settings: smallWindow });
  const first = broker.connect("m1", 5, narrow);
  first.subscribe("$share/g/a", 2);
  publish(broker, 1, 40, 2);
  assert.deepEqual(first.takePublishes().map(payloadOf), ["1", "2", "3"]);
  first.drop();
  const second = broker.connect("m2", 5, kept);
  second.subscribe("$share/g/a", 2);
  broker.connect("m1");
  assert.deepEqual(drain(second).map(payloadOf), numbers(4, 40));
});

function byNumber(a: string, b: string): number {
  return Number(a) - Number(b);
}
