// The rules of §4.3, §4.4 and §4.6 that bind a client, for the versions that have them.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Dial, Link } from "@sericite/protocol";
import type { Client } from "./client.ts";
import type { ClientOptions } from "./options.ts";
import { FakeServer } from "./testing/fake-server.ts";

/** A connected client whose server leaves PUBLISH and PUBREL unanswered. */
async function silent(options: ClientOptions = {}) {
  const server = new FakeServer();
  server.answers.delete("publish");
  server.answers.delete("pubrel");
  const client = await server.connect(options);
  return { server, client, world: server.world };
}

function publish(client: Client, payload: string, qos: 0 | 1 | 2, expiry?: number): void {
  const properties = expiry === undefined ? undefined : { messageExpiryInterval: expiry };
  client.publish("t", payload, { qos, properties }).catch(() => {});
}

/** `puback 1`, `publish a 1 dup` and the like, of the newest connection. */
function trace(server: FakeServer): string[] {
  return server.connection.received.slice(1).flatMap((packet) => {
    if (packet.type === "publish") {
      const payload = new TextDecoder().decode(packet.payload);
      return [`publish ${payload} ${packet.packetIdentifier ?? "-"}${packet.dup ? " dup" : ""}`];
    }
    return "packetIdentifier" in packet ? [`${packet.type} ${packet.packetIdentifier}`] : [];
  });
}

/** The connection is lost, and the session resumed. */
async function resume(server: FakeServer): Promise<void> {
  server.connack = { sessionPresent: true };
  server.connection.link.destroy();
  await server.world.advance(2000);
}

for (const [protocolVersion, tags] of [
  [4, "[MQTT3-4.3.1-1] [MQTT3-2.3.1-5]"],
  [5, "[MQTT5-4.3.1-1]"],
] as const) {
  test(`${tags} version ${protocolVersion}: a QoS 0 message has neither DUP nor a Packet Identifier`, async () => {
    const { server, client, world } = await silent({ protocolVersion });
    publish(client, "a", 0);
    publish(client, "b", 0);
    await world.settle();
    assert.deepEqual(trace(server), ["publish a -", "publish b -"]);
  });
}

for (const [protocolVersion, tags] of [
  [
    4,
    "[MQTT3-4.3.2-1] [MQTT3-2.3.1-2] [MQTT3-2.3.1-3] [MQTT3-3.3.1-1] [MQTT3-4.4.0-1] [MQTT3-4.6.0-1] [MQTT3-3.1.2-4] [MQTT3-4.1.0-1] [MQTT3-4.1.0-2]",
  ],
  [3, "[X-121]"],
  [5, "[MQTT5-4.3.2-1] [MQTT5-4.3.2-2] [MQTT5-4.3.2-3] [MQTT5-3.1.2-23] [MQTT5-4.1.0-1]"],
] as const) {
  test(`${tags} version ${protocolVersion}: a QoS 1 message has an identifier of its own, and is sent again under it, in order, until PUBACK`, async () => {
    const { server, client, world } = await silent({ protocolVersion, cleanStart: false });
    for (const payload of ["a", "b", "c"]) publish(client, payload, 1);
    await world.settle();
    assert.deepEqual(trace(server), ["publish a 1", "publish b 2", "publish c 3"]);
    server.connection.send({ type: "puback", packetIdentifier: 2 });
    await world.settle();
    assert.equal(client.inFlight, 2);
    await resume(server);
    assert.equal(server.connection.connect.cleanStart, false);
    assert.deepEqual(trace(server), ["publish a 1 dup", "publish c 3 dup"]);
    server.connection.send(
      { type: "puback", packetIdentifier: 1 },
      { type: "puback", packetIdentifier: 3 },
    );
    await world.settle();
    assert.equal(client.inFlight, 0);
    await resume(server);
    assert.deepEqual(trace(server), []);
  });
}

for (const [protocolVersion, tags] of [
  [4, "[MQTT3-4.3.3-1] [MQTT3-2.3.1-6] [MQTT3-4.6.0-4]"],
  [
    5,
    "[MQTT5-4.3.3-1] [MQTT5-4.3.3-2] [MQTT5-4.3.3-3] [MQTT5-4.3.3-4] [MQTT5-4.3.3-5] [MQTT5-4.3.3-6] [MQTT5-2.2.1-5]",
  ],
] as const) {
  test(`${tags} version ${protocolVersion}: a QoS 2 message goes on step by step, and PUBLISH is not sent again after PUBREL`, async () => {
    const { server, client, world } = await silent({ protocolVersion, cleanStart: false });
    for (const payload of ["a", "b", "c"]) publish(client, payload, 2);
    await world.settle();
    assert.deepEqual(trace(server), ["publish a 1", "publish b 2", "publish c 3"]);
    await resume(server);
    assert.deepEqual(trace(server), ["publish a 1 dup", "publish b 2 dup", "publish c 3 dup"]);
    server.connection.send(
      { type: "pubrec", packetIdentifier: 2 },
      { type: "pubrec", packetIdentifier: 1 },
    );
    await world.settle();
    assert.deepEqual(trace(server).slice(3), ["pubrel 2", "pubrel 1"]);
    assert.equal(client.inFlight, 3);
    await resume(server);
    assert.deepEqual(trace(server), ["pubrel 2", "pubrel 1", "publish c 3 dup"]);
    server.connection.send({ type: "pubcomp", packetIdentifier: 2 });
    await world.settle();
    assert.equal(client.inFlight, 2);
    await resume(server);
    assert.deepEqual(trace(server), ["pubrel 1", "publish c 3 dup"]);
  });
}

test("[MQTT5-4.3.3-7] a QoS 2 message that was sent goes on though it has expired", async () => {
  const { server, client, world } = await silent();
  publish(client, "a", 2, 1);
  await world.advance(5000);
  await resume(server);
  assert.deepEqual(trace(server), ["publish a 1 dup"]);
  server.connection.send({ type: "pubrec", packetIdentifier: 1 });
  await world.settle();
  assert.deepEqual(trace(server).slice(1), ["pubrel 1"]);
});

for (const [protocolVersion, tags] of [
  [4, "[MQTT3-4.3.2-2] [MQTT3-4.5.0-2]"],
  [
    5,
    "[MQTT5-4.3.2-4] [MQTT5-4.3.2-5] [MQTT5-4.3.3-8] [MQTT5-4.3.3-11] [MQTT5-4.3.3-12] [MQTT5-4.3.3-13] [MQTT5-4.5.0-2]",
  ],
] as const) {
  test(`${tags} version ${protocolVersion}: what comes is acknowledged under its identifier, wanted or not, and the identifier is a new message's then`, async () => {
    const server = new FakeServer();
    const client = await server.connect({ protocolVersion });
    const seen: string[] = [];
    const subscribed = client.subscribe("t", (message) => void seen.push(message.text()));
    await server.world.settle();
    await subscribed;
    const { connection, world } = server;
    const properties = protocolVersion === 5 ? { messageExpiryInterval: 1 } : undefined;
    connection.publish("t", "a", { qos: 1, packetIdentifier: 7 });
    connection.publish("t", "b", { qos: 1, packetIdentifier: 7, dup: true });
    connection.publish("t", "c", { qos: 2, packetIdentifier: 8, properties });
    connection.publish("unwanted", "x", { qos: 1, packetIdentifier: 9 });
    connection.publish("unwanted", "x", { qos: 2, packetIdentifier: 10 });
    await world.settle();
    assert.deepEqual(trace(server).slice(1), [
      "puback 7",
      "puback 7",
      "pubrec 8",
      "puback 9",
      "pubrec 10",
    ]);
    await world.advance(3000);
    connection.send({ type: "pubrel", packetIdentifier: 8 });
    await world.settle();
    connection.publish("t", "d", { qos: 2, packetIdentifier: 8 });
    await world.settle();
    assert.deepEqual(trace(server).slice(6), ["pubcomp 8", "pubrec 8"]);
    assert.deepEqual(seen, ["a", "b", "c", "d"]);
  });
}

test("[MQTT5-3.6.2-2] [MQTT5-3.6.2-3] [MQTT5-3.7.2-2] [MQTT5-3.7.2-3] PUBREL and PUBCOMP are never larger than the server takes", async () => {
  const server = new FakeServer();
  server.connack = { properties: { maximumPacketSize: 5 } };
  await server.connect();
  server.connection.send(
    { type: "pubrec", packetIdentifier: 5 },
    { type: "pubrel", packetIdentifier: 6 },
  );
  server.connection.reads.length = 0;
  await server.world.settle();
  assert.deepEqual(trace(server), ["pubrel 5", "pubcomp 6"]);
  assert.deepEqual(server.connection.reads, [10]);
});

test("[MQTT5-3.14.2-3] [MQTT5-3.14.2-4] DISCONNECT leaves out what would make it too large for the server", async () => {
  const server = new FakeServer();
  server.connack = { properties: { maximumPacketSize: 30 } };
  const client = await server.connect();
  const disconnected = client.disconnect({
    sessionExpiryInterval: 7,
    properties: { reasonString: "x".repeat(40), userProperties: [["a", "b"]] },
  });
  await server.world.advance(3000);
  await disconnected;
  assert.deepEqual(server.connection.of("disconnect")[0]?.properties, { sessionExpiryInterval: 7 });
});

test("[MQTT5-3.1.2-4] [MQTT3-3.1.2-6] with Clean Start what was in flight is not resumed: QoS 1 is a new message", async () => {
  for (const protocolVersion of [4, 5] as const) {
    const { server, client, world } = await silent({ protocolVersion });
    assert.equal(server.connection.connect.cleanStart, true);
    publish(client, "a", 1);
    await world.settle();
    server.connection.link.destroy();
    await world.advance(2000);
    assert.deepEqual(trace(server), ["publish a 2"]);
    assert.equal(server.connection.connect.cleanStart, protocolVersion === 4);
  }
});

for (const [sessionExpiryInterval, what] of [
  [undefined, "as long as the default says"],
  [0, "not at all"],
  [0xffff_ffff, "for ever"],
] as const) {
  test(`[X-23] Session Expiry Interval ${sessionExpiryInterval}: the server is told to keep the session ${what}`, async () => {
    const { server, client, world } = await silent({ sessionExpiryInterval });
    const asked = server.connection.connect.properties?.sessionExpiryInterval ?? 0;
    assert.equal(asked, sessionExpiryInterval ?? 300);
    publish(client, "a", 1);
    await world.settle();
    // Whether there is still a session the server knows alone.
    server.connack = { sessionPresent: asked > 0 };
    server.connection.link.destroy();
    await world.advance(2000);
    assert.equal(server.connection.connect.properties?.sessionExpiryInterval ?? 0, asked);
    assert.deepEqual(trace(server), [asked > 0 ? "publish a 1 dup" : "publish a 2"]);
  });
}

test("[X-29] the client never forbids the server to give reasons, and takes them", async () => {
  const { server, client, world } = await silent();
  assert.equal(server.connection.connect.properties?.requestProblemInformation, undefined);
  const published = client.publish("t", "a", { qos: 1 });
  await world.settle();
  server.connection.send({
    type: "puback",
    packetIdentifier: 1,
    properties: { reasonString: "kept", userProperties: [["a", "b"]] },
  });
  await world.settle();
  await published;
  assert.equal(client.state, "connected");
});

test("[MQTT5-4.12.0-7] without an Authentication Method an AUTH of the server is not answered by AUTH", async () => {
  const server = new FakeServer();
  await server.connect({ reconnect: false });
  server.connection.send({
    type: "auth",
    reasonCode: 0x18,
    properties: { authenticationMethod: "any" },
  });
  await server.world.settle();
  assert.equal(server.connection.of("auth").length, 0);
  assert.equal(server.connection.of("disconnect")[0]?.reasonCode, 0x82);
});

test("[MQTT3-3.1.2-11] [MQTT3-3.1.2-20] [MQTT3-3.1.3-3] CONNECT has what was asked for and nothing else", async () => {
  const server = new FakeServer();
  await server.connect({ protocolVersion: 4, clientId: "lamp-1" });
  const { clientId, username, password, will } = server.connection.connect;
  assert.deepEqual(
    [clientId, username, password, will],
    ["lamp-1", undefined, undefined, undefined],
  );
});

test("[MQTT3-3.1.2-19] [MQTT5-3.1.2-19] CONNECT has the User Name and Password that were given", async () => {
  for (const protocolVersion of [4, 5] as const) {
    const server = new FakeServer();
    await server.connect({ protocolVersion, username: "ann", password: "secret" });
    const { username, password } = server.connection.connect;
    assert.equal(username, "ann");
    assert.deepEqual(password, new TextEncoder().encode("secret"));
  }
});

for (const [what, options] of [
  [
    "[MQTT3-3.1.3-7] an empty Client Identifier without cleanStart",
    { clientId: "", cleanStart: false },
  ],
  ["[MQTT3-3.1.3-4] a Client Identifier that is no UTF-8", { clientId: "\ud800" }],
  ["[MQTT3-3.1.3-11] a User Name that is no UTF-8", { username: "\ud800" }],
  ["[MQTT3-3.1.3-10] a Will Topic that is no UTF-8", { will: { topicName: "\ud800" } }],
] as const) {
  test(`${what} is a mistake, and nothing is sent`, async () => {
    const server = new FakeServer();
    await assert.rejects(server.open({ protocolVersion: 4, ...options }), { name: "UsageError" });
    await server.world.settle();
    assert.equal(server.connections.length, 0);
  });
}

for (const [tags, topicFilter] of [
  ["[MQTT5-4.7.1-1] [MQTT3-4.7.1-2]", "a/#/b"],
  ["[MQTT5-4.7.1-1] [MQTT3-4.7.1-2]", "a#"],
  ["[MQTT5-4.7.1-2] [MQTT3-4.7.1-3]", "a+/b"],
  ["[MQTT5-4.8.2-1]", "$share//a"],
  ["[MQTT5-4.8.2-2]", "$share/a+/b"],
  ["[MQTT5-4.8.2-2]", "$share/a"],
] as const) {
  test(`${tags} ${topicFilter} is no Topic Filter, and is not sent`, async () => {
    const server = new FakeServer();
    const client = await server.connect();
    await assert.rejects(client.subscribe(topicFilter), { name: "UsageError" });
    await assert.rejects(client.unsubscribe(topicFilter), { name: "UsageError" });
    await server.world.settle();
    assert.equal(server.connection.received.length, 1);
  });
}

/** Dials as the server does, and notes the first byte of each packet that leaves. */
function watched(server: FakeServer, firstBytes: number[]): Dial {
  return async (handler) => {
    const link = await server.dial(handler);
    const watching: Link = {
      peer: link.peer,
      get unsentBytes() {
        return link.unsentBytes;
      },
      write: (bytes) => {
        // All packets here have a Remaining Length of one byte.
        for (let at = 0; at < bytes.length; at += 2 + bytes[at + 1]!) firstBytes.push(bytes[at]!);
        return link.write(bytes);
      },
      pause: () => link.pause(),
      resume: () => link.resume(),
      end: () => link.end(),
      destroy: () => link.destroy(),
    };
    return watching;
  };
}

for (const [protocolVersion, tag] of [
  [4, "[MQTT3-2.2.2-1]"],
  [5, "[MQTT5-2.1.3-1]"],
] as const) {
  test(`${tag} version ${protocolVersion}: the reserved flags of every packet are as the table says`, async () => {
    const server = new FakeServer();
    const firstBytes: number[] = [];
    const { world } = server;
    const opening = server.open({
      protocolVersion,
      dial: watched(server, firstBytes),
      keepAlive: 5,
    });
    await world.settle();
    const client = await opening;
    const done: Promise<unknown>[] = [
      client.subscribe("t", () => {}, { qos: 2 }),
      client.publish("u", "", { qos: 1 }),
      client.publish("u", "", { qos: 2 }),
    ];
    await world.settle();
    await Promise.all(done);
    server.connection.publish("t", "", { qos: 1, packetIdentifier: 1 });
    server.connection.publish("t", "", { qos: 2, packetIdentifier: 2 });
    await world.settle();
    server.connection.send({ type: "pubrel", packetIdentifier: 2 });
    const unsubscribed = client.unsubscribe("t");
    await world.settle();
    await unsubscribed;
    await world.advance(6000);
    const disconnected = client.disconnect();
    await world.advance(3000);
    await disconnected;
    assert.deepEqual(
      [...new Set(firstBytes)].sort((one, other) => one - other),
      [0x10, 0x32, 0x34, 0x40, 0x50, 0x62, 0x70, 0x82, 0xa2, 0xc0, 0xe0],
    );
  });
}
