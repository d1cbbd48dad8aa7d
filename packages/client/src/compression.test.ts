import assert from "node:assert/strict";
import { test } from "node:test";
import * as zlib from "node:zlib";
import { gzipSync } from "node:zlib";
import type { PublishPacket } from "@sericite/protocol";
import type { Client } from "./client.ts";
import { brotli, compression, gzip, zstd } from "./node-compression.ts";
import type { ConnectOptions } from "./options.ts";
import type { StandardSchema } from "./standard-schema.ts";
import { FakeServer } from "./testing/fake-server.ts";
import { topic } from "./topic.ts";

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const long = "a".repeat(10_000);
const toLogs = { topics: { "logs/#": gzip } };

/** Lets the world go on, and the thread pool, until it is so. */
async function until(server: FakeServer, condition: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !condition(); i++) {
    await new Promise((resolve) => setTimeout(resolve, 2));
    await server.world.settle();
  }
  assert.ok(condition(), String(condition));
}

async function connected(
  options: ConnectOptions,
): Promise<{ server: FakeServer; client: Client; errors: string[] }> {
  const server = new FakeServer();
  const errors: string[] = [];
  const onError = (error: unknown): void => void errors.push((error as Error).message);
  return { server, client: await server.connect({ onError, ...options }), errors };
}

const encodingOf = ({ properties }: PublishPacket): string | undefined =>
  properties?.userProperties?.find(([name]) => name === "content-encoding")?.[1];

test("Zstandard is there in Node 22.15 and newer", () => {
  assert.equal(zstd.isSupported, "zstdCompress" in zlib);
});

for (const algorithm of [gzip, brotli, zstd].filter(({ isSupported }) => isSupported)) {
  test(`${algorithm.name}: what was compressed comes back, and no more than is taken is made of it`, async () => {
    const packed = await algorithm.compress(new TextEncoder().encode(long));
    assert.ok(packed.length < 200);
    assert.equal(text(await algorithm.decompress(packed, long.length)), long);
    await assert.rejects(algorithm.decompress(packed, long.length - 1));
    await assert.rejects(algorithm.decompress(packed.subarray(0, packed.length - 3), 1e6));
    await assert.rejects(algorithm.decompress(Uint8Array.of(1, 2, 3), 1e6));
  });
}

test("CONNECT says what the client reads, behind the User Properties that it was given", async () => {
  const accept = [gzip, brotli];
  const { server } = await connected({
    compression: compression({ accept }),
    userProperties: [["a", "b"]],
  });
  assert.deepEqual(server.connection.connect.properties?.userProperties, [
    ["a", "b"],
    ["accept-encoding", "gzip, br"],
  ]);
});

test("what matches a Topic Filter and is long enough is compressed and marked, and all keep their order", async () => {
  const { server, client } = await connected({ compression: compression(toLogs) });
  const userProperties = [["a", "b"]] as const;
  const sent = [
    client.publish("logs/1", long, { qos: 1, properties: { userProperties } }),
    client.publish("logs/2", "short", { qos: 1 }),
    client.publish("other", long, { qos: 1 }),
    client.publish("logs/3", crypto.getRandomValues(new Uint8Array(600)), { qos: 1 }),
  ];
  await until(server, () => server.connection.of("publish").length === 4);
  await Promise.all(sent);
  const packets = server.connection.of("publish");
  assert.deepEqual(
    packets.map(({ topicName }) => topicName),
    ["logs/1", "logs/2", "other", "logs/3"],
  );
  assert.deepEqual(packets.map(encodingOf), ["gzip", undefined, undefined, undefined]);
  assert.deepEqual(packets[0]!.properties?.userProperties?.[0], ["a", "b"]);
  assert.ok(packets[0]!.payload.length < 200);
});

test("flush and disconnect wait for what is being compressed", async () => {
  const { server, client } = await connected({ compression: compression(toLogs) });
  const sent = client.publish("logs/1", long, { qos: 1 });
  const ended = client.disconnect();
  await until(server, () => client.state === "closed");
  await ended;
  await sent;
  assert.equal(server.connection.of("publish").length, 1);
});

test("more than the queue holds is not compressed", async () => {
  const { client, server } = await connected({
    compression: compression(toLogs),
    queue: { maximumMessages: 1 },
  });
  const first = client.publish("logs/1", long, { qos: 1 });
  await assert.rejects(client.publish("logs/1", long, { qos: 1 }), { code: "ERR_QUEUE_FULL" });
  await until(server, () => server.connection.of("publish").length === 1);
  await first;
});

test("what is no payload or no Topic Name is refused as without compression", async () => {
  const { client } = await connected({ compression: compression({ topics: { "#": gzip } }) });
  await assert.rejects(client.publish("a", undefined as never), { code: "ERR_USAGE" });
  await assert.rejects(client.publish("a/#", ""), { code: "ERR_TOPIC_NAME" });
});

test("before 5.0 there is no mark, and nothing is compressed", async () => {
  const { server, client } = await connected({
    protocolVersion: 4,
    compression: compression(toLogs),
  });
  const sent = client.publish("logs/1", long, { qos: 1 });
  await server.world.settle();
  await sent;
  assert.equal(text(server.connection.of("publish")[0]!.payload), long);
});

function publishMarked(
  server: FakeServer,
  payload: Uint8Array,
  encoding: string,
  packetIdentifier: number,
): void {
  server.connection.send({
    type: "publish",
    topicName: "logs/1",
    payload,
    qos: 1,
    dup: false,
    retain: false,
    packetIdentifier,
    properties: {
      userProperties: [
        ["content-encoding", encoding],
        ["a", "b"],
      ],
    },
  });
}

test("a handler gets what was before; what cannot be read is refused, told, and harms nothing", async () => {
  const { server, client, errors } = await connected({
    compression: compression({ accept: [gzip], maximumBytes: 10_000 }),
  });
  const seen: unknown[] = [];
  const subscribed = client.subscribe(
    "logs/#",
    (message) => void seen.push([message.text(), message.properties]),
    { qos: 1 },
  );
  await server.world.settle();
  await subscribed;
  publishMarked(server, gzipSync(long), "gzip", 1);
  publishMarked(server, gzipSync(`${long}a`), "gzip", 2);
  publishMarked(server, new Uint8Array(9), "gzip", 3);
  publishMarked(server, gzipSync(long), "br", 4);
  server.connection.publish("logs/2", "plain", { qos: 1, packetIdentifier: 5 });
  await until(server, () => server.connection.of("puback").length === 5);
  assert.deepEqual(seen, [
    [long, { userProperties: [["a", "b"]] }],
    ["plain", undefined],
  ]);
  assert.deepEqual(
    server.connection
      .of("puback")
      .map((packet) => [packet.packetIdentifier, packet.reasonCode ?? 0]),
    [
      [1, 0],
      [2, 0x99],
      [3, 0x99],
      [4, 0x99],
      [5, 0],
    ],
  );
  assert.match(
    errors.join("\n"),
    /no gzip of at most 10000 bytes\n.*no gzip.*\n.*content-encoding is br/,
  );
});

const anything: StandardSchema<unknown> = {
  "~standard": { version: 1, vendor: "test", validate: (value) => ({ value }) },
};

for (const [what, open] of [
  ["a loop", (client: Client) => client.subscribe("logs/#", { qos: 1 })],
  [
    "a loop that acknowledges by hand",
    (client: Client) => client.subscribe("logs/#", { qos: 1, acknowledge: "manual" }),
  ],
  [
    "a loop over a typed topic",
    (client: Client) => client.subscribe(topic("logs/:id", anything), { qos: 1 }),
  ],
] satisfies [string, (client: Client) => Promise<AsyncIterable<unknown>>][]) {
  test(`${what} gets what was before; what cannot be read is left out, and acknowledged`, async () => {
    const { server, client, errors } = await connected({ compression: compression() });
    const subscribed = open(client);
    await server.world.settle();
    const subscription: AsyncIterable<unknown> = await subscribed;
    publishMarked(server, gzipSync('"1"'), "gzip", 1);
    publishMarked(server, gzipSync('"2"'), "rot13", 2);
    publishMarked(server, gzipSync('"3"'), "gzip", 3);
    const seen: unknown[] = [];
    const loop = (async () => {
      for await (const item of subscription) {
        const { value, text } = item as { value?: unknown; text?: () => string };
        seen.push(text === undefined ? value : text.call(item).slice(1, -1));
        if (what.includes("by hand")) (item as { ack: () => void }).ack();
        if (seen.length === 2) return;
      }
    })();
    await until(server, () => seen.length === 2);
    await loop;
    await until(server, () => server.connection.of("puback").length === 3);
    assert.deepEqual(seen, ["1", "3"]);
    assert.equal(errors.length, 1);
  });
}

test("a Topic Filter that is none, and an algorithm that the platform has not, are mistakes", () => {
  const none = { ...gzip, name: "none", isSupported: false };
  assert.throws(() => compression({ topics: { "a/#/b": gzip } }), {
    name: "UsageError",
    code: "ERR_TOPIC_FILTER",
  });
  assert.throws(() => compression({ topics: { a: none } }), /this platform has no none/);
  assert.throws(() => compression({ accept: [none] }), { code: "ERR_USAGE" });
});
