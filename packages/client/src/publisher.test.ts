import type { ConnackPacket, Packet } from "@sericite/protocol";
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Client } from "./client.ts";
import type { ClientOptions } from "./options.ts";
import { FakeServer } from "./testing/fake-server.ts";

/** A connected client whose server leaves PUBLISH and PUBREL unanswered. */
async function silent(options: ClientOptions = {}, connack: ConnackPacket["properties"] = {}) {
  const server = new FakeServer();
  server.connack = { properties: connack };
  server.answers.delete("publish");
  server.answers.delete("pubrel");
  const client = await server.connect(options);
  return { server, client, world: server.world };
}

/** Publishes and forgets: the promise is looked at elsewhere, or not at all. */
function publish(client: Client, payload: string, qos: 0 | 1 | 2): void {
  client.publish("t", payload, { qos }).catch(() => {});
}

function text(packet: Packet): string {
  return packet.type === "publish" ? new TextDecoder().decode(packet.payload) : packet.type;
}

/** `type identifier dup` of every packet after CONNECT. */
function trace(server: FakeServer): string[] {
  return server.connection.received.slice(1).map((packet) => {
    const identifier = "packetIdentifier" in packet ? ` ${packet.packetIdentifier ?? "-"}` : "";
    return `${text(packet)}${identifier}${packet.type === "publish" && packet.dup ? " dup" : ""}`;
  });
}

for (const protocolVersion of [3, 4, 5] as const) {
  test(`publish settles with the acknowledgement of its QoS, version ${protocolVersion}`, async () => {
    const server = new FakeServer();
    const client = await server.connect({ protocolVersion });
    const results = Promise.all(
      ([0, 1, 2] as const).map((qos) => client.publish("t", `q${qos}`, { qos })),
    );
    await server.world.settle();
    for (const { reasonCode } of await results) assert.equal(reasonCode, 0);
    assert.deepEqual(trace(server), ["q0 -", "q1 1", "q2 2", "pubrel 2"]);
    assert.equal(client.inFlight, 0);
  });
}

test("what is published in one turn leaves in one write", async () => {
  const server = new FakeServer();
  const client = await server.connect();
  server.connection.reads.length = 0;
  for (let i = 0; i < 100; i++) publish(client, "x", 0);
  await server.world.settle();
  assert.equal(server.connection.of("publish").length, 100);
  assert.equal(server.connection.reads.length, 1);
});

test("the acknowledgement's Reason Code and properties are the result", async () => {
  const { server, client, world } = await silent();
  const published = client.publish("t", "x", { qos: 1 });
  await world.settle();
  server.connection.send({
    type: "puback",
    packetIdentifier: 1,
    reasonCode: 0x10,
    properties: { reasonString: "nobody listens" },
  });
  await world.settle();
  const result = await published;
  assert.equal(result.reasonCode, 0x10);
  assert.equal(result.properties?.reasonString, "nobody listens");
});

for (const qos of [1, 2] as const) {
  test(`[X-88] [MQTT5-4.4.0-2] a refusal at QoS ${qos} rejects this message alone, and it is not sent again`, async () => {
    const { server, client, world } = await silent();
    const refused = assert.rejects(client.publish("t", "x", { qos }), {
      code: "ERR_PUBLISH_REFUSED",
      reasonCode: 0x97,
    });
    await world.settle();
    server.connection.send({
      type: qos === 1 ? "puback" : "pubrec",
      packetIdentifier: 1,
      reasonCode: 0x97,
    });
    await world.settle();
    await refused;
    assert.equal(client.inFlight, 0);
    assert.equal(client.state, "connected");
    server.connack = { sessionPresent: true };
    server.connection.link.destroy();
    await world.advance(2000);
    assert.deepEqual(trace(server), []);
  });
}

test("[MQTT5-3.3.4-7] [MQTT5-4.9.0-1] [MQTT5-4.9.0-2] [X-82] no more than Receive Maximum are unacknowledged, in order", async () => {
  const { server, client, world } = await silent({}, { receiveMaximum: 2 });
  for (const [payload, qos] of [
    ["a", 1],
    ["b", 2],
    ["c", 1],
    ["d", 0],
  ] as const)
    publish(client, payload, qos);
  await world.settle();
  assert.deepEqual(trace(server), ["a 1", "b 2"]);
  server.connection.send({ type: "pubrec", packetIdentifier: 2 });
  await world.settle();
  assert.deepEqual(trace(server), ["a 1", "b 2", "pubrel 2"]);
  server.connection.send({ type: "pubcomp", packetIdentifier: 2 });
  await world.settle();
  assert.deepEqual(trace(server), ["a 1", "b 2", "pubrel 2", "c 3", "d -"]);
});

test("[MQTT5-3.3.4-8] [MQTT5-4.9.0-3] at Receive Maximum other packets go on", async () => {
  const { server, client, world } = await silent({}, { receiveMaximum: 1 });
  publish(client, "a", 1);
  publish(client, "b", 1);
  const subscribed = client.subscribe("x", () => {});
  await world.settle();
  await subscribed;
  server.connection.publish("x", "in", { qos: 1, packetIdentifier: 7 });
  await world.settle();
  assert.equal(server.connection.of("puback")[0]?.packetIdentifier, 7);
  assert.equal(server.connection.of("publish").length, 1);
});

test("[MQTT5-3.2.2-11] [MQTT5-3.2.2-14] [MQTT5-3.2.2-15] what the server does not take is not sent", async () => {
  const { server, client, world } = await silent(
    {},
    { maximumQoS: 1, retainAvailable: 0, maximumPacketSize: 100 },
  );
  const refused = [
    assert.rejects(client.publish("t", "x", { qos: 2 }), {
      code: "ERR_NOT_SUPPORTED",
      reasonCode: 0x9b,
    }),
    assert.rejects(client.publish("t", "x", { retain: true }), {
      code: "ERR_NOT_SUPPORTED",
      reasonCode: 0x9a,
    }),
    assert.rejects(client.publish("t", "x".repeat(100), { qos: 1 }), {
      code: "ERR_PACKET_TOO_LARGE",
      reasonCode: 0x95,
    }),
  ];
  publish(client, "fits", 1);
  await world.settle();
  await Promise.all(refused);
  assert.deepEqual(trace(server), ["fits 2"]);
});

for (const [what, topicName, options, code] of [
  ["a wildcard", "a/+", {}, "ERR_TOPIC_NAME"],
  ["an empty name", "", {}, "ERR_TOPIC_NAME"],
  ["QoS 3", "a", { qos: 3 as never }, "ERR_USAGE"],
  ["a Response Topic with a wildcard", "a", { properties: { responseTopic: "a/#" } }, "ERR_USAGE"],
] as const) {
  test(`a message with ${what} is refused, and the next one goes`, async () => {
    const { server, client, world } = await silent();
    const refused = assert.rejects(client.publish(topicName, "x", options), {
      name: "UsageError",
      code,
    });
    publish(client, "next", 0);
    await world.settle();
    await refused;
    assert.deepEqual(trace(server), ["next -"]);
  });
}

test("[MQTT5-3.2.2-17] [MQTT5-3.3.2-9] a repeated Topic Name is sent by its alias, within the server's maximum", async () => {
  const { server, client, world } = await silent({}, { topicAliasMaximum: 1 });
  for (const topicName of ["some/topic", "some/topic", "other/topic", "some/topic"]) {
    client.publish(topicName, "x").catch(() => {});
  }
  await world.settle();
  const sent = server.connection
    .of("publish")
    .map((packet) => [packet.topicName, packet.properties?.topicAlias]);
  assert.deepEqual(sent, [
    ["some/topic", 1],
    ["", 1],
    ["other/topic", undefined],
    ["", 1],
  ]);
});

test("[MQTT5-3.2.2-18] [X-27] without a Topic Alias Maximum no alias is sent", async () => {
  const { server, client, world } = await silent();
  for (let i = 0; i < 3; i++) client.publish("some/topic", "x").catch(() => {});
  await world.settle();
  for (const packet of server.connection.of("publish"))
    assert.equal(packet.properties?.topicAlias, undefined);
});

test("an alias that was given to a message that could not be sent does not stand for its name", async () => {
  const { server, client, world } = await silent({}, { topicAliasMaximum: 5 });
  client.publish("some/topic", "x", { properties: { responseTopic: "#" } }).catch(() => {});
  client.publish("some/topic", "y").catch(() => {});
  await world.settle();
  assert.deepEqual(
    server.connection.of("publish").map((packet) => packet.topicName),
    ["some/topic"],
  );
});

test("[MQTT5-4.4.0-1] [MQTT5-4.6.0-1] [MQTT5-3.3.1-1] a resumed session gets PUBRELs and PUBLISHes again, in order, with DUP", async () => {
  const { server, client, world } = await silent();
  for (const [payload, qos] of [
    ["a", 1],
    ["b", 2],
    ["c", 2],
    ["d", 1],
    ["e", 2],
  ] as const)
    publish(client, payload, qos);
  await world.settle();
  server.connection.send(
    { type: "pubrec", packetIdentifier: 3 },
    { type: "pubrec", packetIdentifier: 2 },
    { type: "puback", packetIdentifier: 1 },
  );
  await world.settle();
  server.connack = { sessionPresent: true };
  server.connection.link.destroy();
  await world.settle();
  publish(client, "f", 1);
  await world.advance(2000);
  assert.deepEqual(trace(server), ["pubrel 3", "pubrel 2", "d 4 dup", "e 5 dup", "f 6"]);
  assert.equal(server.connection.connect.cleanStart, false);
});

test("what is sent again stays within the Receive Maximum of the new connection", async () => {
  const { server, client, world } = await silent();
  for (const payload of ["a", "b", "c"]) publish(client, payload, 2);
  await world.settle();
  server.connection.send({ type: "pubrec", packetIdentifier: 1 });
  await world.settle();
  server.connack = { sessionPresent: true, properties: { receiveMaximum: 1 } };
  server.connection.link.destroy();
  await world.advance(2000);
  assert.deepEqual(trace(server), ["pubrel 1", "b 2 dup"]);
  server.connection.send({ type: "pubcomp", packetIdentifier: 1 });
  await world.settle();
  assert.deepEqual(
    trace(server),
    ["pubrel 1", "b 2 dup"],
    "a PUBCOMP of the last connection gives no quota of this one",
  );
  server.connection.send(
    { type: "pubrec", packetIdentifier: 2 },
    { type: "pubcomp", packetIdentifier: 2 },
  );
  await world.settle();
  assert.deepEqual(trace(server), ["pubrel 1", "b 2 dup", "pubrel 2", "c 3 dup"]);
});

test("[MQTT5-3.2.2-5] when the session is lost QoS 1 is new, QoS 2 is done after PUBREC and else rejected", async () => {
  const { server, client, world } = await silent();
  const results = [
    client.publish("t", "a", { qos: 1 }),
    client.publish("t", "b", { qos: 2 }),
    client.publish("t", "c", { qos: 2 }),
  ] as const;
  const lost = assert.rejects(results[1], { code: "ERR_SESSION_LOST" });
  publish(client, "d", 1);
  await world.settle();
  server.connection.send({ type: "pubrec", packetIdentifier: 3 });
  await world.settle();
  server.connection.link.destroy();
  await world.advance(2000);
  await lost;
  assert.equal((await results[2]).reasonCode, 0);
  assert.deepEqual(
    trace(server).map((line) => line.replace(/ \d+/, "")),
    ["a", "d"],
  );
  const [first] = server.connection.of("publish");
  server.connection.send({ type: "puback", packetIdentifier: first!.packetIdentifier! });
  await world.settle();
  assert.equal((await results[0]).reasonCode, 0);
});

test("[MQTT5-4.4.0-1] on 5.0 nothing is sent again on a live connection; in the end it is given up", async () => {
  const { server, client, world } = await silent({ keepAlive: 0 });
  publish(client, "a", 1);
  await world.advance(59_000);
  assert.deepEqual(trace(server), ["a 1"]);
  server.connack = { sessionPresent: true };
  await world.advance(5000);
  assert.equal(server.connections.length, 2);
  assert.deepEqual(trace(server), ["a 1 dup"]);
});

for (const protocolVersion of [3, 4] as const) {
  test(`[X-106] version ${protocolVersion} sends PUBLISH and PUBREL again 5 times, then ends the connection`, async () => {
    const { server, client, world } = await silent({
      protocolVersion,
      keepAlive: 0,
      reconnect: false,
    });
    const errors: unknown[] = [];
    client.on("disconnected", ({ error }) => errors.push((error as { code?: unknown }).code));
    publish(client, "a", 1);
    publish(client, "b", 2);
    await world.advance(1000);
    server.connection.send({ type: "pubrec", packetIdentifier: 2 });
    await world.advance(9500);
    assert.deepEqual(trace(server), ["a 1", "b 2", "pubrel 2", "a 1 dup"]);
    await world.advance(1000);
    assert.equal(trace(server).at(-1), "pubrel 2");
    assert.equal(
      server.connection.of("pubrel").at(-1)?.dup,
      protocolVersion === 3 ? true : undefined,
    );
    await world.advance(47_000);
    assert.equal(server.connection.of("publish").filter(({ dup }) => dup).length, 5);
    assert.deepEqual(errors, []);
    await world.advance(2000);
    assert.deepEqual(errors, ["ERR_ACKNOWLEDGEMENT_TIMEOUT"]);
  });
}

test("a second acknowledgement that follows from sending again does no harm", async () => {
  const { server, client, world } = await silent({ protocolVersion: 4 });
  const published = client.publish("t", "a", { qos: 2 });
  await world.settle();
  const answer = (type: "pubrec" | "pubcomp" | "puback"): void =>
    server.connection.send({ type, packetIdentifier: 1 });
  answer("pubrec");
  answer("pubrec");
  await world.settle();
  assert.deepEqual(trace(server), ["a 1", "pubrel 1", "pubrel 1"]);
  answer("pubcomp");
  answer("pubcomp");
  answer("puback");
  await world.settle();
  await published;
  assert.equal(client.state, "connected");
});

test("[X-11] PUBREC of an unknown identifier gets PUBREL 0x92", async () => {
  const { server, world } = await silent();
  server.connection.send({ type: "pubrec", packetIdentifier: 77 });
  await world.settle();
  assert.equal(server.connection.of("pubrel")[0]?.reasonCode, 0x92);
});

for (const [sent, answer] of [
  [1, "pubrec"],
  [1, "pubcomp"],
  [2, "puback"],
  [2, "pubcomp"],
] as const) {
  test(`${answer} for a message of QoS ${sent} is a protocol error`, async () => {
    const { server, client, world } = await silent({ reconnect: false });
    publish(client, "a", sent);
    await world.settle();
    server.connection.send({ type: answer, packetIdentifier: 1 });
    await world.settle();
    assert.equal(server.connection.of("disconnect")[0]?.reasonCode, 0x82);
    assert.equal(client.state, "closed");
  });
}

test("without a connection QoS 1 and 2 wait in order, QoS 0 is rejected unless it may wait", async () => {
  for (const qos0 of [false, true]) {
    const { server, client, world } = await silent({ queue: { qos0 } });
    server.isDown = true;
    server.connection.link.destroy();
    await world.settle();
    publish(client, "a", 1);
    const zero = client.publish("t", "b");
    const outcome = zero.then(
      () => "sent",
      (error: { code: string }) => error.code,
    );
    publish(client, "c", 2);
    assert.equal(client.queuedMessages, qos0 ? 3 : 2);
    server.isDown = false;
    await world.advance(5000);
    assert.deepEqual(trace(server), qos0 ? ["a 1", "b -", "c 2"] : ["a 1", "c 2"]);
    assert.equal(await outcome, qos0 ? "sent" : "ERR_NOT_CONNECTED");
    assert.equal(client.queuedMessages, 0);
  }
});

test("the queue has a bound in messages and in bytes", async () => {
  const { server, client, world } = await silent({
    queue: { maximumMessages: 2, maximumBytes: 1000 },
  });
  server.isDown = true;
  server.connection.link.destroy();
  await world.settle();
  await assert.rejects(client.publish("t", "x".repeat(1000), { qos: 1 }), {
    code: "ERR_QUEUE_FULL",
  });
  publish(client, "a", 1);
  publish(client, "b", 1);
  await assert.rejects(client.publish("t", "c", { qos: 1 }), { code: "ERR_QUEUE_FULL" });
});

test("a message that expires while it waits is rejected; of one that does not the waiting is taken off", async () => {
  const { server, client, world } = await silent();
  server.isDown = true;
  server.connection.link.destroy();
  await world.settle();
  const expired = assert.rejects(
    client.publish("t", "a", { qos: 1, properties: { messageExpiryInterval: 3 } }),
    {
      code: "ERR_MESSAGE_EXPIRED",
    },
  );
  client.publish("t", "b", { qos: 1, properties: { messageExpiryInterval: 3600 } }).catch(() => {});
  await world.advance(5000);
  server.isDown = false;
  await world.advance(20_000);
  await expired;
  const sent = server.connection.of("publish");
  assert.deepEqual(sent.map(text), ["b"]);
  const left = sent[0]?.properties?.messageExpiryInterval ?? 0;
  assert.ok(left < 3600 && left > 3570, `${left}`);
});

test("a signal takes back what waits, and stops the wait for what was sent", async () => {
  const { server, client, world } = await silent({}, { receiveMaximum: 1 });
  const controller = new AbortController();
  const { signal } = controller;
  const aborted = ["a", "b"].map((payload) =>
    assert.rejects(client.publish("t", payload, { qos: 1, signal }), { code: "ERR_ABORTED" }),
  );
  publish(client, "c", 1);
  await world.settle();
  controller.abort();
  await Promise.all(aborted);
  assert.equal(client.inFlight, 1);
  server.connection.send({ type: "puback", packetIdentifier: 1 });
  await world.settle();
  assert.deepEqual(trace(server), ["a 1", "c 2"]);
  await assert.rejects(client.publish("t", "d", { signal }), { code: "ERR_ABORTED" });
});

test("a transport that takes nothing holds messages back, and lets them go in order", async () => {
  const { server, client, world } = await silent();
  server.connection.link.pause();
  const payload = "x".repeat(100_000);
  const done: number[] = [];
  for (let i = 0; i < 20; i++)
    client.publish("t", payload).then(
      () => done.push(i),
      () => {},
    );
  await world.settle();
  assert.ok(done.length < 10, `${done.length} of 20 are held to be sent`);
  assert.ok(client.queuedMessages > 0);
  server.connection.link.resume();
  await world.settle();
  assert.equal(done.length, 20);
  assert.equal(server.connection.of("publish").length, 20);
});

test("with dropOldest the messages that wait longest give way, and their promises say so", async () => {
  const server = new FakeServer();
  const client = await server.connect({
    queue: { maximumMessages: 2, maximumBytes: 300, whenFull: "dropOldest" },
  });
  server.isDown = true;
  server.connection.link.destroy();
  await server.world.settle();
  const dropped = assert.rejects(client.publish("t", "a", { qos: 1 }), { code: "ERR_QUEUE_FULL" });
  const droppedForBytes = assert.rejects(client.publish("t", "b", { qos: 1 }), {
    code: "ERR_QUEUE_FULL",
  });
  publish(client, "c", 1);
  await dropped;
  publish(client, "x".repeat(160), 1);
  await droppedForBytes;
  await assert.rejects(client.publish("t", "x".repeat(301), { qos: 1 }), {
    code: "ERR_QUEUE_FULL",
  });
  server.isDown = false;
  await server.world.advance(5000);
  assert.deepEqual(trace(server), ["c 1", `${"x".repeat(160)} 2`]);
});

test("a message that expires while it waits is rejected then, without a connection too", async () => {
  const server = new FakeServer();
  const client = await server.connect();
  server.isDown = true;
  server.connection.link.destroy();
  await server.world.settle();
  const expired = assert.rejects(
    client.publish("t", "a", { qos: 1, properties: { messageExpiryInterval: 5 } }),
    { code: "ERR_MESSAGE_EXPIRED" },
  );
  await server.world.advance(6000);
  await expired;
  assert.equal(client.queuedMessages, 0);
});

test("a message in flight does not expire: its acknowledgement settles it", async () => {
  const { server, client, world } = await silent();
  const published = client.publish("t", "a", {
    qos: 1,
    properties: { messageExpiryInterval: 5 },
  });
  await world.advance(8000);
  server.connection.send({ type: "puback", packetIdentifier: 1 });
  await world.settle();
  assert.equal((await published).reasonCode, 0);
});

test("a delayed message goes to where the broker holds it back", async () => {
  const { server, client, world } = await silent();
  client.publish("t/u", "a", { delay: 90 }).catch(() => {});
  await world.settle();
  assert.equal(server.connection.of("publish")[0]?.topicName, "$delayed/90/t/u");
  for (const delay of [0, 1.5, -1, Number.NaN])
    await assert.rejects(client.publish("t", "a", { delay }), { name: "UsageError" });
});

test("properties that are none are refused when they are given, and harm no other message", async () => {
  const server = new FakeServer();
  const client = await server.connect();
  for (const properties of [
    { userProperties: { from: "old" } },
    { userProperties: ["a", "b"] },
    { userProperties: [["a", 1]] },
    { contentType: 5 },
    { correlationData: "abc" },
    { messageExpiryInterval: -1 },
    { messageExpiryInterval: 1.5 },
    { responseTopic: "a/+" },
    { noSuch: 1 },
  ]) {
    const published = client.publish("a", "x", { qos: 1, properties: properties as never });
    await assert.rejects(published, { name: "UsageError", code: "ERR_USAGE" });
  }
  const last = client.publish("a", "y", { qos: 1, properties: null as never });
  await server.world.settle();
  assert.equal((await last).reasonCode, 0);
  assert.equal(server.connection.of("publish").length, 1);
});

test("a QoS 0 publish without a connection that nobody awaits ends no process", async () => {
  const server = new FakeServer();
  const client = await server.connect();
  server.isDown = true;
  server.connection.link.destroy();
  await server.world.settle();
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  process.on("unhandledRejection", note);
  void client.publish("a", "x");
  await assert.rejects(client.publish("a", "y"), { code: "ERR_NOT_CONNECTED" });
  // Rejections are told before the next turn.
  await new Promise((resolve) => setImmediate(resolve));
  process.off("unhandledRejection", note);
  assert.deepEqual(unhandled, []);
});

test("3.x: a message that begins anew with each session has all its retries in each", async () => {
  const server = new FakeServer();
  server.answers.delete("publish");
  const client = await server.connect({ protocolVersion: 4, ackRetries: 1 });
  const failed = assert.rejects(client.publish("a", "x", { qos: 1 }), {
    code: "ERR_CLIENT_CLOSED",
  });
  for (let i = 0; i < 2; i++) {
    await server.world.settle();
    server.connection.link.destroy();
    await server.world.advance(3000);
  }
  const { connection } = server;
  await server.world.advance(12_000);
  assert.equal(connection.isClosed, false);
  assert.deepEqual(
    connection.of("publish").map(({ dup }) => dup),
    [false, true],
  );
  await client.close();
  await failed;
});
