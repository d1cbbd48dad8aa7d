import type { Packet } from "@sericite/protocol";
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Client } from "./client.ts";
import type { ClientOptions } from "./options.ts";
import { FakeServer } from "./testing/fake-server.ts";
import type { StoredRecords } from "./testing/memory-store.ts";
import { MemoryStore } from "./testing/memory-store.ts";

/** One process: a client with a store on `records`, and a server that answers no PUBLISH. */
async function process(
  records: StoredRecords,
  more: ClientOptions = {},
  answers: Packet["type"][] = ["publish", "pubrel"],
) {
  const server = new FakeServer();
  server.connack = { sessionPresent: records.size > 0 };
  for (const type of answers) server.answers.delete(type);
  const store = new MemoryStore(records);
  const client = await server.connect({ store, ...more });
  return { server, client, store, world: server.world };
}

function publish(client: Client, payload: string, qos: 1 | 2): void {
  client.publish("t", payload, { qos }).catch(() => {});
}

/** `payload identifier dup` of every PUBLISH, and the other packets of delivery. */
function trace(server: FakeServer): string[] {
  return server.connection.received.slice(1).flatMap((packet) => {
    if (packet.type === "publish") {
      const dup = packet.dup ? " dup" : "";
      return [`${new TextDecoder().decode(packet.payload)} ${packet.packetIdentifier}${dup}`];
    }
    return "packetIdentifier" in packet ? [`${packet.type} ${packet.packetIdentifier}`] : [];
  });
}

/** The process is killed: what it kept is all that is left. */
function killed(records: StoredRecords): StoredRecords {
  return new Map(records);
}

test("a message is not sent before it and its Packet Identifier are kept", async () => {
  const { server, client, store, world } = await process(new Map());
  store.isHeld = true;
  publish(client, "a", 1);
  await world.settle();
  assert.deepEqual(trace(server), []);
  store.release();
  await world.settle();
  assert.deepEqual(trace(server), ["a 1"]);
});

test("flush settles when what was published is kept", async () => {
  const { client, store, world } = await process(new Map());
  await client.flush();
  store.isHeld = true;
  publish(client, "a", 1);
  let isFlushed = false;
  const flushed = client.flush().then(() => {
    isFlushed = true;
  });
  await world.settle();
  assert.equal(isFlushed, false);
  store.release();
  await world.settle();
  await flushed;
});

for (const protocolVersion of [3, 4, 5] as const) {
  test(`version ${protocolVersion}: [MQTT5-4.4.0-1] what was in flight when the process was killed is sent by the next, in order, under its Packet Identifiers`, async () => {
    const records: StoredRecords = new Map();
    const { server, client, world } = await process(records, { protocolVersion });
    for (const [payload, qos] of [
      ["a", 1],
      ["b", 2],
      ["c", 2],
      ["d", 1],
    ] as const)
      publish(client, payload, qos);
    await world.settle();
    server.connection.send(
      { type: "puback", packetIdentifier: 1 },
      { type: "pubrec", packetIdentifier: 2 },
    );
    await world.settle();
    assert.deepEqual(trace(server), ["a 1", "b 2", "c 3", "d 4", "pubrel 2"]);
    const next = await process(killed(records), { protocolVersion });
    assert.equal(next.server.connection.connect.cleanStart, false);
    publish(next.client, "e", 1);
    await next.world.settle();
    assert.deepEqual(trace(next.server), ["pubrel 2", "c 3 dup", "d 4 dup", "e 1"]);
  });
}

test("what was published without a connection is sent by the next process as new", async () => {
  const records: StoredRecords = new Map();
  const { server, client, world } = await process(records);
  server.isDown = true;
  server.connection.link.destroy();
  await world.settle();
  for (const [payload, qos] of [
    ["a", 2],
    ["b", 1],
  ] as const)
    publish(client, payload, qos);
  client
    .publish("t", "properties", {
      qos: 1,
      retain: true,
      properties: {
        messageExpiryInterval: 60,
        contentType: "text/plain",
        userProperties: [["k", "v"]],
      },
    })
    .catch(() => {});
  await world.settle();
  const next = await process(killed(records));
  await next.world.settle();
  assert.deepEqual(trace(next.server), ["a 1", "b 2", "properties 3"]);
  const last = next.server.connection.of("publish")[2];
  assert.equal(last?.retain, true);
  assert.deepEqual(last?.properties, {
    messageExpiryInterval: 60,
    contentType: "text/plain",
    userProperties: [["k", "v"]],
  });
});

test("what is acknowledged, refused or given up is not kept", async () => {
  const records: StoredRecords = new Map();
  const { server, client, world } = await process(records);
  const ownRecords = records.size;
  for (const [payload, qos] of [
    ["a", 1],
    ["b", 2],
    ["c", 1],
    ["d", 2],
  ] as const)
    publish(client, payload, qos);
  await world.settle();
  assert.equal(records.size, ownRecords + 8);
  server.connection.send(
    { type: "puback", packetIdentifier: 1 },
    { type: "pubrec", packetIdentifier: 2 },
    { type: "puback", packetIdentifier: 3, reasonCode: 0x87 },
    { type: "pubrec", packetIdentifier: 4, reasonCode: 0x97 },
  );
  await world.settle();
  server.connection.send({ type: "pubcomp", packetIdentifier: 2 });
  await world.settle();
  assert.equal(records.size, ownRecords);
  server.isDown = true;
  server.connection.link.destroy();
  await world.settle();
  const controller = new AbortController();
  const aborted = assert.rejects(client.publish("t", "e", { qos: 1, signal: controller.signal }), {
    code: "ERR_ABORTED",
  });
  const expired = assert.rejects(
    client.publish("t", "f", { qos: 1, properties: { messageExpiryInterval: 1 } }),
    { code: "ERR_MESSAGE_EXPIRED" },
  );
  controller.abort();
  await world.advance(2000);
  await aborted;
  await expired;
  assert.equal(records.size, ownRecords);
});

test("PUBREL does not leave before the PUBREC is kept", async () => {
  const { server, client, store, world } = await process(new Map());
  publish(client, "a", 2);
  await world.settle();
  store.isHeld = true;
  server.connection.send({ type: "pubrec", packetIdentifier: 1 });
  await world.settle();
  assert.deepEqual(trace(server), ["a 1"]);
  store.release();
  await world.settle();
  assert.deepEqual(trace(server), ["a 1", "pubrel 1"]);
});

test("[MQTT5-4.3.3-10] a QoS 2 message that was handled before the kill is not handed out again", async () => {
  const records: StoredRecords = new Map();
  const first = await process(records);
  const subscribed = first.client.subscribe("t", () => {}, { qos: 2 });
  await first.world.settle();
  await subscribed;
  first.store.isHeld = true;
  first.server.connection.publish("t", "a", { qos: 2, packetIdentifier: 7 });
  await first.world.settle();
  assert.equal(first.server.connection.of("pubrec").length, 0, "PUBREC waits for its record");
  first.store.release();
  await first.world.settle();
  assert.equal(first.server.connection.of("pubrec").length, 1);
  const next = await process(killed(records));
  const seen: string[] = [];
  const again = next.client.subscribe("t", (message) => void seen.push(message.text()), { qos: 2 });
  await next.world.settle();
  await again;
  next.server.connection.publish("t", "a", { qos: 2, packetIdentifier: 7, dup: true });
  next.server.connection.send({ type: "pubrel", packetIdentifier: 7 });
  await next.world.settle();
  assert.deepEqual(seen, []);
  assert.deepEqual(trace(next.server).slice(1), ["pubrec 7", "pubcomp 7"]);
  const last = await process(killed(next.store.records));
  const seenLast: string[] = [];
  const third = last.client.subscribe("t", (message) => void seenLast.push(message.text()));
  await last.world.settle();
  await third;
  last.server.connection.publish("t", "b", { qos: 2, packetIdentifier: 7 });
  await last.world.settle();
  assert.deepEqual(seenLast, ["b"], "after PUBCOMP the identifier is a new message's");
});

test("when the server lost the session, QoS 1 is sent as new, and what nobody can know is told", async () => {
  const records: StoredRecords = new Map();
  const { client, world } = await process(records);
  publish(client, "a", 1);
  publish(client, "b", 2);
  await world.settle();
  const server = new FakeServer();
  server.answers.delete("publish");
  const opening = server.open({ store: new MemoryStore(killed(records)) });
  const failed: string[] = [];
  const next = opening.then((opened) => {
    opened.on("publishFailed", ({ payload, error }) =>
      failed.push(`${new TextDecoder().decode(payload)} ${(error as { code?: string }).code}`),
    );
    return opened;
  });
  await server.world.settle();
  await next;
  await server.world.settle();
  assert.deepEqual(trace(server), ["a 1"]);
  assert.deepEqual(failed, ["b ERR_SESSION_LOST"]);
});

test("messages that wait for the Receive Maximum have no Packet Identifier before their turn", async () => {
  const records: StoredRecords = new Map();
  const server = new FakeServer();
  server.answers.delete("publish");
  server.connack = { properties: { receiveMaximum: 2 } };
  const client = await server.connect({ store: new MemoryStore(records) });
  for (const payload of ["a", "b", "c", "d"]) publish(client, payload, 1);
  await server.world.settle();
  assert.deepEqual(trace(server), ["a 1", "b 2"]);
  server.connection.send({ type: "puback", packetIdentifier: 1 });
  await server.world.settle();
  assert.deepEqual(trace(server), ["a 1", "b 2", "c 3"]);
  const next = await process(killed(records));
  await next.world.settle();
  assert.deepEqual(trace(next.server), ["b 2 dup", "c 3 dup", "d 1"]);
});

test("a store that fails closes the client, and says so", async () => {
  const { client, store, world } = await process(new Map());
  store.failure = new Error("disk full");
  const closed: unknown[] = [];
  client.on("closed", ({ error }) => closed.push((error as { code?: string }).code));
  const failed = assert.rejects(client.publish("t", "a", { qos: 1 }), {
    code: "ERR_CLIENT_CLOSED",
  });
  const flush = assert.rejects(client.flush(), { code: "ERR_STORE_FAILED" });
  await world.settle();
  await failed;
  await flush;
  assert.deepEqual(closed, ["ERR_STORE_FAILED"]);
  await client.close();
  assert.equal(store.isClosed, true);
});

test("disconnect keeps what is left, and closes the store", async () => {
  const records: StoredRecords = new Map();
  const { client, store, world } = await process(records);
  publish(client, "a", 1);
  await world.settle();
  const disconnected = client.disconnect({ timeoutMs: 100 });
  await world.advance(3000);
  await disconnected;
  assert.equal(store.isClosed, true);
  const next = await process(killed(records));
  await next.world.settle();
  assert.deepEqual(trace(next.server), ["a 1 dup"]);
});

test("[MQTT5-3.1.3-2] [MQTT3-3.1.3-2] a store belongs to one Client Identifier, and needs one", async () => {
  const records: StoredRecords = new Map();
  await process(records);
  const server = new FakeServer();
  await assert.rejects(server.open({ store: new MemoryStore(records), clientId: "other" }), {
    name: "UsageError",
    message: /session of c, not of other/,
  });
  const store = new MemoryStore();
  await assert.rejects(server.open({ store, clientId: undefined }), { name: "UsageError" });
  assert.equal(store.isClosed, true);
});

for (const repeats of [
  ["before its PUBREC", false],
  ["after its PUBREC", true],
] as const) {
  test(`[MQTT3-4.3.3-2] a QoS 2 message that comes again ${repeats[0]} leaves nothing in the store once PUBREL came`, async () => {
    const isAnswered = repeats[1];
    const records: StoredRecords = new Map();
    const finish: (() => void)[] = [];
    const { server, client, world } = await process(records, { protocolVersion: 4 });
    const subscribed = client.subscribe(
      "slow",
      () => new Promise<void>((resolve) => finish.push(resolve)),
    );
    await world.settle();
    await subscribed;
    const slow = () => server.connection.publish("slow", "", { qos: 1, packetIdentifier: 1 });
    const again = () => server.connection.publish("t", "a", { qos: 2, packetIdentifier: 2 });
    if (!isAnswered) slow();
    again();
    await world.settle();
    if (isAnswered) slow();
    again();
    await world.settle();
    if (isAnswered) server.connection.send({ type: "pubrel", packetIdentifier: 2 });
    await world.settle();
    finish[0]?.();
    await world.settle();
    server.connection.send({ type: "pubrel", packetIdentifier: 2 });
    await world.settle();
    const sent = trace(server);
    assert.equal(sent.filter((packet) => packet === "pubrec 2").length, isAnswered ? 2 : 1);
    assert.deepEqual([...records.keys()], ["c"]);
  });
}
