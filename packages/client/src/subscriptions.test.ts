import type { Packet } from "@sericite/protocol";
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Message } from "./message.ts";
import type { Subscription } from "./subscription.ts";
import { FakeServer } from "./testing/fake-server.ts";

async function settled<T>(server: FakeServer, promise: Promise<T>): Promise<T> {
  await server.world.settle();
  return await promise;
}

/** `subscribe a 1, b 0 #3` and the like, of every SUBSCRIBE and UNSUBSCRIBE. */
function trace(server: FakeServer): string[] {
  return server.connection.received.flatMap((packet) => {
    if (packet.type === "unsubscribe") return [`unsubscribe ${packet.topicFilters.join(", ")}`];
    if (packet.type !== "subscribe") return [];
    const filters = packet.subscriptions.map((one) => `${one.topicFilter} ${one.qos}`).join(", ");
    const identifier = packet.properties?.subscriptionIdentifiers?.[0];
    return [`subscribe ${filters}${identifier === undefined ? "" : ` #${identifier}`}`];
  });
}

/** Has SUBSCRIBE and UNSUBSCRIBE answered by the test; `answer` answers the newest. */
function byHand(server: FakeServer) {
  server.answers.delete("subscribe");
  server.answers.delete("unsubscribe");
  return (...reasonCodes: number[]): void => {
    const asked = server.connection.received.findLast(
      (packet: Packet) => packet.type === "subscribe" || packet.type === "unsubscribe",
    );
    if (asked?.type === "subscribe")
      server.connection.send({
        type: "suback",
        packetIdentifier: asked.packetIdentifier,
        reasonCodes,
      });
    if (asked?.type === "unsubscribe")
      server.connection.send({
        type: "unsuback",
        packetIdentifier: asked.packetIdentifier,
        reasonCodes,
      });
  };
}

test("subscribe settles with the granted QoS, and its handler gets the messages", async () => {
  const server = new FakeServer();
  const client = await server.connect();
  const seen: string[] = [];
  const subscription = await settled(
    server,
    client.subscribe(
      ["a/#", { topicFilter: "b", qos: 2 }],
      (message) => void seen.push(`${message.topicName} ${message.text()}`),
      { qos: 1 },
    ),
  );
  assert.deepEqual(subscription.grantedQos, [1, 2]);
  assert.deepEqual(subscription.topicFilters, ["a/#", "b"]);
  assert.deepEqual(trace(server), ["subscribe a/# 1, b 2"]);
  server.connection.publish("a/x", "1");
  server.connection.publish("b", "2");
  server.connection.publish("c", "3");
  await server.world.settle();
  assert.deepEqual(seen, ["a/x 1", "b 2"]);
});

test("subscription options reach the server", async () => {
  const server = new FakeServer();
  const client = await server.connect();
  await settled(
    server,
    client.subscribe("a", { qos: 2, noLocal: true, retainAsPublished: true, retainHandling: 2 }),
  );
  assert.deepEqual(server.connection.of("subscribe")[0]?.subscriptions, [
    { topicFilter: "a", qos: 2, noLocal: true, retainAsPublished: true, retainHandling: 2 },
  ]);
});

for (const [what, filters, options, code] of [
  ["a misplaced #", "a/#/b", {}, "ERR_TOPIC_FILTER"],
  ["no Topic Filter", [], {}, "ERR_USAGE"],
  ["the same Topic Filter twice", ["a", "a"], {}, "ERR_USAGE"],
  [
    "[MQTT5-3.8.3-4] No Local on a Shared Subscription",
    "$share/g/a",
    { noLocal: true },
    "ERR_USAGE",
  ],
  ["QoS 3", "a", { qos: 3 as never }, "ERR_USAGE"],
  ["a buffer of nothing", "a", { bufferMaximum: 0 }, "ERR_USAGE"],
] as const) {
  test(`subscribe with ${what} is refused and sends nothing`, async () => {
    const server = new FakeServer();
    const client = await server.connect();
    await assert.rejects(client.subscribe(filters, options), { name: "UsageError", code });
    await server.world.settle();
    assert.deepEqual(trace(server), []);
  });
}

test("a refused Topic Filter rejects the subscription and ends what was granted with it", async () => {
  const server = new FakeServer();
  const client = await server.connect();
  const answer = byHand(server);
  const refused = assert.rejects(client.subscribe(["a", "b"]), {
    code: "ERR_SUBSCRIBE_REFUSED",
    reasonCode: 0x87,
  });
  await server.world.settle();
  answer(0, 0x87);
  await server.world.settle();
  await refused;
  assert.deepEqual(trace(server), ["subscribe a 0, b 0", "unsubscribe a"]);
});

test("what the server announced not to have is not asked for", async () => {
  const server = new FakeServer();
  server.connack = {
    properties: { wildcardSubscriptionAvailable: 0, sharedSubscriptionAvailable: 0 },
  };
  const client = await server.connect();
  const refused = [
    assert.rejects(client.subscribe("a/+"), { code: "ERR_NOT_SUPPORTED", reasonCode: 0xa2 }),
    assert.rejects(client.subscribe("$share/g/a"), { code: "ERR_NOT_SUPPORTED", reasonCode: 0x9e }),
  ];
  await server.world.settle();
  await Promise.all(refused);
  assert.deepEqual(trace(server), []);
});

test("unsubscribe sends UNSUBSCRIBE when the last subscription of a Topic Filter goes", async () => {
  const server = new FakeServer();
  const client = await server.connect();
  const seen: string[] = [];
  const first = await settled(
    server,
    client.subscribe("a", () => void seen.push("first")),
  );
  const second = await settled(
    server,
    client.subscribe("a", () => void seen.push("second")),
  );
  await settled(server, first.unsubscribe());
  server.connection.publish("a", "");
  await server.world.settle();
  await settled(server, second.unsubscribe());
  await settled(server, second.unsubscribe());
  server.connection.publish("a", "");
  await server.world.settle();
  assert.deepEqual(seen, ["second"]);
  assert.deepEqual(trace(server), ["subscribe a 0", "subscribe a 0", "unsubscribe a"]);
});

test("await using ends a subscription with its block", async () => {
  const server = new FakeServer();
  const client = await server.connect();
  const block = async (): Promise<void> => {
    await using subscription = await client.subscribe("a");
    assert.equal(subscription.isEnded, false);
  };
  await settled(server, block());
  assert.deepEqual(trace(server), ["subscribe a 0", "unsubscribe a"]);
});

test("client.unsubscribe ends a Topic Filter for all, also one that only the server knows", async () => {
  const server = new FakeServer();
  const client = await server.connect();
  const one = await settled(server, client.subscribe("a"));
  const two = await settled(server, client.subscribe(["a", "b"]));
  await settled(server, client.unsubscribe(["a", "unknown"]));
  assert.equal(one.isEnded, true);
  assert.equal(two.isEnded, false);
  assert.deepEqual(trace(server).at(-1), "unsubscribe a, unknown");
});

test("unsubscribe tells the server's refusal", async () => {
  const server = new FakeServer();
  const client = await server.connect();
  const subscription = await settled(server, client.subscribe("a"));
  const answer = byHand(server);
  const refused = assert.rejects(subscription.unsubscribe(), {
    code: "ERR_UNSUBSCRIBE_REFUSED",
    reasonCode: 0x87,
  });
  await server.world.settle();
  answer(0x87);
  await server.world.settle();
  await refused;
});

test("of concurrent requests for one Topic Filter the last one holds", async () => {
  const server = new FakeServer();
  const client = await server.connect();
  const answer = byHand(server);
  const first = client.subscribe("a");
  await server.world.settle();
  const ended = client.unsubscribe("a");
  const second = client.subscribe("a", { qos: 1 });
  await server.world.settle();
  assert.deepEqual(trace(server), ["subscribe a 0"], "one request at a time");
  answer(0);
  await server.world.settle();
  assert.deepEqual(
    trace(server),
    ["subscribe a 0", "subscribe a 1"],
    "what was overtaken is not sent",
  );
  answer(1);
  await server.world.settle();
  await Promise.all([ended, second]);
  assert.equal((await first).isEnded, true);
  assert.deepEqual((await second).grantedQos, [1]);
});

test("a signal ends the wait for SUBACK, and a subscription", async () => {
  const server = new FakeServer();
  const client = await server.connect();
  const answer = byHand(server);
  const early = new AbortController();
  const aborted = assert.rejects(client.subscribe("a", { signal: early.signal }), {
    code: "ERR_ABORTED",
  });
  await server.world.settle();
  early.abort();
  await aborted;
  answer(0);
  await server.world.settle();
  assert.deepEqual(trace(server), ["subscribe a 0", "unsubscribe a"]);
  answer(0);
  const late = new AbortController();
  const subscribed = client.subscribe("b", { signal: late.signal });
  await server.world.settle();
  answer(0);
  const subscription = await settled(server, subscribed);
  late.abort();
  await server.world.settle();
  assert.equal(subscription.isEnded, true);
  assert.equal(trace(server).at(-1), "unsubscribe b");
});

test("many subscriptions of one turn go in batches", async () => {
  const server = new FakeServer();
  const client = await server.connect();
  const all = Array.from({ length: 250 }, (_, i) => client.subscribe(`t/${i}`));
  await server.world.settle();
  await Promise.all(all);
  assert.deepEqual(
    server.connection.of("subscribe").map((packet) => packet.subscriptions.length),
    [100, 100, 50],
  );
});

test("[MQTT5-3.2.2-15] a batch above the server's Maximum Packet Size is divided", async () => {
  const server = new FakeServer();
  server.connack = { properties: { maximumPacketSize: 60 } };
  const client = await server.connect();
  const subscribed = client.subscribe([
    "topic/number/one",
    "topic/number/two",
    "topic/number/three",
  ]);
  const refused = assert.rejects(client.subscribe("x".repeat(60)), {
    code: "ERR_PACKET_TOO_LARGE",
  });
  await server.world.settle();
  await Promise.all([subscribed, refused]);
  assert.deepEqual(trace(server), [
    "subscribe topic/number/one 0, topic/number/two 0",
    "subscribe topic/number/three 0",
  ]);
});

test("a lost session has its subscriptions renewed in batches; a resumed one has them still", async () => {
  const server = new FakeServer();
  const client = await server.connect();
  for (let i = 0; i < 150; i++) await settled(server, client.subscribe(`t/${i}`));
  server.connack = { sessionPresent: true };
  server.connection.link.destroy();
  await server.world.advance(2000);
  assert.equal(server.connections.length, 2);
  assert.deepEqual(trace(server), []);
  server.connack = { sessionPresent: false };
  server.connection.link.destroy();
  await server.world.advance(2000);
  assert.deepEqual(
    server.connection.of("subscribe").map((packet) => packet.subscriptions.length),
    [100, 50],
  );
});

test("3.1, which does not tell, has its subscriptions renewed with every connection", async () => {
  const server = new FakeServer();
  const client = await server.connect({ protocolVersion: 3, cleanStart: false });
  await settled(server, client.subscribe("a"));
  server.connection.link.destroy();
  await server.world.advance(2000);
  assert.deepEqual(trace(server), ["subscribe a 0"]);
});

test("what was asked for without a connection is sent with the next", async () => {
  const server = new FakeServer();
  const client = await server.connect();
  const kept = await settled(server, client.subscribe("kept"));
  const gone = await settled(server, client.subscribe("gone"));
  server.connack = { sessionPresent: true };
  server.isDown = true;
  server.connection.link.destroy();
  await server.world.settle();
  const ended = gone.unsubscribe();
  const added = client.subscribe("added", { qos: 1 });
  const never = await Promise.all(
    [client.subscribe("never"), client.unsubscribe("never")]
      .map((p) => p.catch((error: unknown) => error))
      .slice(1),
  );
  assert.deepEqual(never, [undefined]);
  server.isDown = false;
  await server.world.advance(10_000);
  await Promise.all([ended, added]);
  assert.deepEqual(trace(server), ["subscribe added 1", "unsubscribe gone"]);
  assert.equal(kept.isEnded, false);
});

test("a request without an answer is sent again with the next connection", async () => {
  const server = new FakeServer();
  const client = await server.connect();
  server.answers.delete("subscribe");
  const subscribed = client.subscribe("a");
  await server.world.settle();
  server.answers.add("subscribe");
  server.connack = { sessionPresent: true };
  server.connection.link.destroy();
  await server.world.advance(2000);
  await subscribed;
  assert.deepEqual(trace(server), ["subscribe a 0"]);
});

test("a subscription that the server refuses to renew is over, and says so", async () => {
  const server = new FakeServer();
  const client = await server.connect();
  const subscription = await settled(server, client.subscribe("a"));
  const refused: string[] = [];
  client.on("subscriptionRefused", ({ topicFilter }) => refused.push(topicFilter));
  const iterated = assert.rejects(subscription[Symbol.asyncIterator]().next(), {
    code: "ERR_SUBSCRIBE_REFUSED",
  });
  const answer = byHand(server);
  server.connection.link.destroy();
  await server.world.advance(2000);
  answer(0x87);
  await server.world.settle();
  await iterated;
  assert.deepEqual(refused, ["a"]);
  assert.equal(subscription.isEnded, true);
});

for (const protocolVersion of [4, 5] as const) {
  test(`SUBSCRIBE without an answer: ${protocolVersion === 5 ? "5.0 ends the connection" : "3.1.1 asks again"}`, async () => {
    const server = new FakeServer();
    const client = await server.connect({ protocolVersion, keepAlive: 0, reconnect: false });
    byHand(server);
    client.subscribe("a").catch(() => {});
    await server.world.advance(55_000);
    assert.equal(server.connection.of("subscribe").length, protocolVersion === 5 ? 1 : 6);
    assert.equal(client.state, "connected");
    await server.world.advance(10_000);
    assert.equal(client.state, "closed");
  });
}

test("overlapping Topic Filters get Subscription Identifiers, others do not", async () => {
  const server = new FakeServer();
  const client = await server.connect();
  await settled(server, client.subscribe("a/#"));
  await settled(server, client.subscribe("b/#"));
  await settled(server, client.subscribe("a/+/c"));
  assert.deepEqual(trace(server), [
    "subscribe a/# 0",
    "subscribe b/# 0",
    "subscribe a/# 0 #2",
    "subscribe a/+/c 0 #1",
  ]);
  const renumbered = server.connection.of("subscribe")[2];
  assert.equal(
    renumbered?.subscriptions[0]?.retainHandling,
    2,
    "its retained messages came before",
  );
});

test("each copy of a message goes to the handler whose subscription it was sent for", async () => {
  const server = new FakeServer();
  const client = await server.connect();
  const seen: string[] = [];
  const handler = (name: string) => (message: Message) =>
    void seen.push(`${name} ${message.text()}`);
  await settled(server, client.subscribe("a/#", handler("wild")));
  await settled(server, client.subscribe("a/b", handler("exact")));
  await settled(server, client.subscribe("$share/g/a/b", handler("shared")));
  const copy = (text: string, ...subscriptionIdentifiers: number[]): void =>
    server.connection.publish(
      "a/b",
      text,
      subscriptionIdentifiers.length === 0 ? {} : { properties: { subscriptionIdentifiers } },
    );
  const [, , wild, exact] = [0, 0, 2, 1];
  copy("1", wild);
  copy("2", exact);
  copy("3", wild, exact);
  copy("4", 3);
  copy("5", 9999);
  await server.world.settle();
  assert.deepEqual(seen, [
    "wild 1",
    "exact 2",
    "wild 3",
    "exact 3",
    "shared 4",
    "wild 5",
    "exact 5",
    "shared 5",
  ]);
});

test("on 3.1.1 a message goes to every handler that matches it", async () => {
  const server = new FakeServer();
  const client = await server.connect({ protocolVersion: 4 });
  const seen: string[] = [];
  await settled(
    server,
    client.subscribe("a/#", () => void seen.push("wild")),
  );
  await settled(
    server,
    client.subscribe("a/b", () => void seen.push("exact")),
  );
  await settled(
    server,
    client.subscribe(["x", "a/+"], () => void seen.push("plus")),
  );
  server.connection.publish("a/b", "");
  server.connection.publish("a", "");
  await server.world.settle();
  assert.deepEqual(seen, ["wild", "exact", "plus", "wild"]);
  const gone = await settled(
    server,
    client.subscribe("a/b/c", () => {}),
  );
  await settled(server, gone.unsubscribe());
});

test("a message that no subscription takes goes to onUnclaimedMessage, or is told and acknowledged", async () => {
  for (const isHandled of [true, false]) {
    const server = new FakeServer();
    const seen: string[] = [];
    const client = await server.connect({
      cleanStart: false,
      onUnclaimedMessage: isHandled ? (message) => void seen.push(message.text()) : undefined,
    });
    client.on("messageUnclaimed", ({ message }) => seen.push(`unclaimed ${message.text()}`));
    server.connection.publish("old", "x", { qos: 1, packetIdentifier: 4 });
    await server.world.settle();
    assert.deepEqual(seen, [isHandled ? "x" : "unclaimed x"]);
    assert.equal(server.connection.of("puback").length, 1); // [MQTT5-4.5.0-2]
  }
});

test("messages of an earlier process's session wait for their subscription, unacknowledged, and come in order", async () => {
  const server = new FakeServer();
  server.connack = { sessionPresent: true };
  const client = await server.connect({ cleanStart: false });
  const unclaimed: string[] = [];
  client.on("messageUnclaimed", ({ message }) => unclaimed.push(message.text()));
  for (let i = 1; i <= 4; i++)
    server.connection.publish(i === 2 ? "other" : "old/a", `${i}`, { qos: 1, packetIdentifier: i });
  server.connection.publish("old/a", "5");
  await server.world.settle();
  assert.equal(server.connection.of("puback").length, 0);
  const seen: string[] = [];
  await settled(
    server,
    client.subscribe("$share/g/old/+", (message) => void seen.push(message.text())),
  );
  server.connection.publish("old/a", "6", { qos: 1, packetIdentifier: 6 });
  await server.world.settle();
  assert.deepEqual(seen, ["1", "3", "4", "5", "6"]);
  const acknowledged = (): number[] =>
    server.connection.of("puback").map(({ packetIdentifier }) => packetIdentifier);
  assert.deepEqual(acknowledged(), [1]); // The others wait behind 2 [MQTT5-4.6.0-2].
  await server.world.advance(10_000);
  assert.deepEqual(unclaimed, ["2"]);
  assert.deepEqual(acknowledged(), [1, 2, 3, 4, 6]);
  server.connection.publish("other", "7");
  await server.world.settle();
  assert.deepEqual(unclaimed, ["2", "7"]);
});

test("what nobody claimed before the client ends stays with the server", async () => {
  const server = new FakeServer();
  server.connack = { sessionPresent: true };
  const client = await server.connect({ cleanStart: false });
  server.connection.publish("old", "x", { qos: 1, packetIdentifier: 1 });
  await server.world.settle();
  await settled(server, client.disconnect());
  await server.world.advance(20_000);
  assert.equal(server.connection.of("puback").length, 0);
});

test("disconnect waits for the answers to SUBSCRIBE and UNSUBSCRIBE; what has none by then ends without an error", async () => {
  const server = new FakeServer();
  const client = await server.connect();
  const subscription = await settled(server, client.subscribe("a"));
  const answer = byHand(server);
  const ended: string[] = [];
  void subscription.unsubscribe().then(() => ended.push("unsubscribed"));
  void client.disconnect().then(() => ended.push("disconnected"));
  await server.world.settle();
  assert.deepEqual(ended, []);
  answer(0);
  await server.world.settle();
  assert.deepEqual(ended, ["unsubscribed", "disconnected"]);

  const silent = await server.connect();
  server.answers.add("subscribe");
  const other = await settled(server, silent.subscribe("a"));
  const unsubscribed = other.unsubscribe();
  await settled(server, silent.close());
  await unsubscribed;
});

test("a handler behind the options, and a callback of publish, are refused and not ignored", async () => {
  const server = new FakeServer();
  const client = await server.connect();
  const loose = client as unknown as Record<
    "publish" | "subscribe",
    (...given: unknown[]) => Promise<unknown>
  >;
  const usage = { code: "ERR_USAGE" };
  await assert.rejects(
    loose.subscribe("a", { qos: 1 }, () => {}),
    usage,
  );
  await assert.rejects(
    loose.publish("a", "x", () => {}),
    usage,
  );
});

test("more than 256 Topic Filters have identifiers without being compared", async () => {
  const server = new FakeServer();
  const client = await server.connect();
  const all: Promise<Subscription>[] = [];
  for (let i = 0; i < 258; i++) all.push(client.subscribe(`t/${i}`));
  await server.world.settle();
  await Promise.all(all);
  const identifiers = server.connection
    .of("subscribe")
    .map((packet) => packet.properties?.subscriptionIdentifiers?.[0]);
  assert.deepEqual(identifiers, [undefined, undefined, undefined, 1, 2]);
});

for (const [protocolVersion, dups] of [
  [3, [undefined, true, true]],
  [4, [undefined, undefined, undefined]],
] as const) {
  test(`[X-119] version ${protocolVersion}: SUBSCRIBE is sent again while there is no answer, then the connection ends and it stays wanted`, async () => {
    const server = new FakeServer();
    server.answers.delete("subscribe");
    const client = await server.connect({ protocolVersion, ackRetries: 2 });
    const subscribed = client.subscribe("a");
    await server.world.advance(29_000);
    const sent = server.connection.of("subscribe");
    assert.deepEqual(new Set(sent.map((packet) => packet.packetIdentifier)).size, 1);
    assert.deepEqual(
      sent.map((packet) => packet.dup),
      dups,
    );
    server.answers.add("subscribe");
    await server.world.advance(10_000);
    assert.equal(server.connections.length, 2);
    assert.deepEqual((await subscribed).grantedQos, [0]);
  });
}
