import assert from "node:assert/strict";
import { test } from "node:test";
import type { QoS } from "@sericite/protocol";
import { utf8 } from "../spelling.test-support.ts";
import { TestBroker, VERSIONS } from "../test-broker.test-support.ts";
import type { WireClient } from "../wire-client.test-support.ts";

// --- the queue of a session

interface Bounds {
  readonly queueMaximumMessages?: number;
  readonly queueMaximumBytes?: number;
  readonly queueFull?: "oldest" | "newest";
  readonly queueQos0?: boolean;
}

/** Publishes these (QoS, payload) to a client that is away, and gives what it gets when it comes. */
function queued(bounds: Bounds, messages: readonly (readonly [QoS, string])[]) {
  const broker = new TestBroker({ settings: { session: bounds } });
  const dropped = broker.listen("messageDropped");
  const client = broker.connect("c", 4, { cleanStart: false });
  client.subscribe("a", 2);
  client.leave();
  const publisher = broker.connect("p");
  messages.forEach(([qos, payload], i) => publisher.sendPublish("a", payload, { qos, id: i + 1 }));
  broker.settle();
  const queue = broker.engine.sessions.get("c")!.queue;
  const held = { length: queue?.length ?? 0, bytes: queue?.bytes ?? 0 };
  const again = broker.connect("c", 4, { cleanStart: false });
  return {
    broker,
    held,
    got: again.takePublishes().map(({ payload }) => Buffer.from(payload).toString()),
    dropped: dropped.map(({ reason }) => reason),
  };
}

for (const [what, bounds, messages, expected] of [
  [
    "the oldest goes",
    { queueMaximumMessages: 3, queueFull: "oldest" },
    [
      [1, "1"],
      [1, "2"],
      [1, "3"],
      [1, "4"],
      [2, "5"],
    ],
    ["3", "4", "5"],
  ],
  [
    "the newest goes",
    { queueMaximumMessages: 3, queueFull: "newest" },
    [
      [1, "1"],
      [1, "2"],
      [1, "3"],
      [1, "4"],
      [2, "5"],
    ],
    ["1", "2", "3"],
  ],
  [
    "QoS 0 goes first where the oldest would",
    { queueMaximumMessages: 3, queueFull: "oldest", queueQos0: true },
    [
      [1, "1"],
      [0, "2"],
      [0, "3"],
      [1, "4"],
      [1, "5"],
    ],
    ["1", "4", "5"],
  ],
  [
    "QoS 0 goes first where the newest would",
    { queueMaximumMessages: 3, queueFull: "newest", queueQos0: true },
    [
      [1, "1"],
      [0, "2"],
      [0, "3"],
      [1, "4"],
      [1, "5"],
      [1, "6"],
    ],
    ["1", "4", "5"],
  ],
  [
    "QoS 0 never drives out QoS 1, oldest",
    { queueMaximumMessages: 2, queueFull: "oldest", queueQos0: true },
    [
      [1, "1"],
      [1, "2"],
      [0, "3"],
    ],
    ["1", "2"],
  ],
  [
    "QoS 0 never drives out QoS 1, newest",
    { queueMaximumMessages: 2, queueFull: "newest", queueQos0: true },
    [
      [1, "1"],
      [1, "2"],
      [0, "3"],
    ],
    ["1", "2"],
  ],
  [
    "the oldest QoS 0 goes for a newer one",
    { queueMaximumMessages: 2, queueFull: "oldest", queueQos0: true },
    [
      [0, "1"],
      [0, "2"],
      [0, "3"],
    ],
    ["2", "3"],
  ],
  [
    "the newest QoS 0 goes",
    { queueMaximumMessages: 2, queueFull: "newest", queueQos0: true },
    [
      [0, "1"],
      [0, "2"],
      [0, "3"],
    ],
    ["1", "2"],
  ],
] as const) {
  test(`session.queueMaximumMessages: ${what}`, () => {
    const { got, held, dropped } = queued(bounds, messages);
    assert.deepEqual(got, expected);
    assert.equal(held.length, expected.length);
    assert.deepEqual(
      dropped,
      messages.slice(expected.length).map(() => "queue-full"),
    );
  });
}

test("session.queueMaximumBytes bounds what waits for one session, whatever the sizes", () => {
  for (const queueFull of ["oldest", "newest"] as const) {
    const messages = Array.from(
      { length: 40 },
      (_, i) => [1, `${i}:`.padEnd(50 + ((i * 37) % 400), "x")] as const,
    );
    const { got, held, broker } = queued({ queueMaximumBytes: 1024, queueFull }, messages);
    assert.ok(held.bytes <= 1024 && held.bytes > 500, `${held.bytes}`);
    assert.equal(got.length + broker.engine.drops["queue-full"], 40);
    const numbers = got.map((text) => Number.parseInt(text, 10));
    assert.deepEqual(
      numbers,
      numbers.toSorted((a, b) => a - b),
    );
    assert.equal(numbers.includes(queueFull === "oldest" ? 39 : 0), true);
  }
});

test("a message above session.queueMaximumBytes waits alone, or not at all", () => {
  const large = "x".repeat(5000);
  for (const [queueFull, messages, expected] of [
    ["oldest", ["1", large], [large]],
    ["oldest", ["1", large, "2"], ["2"]],
    ["newest", ["1", large, "2"], ["1", "2"]],
    ["newest", [large, "1"], [large]],
  ] as const) {
    const { got, broker } = queued(
      { queueMaximumBytes: 1024, queueFull },
      messages.map((payload) => [1, payload]),
    );
    assert.deepEqual(got, expected);
    assert.equal(broker.engine.drops["queue-full"], messages.length - expected.length);
  }
});

test("[X-72] [X-92] QoS 0 waits for an absent client only where session.queueQos0 says so", () => {
  for (const queueQos0 of [false, true]) {
    const { got, dropped } = queued({ queueQos0 }, [
      [0, "0"],
      [1, "1"],
    ]);
    assert.deepEqual(got, queueQos0 ? ["0", "1"] : ["1"]);
    assert.deepEqual(dropped, queueQos0 ? [] : ["offline-qos0"]);
  }
});

test("dropping from a queue tells a store that its records are settled", () => {
  const broker = new TestBroker({
    durable: true,
    settings: { session: { queueMaximumMessages: 2, queueFull: "oldest" } },
  });
  const client = broker.connect("c", 4, { cleanStart: false });
  client.subscribe("a", 1);
  client.leave();
  const publisher = broker.connect("p");
  for (let i = 1; i <= 5; i++) publisher.sendPublish("a", String(i), { qos: 1, id: i });
  broker.settle();
  const queue = broker.store.medium.state().queue(broker.engine.sessions.get("c")!.key);
  assert.deepEqual(
    queue.map(({ message }) => Buffer.from(message.payload).toString()),
    ["4", "5"],
  );
});

// --- connections

test("limits.connections without a reserve refuses what is above it before it says a word, and lets in again when there is room", () => {
  const broker = new TestBroker({ settings: { limits: { connections: 3, refusalReserve: 0 } } });
  const clients = [1, 2, 3].map((i) => broker.connect(`c${i}`));
  for (let i = 0; i < 20; i++) {
    const refused = broker.dial();
    refused.sendConnect(`x${i}`);
    assert.deepEqual(refused.told(), ["CLOSED"]);
  }
  assert.equal(broker.engine.connections.size, 3);
  assert.equal(broker.engine.counters.connectionsRefused, 20);
  assert.equal(broker.logged("limit-reached").length, 1);
  clients[0]!.leave();
  broker.connect("c4");
  for (const client of clients.slice(1)) assert.equal(client.isClosed, false);
});

test("a flood of connections that say nothing is gone after the connect timeout, and others are served meanwhile", () => {
  const broker = new TestBroker();
  const silent: WireClient[] = Array.from({ length: 3000 }, () => broker.dial());
  const client = broker.connect("c");
  client.subscribe("a");
  client.sendPublish("a", "x");
  assert.equal(client.takePublishes().length, 1);
  assert.equal(broker.engine.connections.size, 3001);
  broker.advance(10_000);
  assert.equal(broker.engine.connections.size, 1);
  assert.equal(broker.engine.counters.connectTimeouts, 3000);
  assert.ok(silent.every((one) => one.isClosed));
});

test("connections that come and go leave nothing behind", () => {
  const broker = new TestBroker();
  for (let i = 0; i < 500; i++) {
    const client = broker.connect(`c${i}`, VERSIONS[i % 3]!, {
      keepAlive: 60,
      will: { topicName: "w", payload: utf8("x"), qos: 1, retain: false },
    });
    client.sendSubscribe([["#", 2]]);
    client.sendPublish("a", "x", { qos: 2 });
    broker.settle();
    if (i % 2 === 0) client.drop();
    else client.leave();
  }
  broker.advance(100_000);
  const { connections, sessions, topicTree, waiting, waitingSessions } = broker.engine;
  assert.deepEqual(
    [connections.size, sessions.size, topicTree.size, waiting.size, waitingSessions.size],
    [0, 0, 0, 0, 0],
  );
  assert.ok(broker.events.nextAt === undefined, "no timer is left");
});

test("an idle broker with idle clients does nothing at all", () => {
  const broker = new TestBroker();
  for (let i = 0; i < 100; i++) broker.connect(`c${i}`, 4);
  broker.settle();
  const before = broker.events.ran;
  broker.advance(365 * 86_400_000);
  assert.ok(broker.events.ran - before < 10);
});

// --- what is told

test("events tell of clients, sessions and subscriptions, and a listener that throws harms nobody", () => {
  const broker = new TestBroker();
  const seen: string[] = [];
  const { events } = broker.engine;
  for (const name of [
    "clientConnected",
    "clientDisconnected",
    "clientRefused",
    "sessionStarted",
    "sessionEnded",
    "subscribed",
    "unsubscribed",
    "messageDropped",
  ] as const) {
    events.on(name, () => {
      throw new Error("listener");
    });
    events.on(name, (event) => seen.push(`${name} ${event.clientId}`));
  }
  const client = broker.connect("c", 5, { properties: { sessionExpiryInterval: 10 } });
  client.subscribe("a");
  client.sendUnsubscribe(["a", "b"]);
  client.take();
  client.subscribe("b", 1);
  client.leave();
  broker.connect("p").sendPublish("b", "x");
  broker.settle();
  broker.dial(4).sendConnect("", { cleanStart: false });
  broker.advance(10_000);
  assert.deepEqual(seen, [
    "sessionStarted c",
    "clientConnected c",
    "subscribed c",
    "unsubscribed c",
    "subscribed c",
    "clientDisconnected c",
    "sessionStarted p",
    "clientConnected p",
    "messageDropped c",
    "clientRefused ",
    "sessionEnded c",
  ]);
  assert.equal(broker.engine.counters.listenerErrors, seen.length);
  assert.equal(broker.engine.counters.internalErrors, 0);
});

test("a disconnected client is told of once, with the reason of its end", () => {
  for (const [end, reasonCode] of [
    [(client: WireClient) => client.sendDisconnect(), 0],
    [(client: WireClient) => client.sendHex("00 00"), 0x81],
    [(client: WireClient) => client.drop(), 0],
  ] as const) {
    const broker = new TestBroker();
    const disconnected = broker.listen("clientDisconnected");
    const client = broker.connect("c", 5, { username: "u" });
    end(client);
    broker.advance(10_000);
    assert.equal(disconnected.length, 1);
    const [event] = disconnected;
    assert.equal(event!.clientId, "c");
    assert.equal(event!.username, "u");
    assert.equal(event!.reasonCode, reasonCode);
    assert.equal(broker.engine.counters.connectionsClosed, 1);
  }
});

test("[MQTT3-4.8.0-2] [X-108] an error of the broker's own ends one connection, is logged and counted, and hurts nobody else", () => {
  const broker = new TestBroker();
  const other = broker.connect("other");
  other.subscribe("a");
  const client = broker.connect("c");
  const { retained } = broker.engine;
  retained.put = () => {
    throw new Error("a bug");
  };
  client.sendPublish("a", "x", { retain: true, qos: 1 });
  assert.deepEqual(client.told(), ["DISCONNECT 0x80", "CLOSED"]);
  assert.equal(broker.engine.counters.internalErrors, 1);
  assert.equal(broker.logged("internal-error").length, 1);
  broker.connect("p").sendPublish("a", "y");
  assert.deepEqual(other.told(), ["PUBLISH a 'y' qos0"]);
});

test("counters count", () => {
  const broker = new TestBroker();
  const receiver = broker.connect("r");
  receiver.subscribe("a", 1);
  const client = broker.connect("c", 4);
  client.sendPublish("a", "x", { qos: 1 });
  client.sendPublish("nobody", "x");
  broker.settle();
  const [message] = receiver.takePublishes();
  receiver.sendAcknowledgement("puback", message!.packetIdentifier!);
  broker.settle();
  const { counters } = broker.engine;
  assert.equal(counters.connectionsAccepted, 2);
  assert.equal(counters.connectAccepted, 2);
  assert.equal(counters.publishReceived, 2);
  assert.equal(counters.publishSent, 1);
  assert.equal(counters.messagesRouted, 2);
  assert.equal(counters.messagesUnmatched, 1);
  assert.equal(counters.messagesQueued, 1);
  assert.equal(counters.messagesAcknowledged, 1);
  assert.equal(counters.subscriptionsGranted, 1);
  assert.equal(counters.sessionsStarted, 2);
  assert.ok(counters.bytesReceived > 0 && counters.bytesSent > 0);
  assert.equal(counters.packetsReceived, 6);
});

// --- the end

test("drain tells everybody to leave and settles when they are gone; wills go, sessions stay", async () => {
  const broker = new TestBroker();
  const listener = broker.connect("l", 4, { cleanStart: false });
  listener.subscribe("w", 1);
  const clients = VERSIONS.map((version) => broker.connect(`c${version}`, version));
  let isDone = false;
  const done = broker.engine.drain(5000).then(() => (isDone = true));
  broker.settle();
  await done;
  assert.equal(isDone, true);
  assert.deepEqual(
    clients.map((client) => client.told()),
    [["CLOSED"], ["CLOSED"], ["DISCONNECT 0x8b", "CLOSED"]],
  );
  assert.equal(broker.engine.connections.size, 0);
  assert.equal(broker.engine.sessions.size, 1);
});

test("drain cuts off those that stay, when its time is over", async () => {
  const broker = new TestBroker();
  const stuck = broker.connect("stuck");
  stuck.brokerLink.stall();
  let isDone = false;
  const done = broker.engine.drain(3000).then(() => (isDone = true));
  broker.advance(2999);
  await Promise.resolve();
  assert.equal(isDone, false);
  broker.advance(1);
  await done;
  broker.settle();
  assert.equal(stuck.isClosed, true);
});

test("drain of a broker without connections settles at once", async () => {
  const broker = new TestBroker();
  await broker.engine.drain(1_000_000);
});

// --- topics and User Properties

for (const version of VERSIONS)
  test(`MQTT ${version}: limits.topicBytes counts the bytes of Topic Names, Topic Filters and the Will's`, () => {
    const broker = new TestBroker({ settings: { limits: { topicBytes: 4 } } });
    const client = broker.connect("c", version);
    client.sendPublish("éé", "x");
    client.sendSubscribe([
      ["ab/#", 0],
      ["éa/#", 0],
    ]);
    const suback = client.takeFirst();
    const refused = version === 5 ? 0x8f : version === 4 ? 0x80 : 0;
    assert.deepEqual(suback?.type === "suback" && suback.reasonCodes.slice(1), [refused]);
    client.sendPublish("ééa", "x");
    assert.deepEqual(client.told(), version === 5 ? ["DISCONNECT 0x90", "CLOSED"] : ["CLOSED"]);
    const other = broker.dial(version);
    other.sendConnect("d", {
      will: { topicName: "ééa", payload: utf8("x"), qos: 0, retain: false },
    });
    const told = other.told();
    assert.ok(!told.includes("CONNACK 0x00") && told.includes("CLOSED"), told.join());
  });

test("more User Properties than limits.userProperties end the connection: DISCONNECT 0x97, CONNACK 0x97", () => {
  const broker = new TestBroker({ settings: { limits: { userProperties: 2 } } });
  const userProperties = [
    ["a", "b"],
    ["a", "b"],
    ["a", "b"],
  ] as const;
  const client = broker.connect("c");
  client.sendPublish("a", "x", { qos: 1, properties: { userProperties } });
  assert.deepEqual(client.told(), ["DISCONNECT 0x97", "CLOSED"]);
  const other = broker.dial();
  other.sendConnect("d", { properties: { userProperties } });
  assert.deepEqual(other.told(), ["CONNACK 0x97", "CLOSED"]);
});
