/**
 * Runs the examples of docs/EXTENDING.md over real sockets, and holds the page to them.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import type { Broker } from "@sericite/broker";
import { connect } from "@sericite/client";
import type { Client, ConnectOptions, Message } from "@sericite/client";
import { start as startAuthentication } from "./authentication.ts";
import { start as startAutoSubscribing } from "./auto-subscribing.ts";
import { start as startChanging } from "./changing-messages.ts";
import { start as startComingIn } from "./coming-in.ts";
import { start as startListening } from "./listening.ts";
import { start as startPermissions } from "./permissions.ts";
import { start as startRewriting } from "./rewriting.ts";
import { start as startWatching } from "./watching-packets.ts";
import type { Figures } from "./watching-packets.ts";

/** One broker on loopback, and clients that do not come back by themselves. */
async function withBroker(
  starting: Promise<Broker>,
  body: (
    join: (clientId: string, options?: ConnectOptions) => Promise<Client>,
    broker: Broker,
  ) => Promise<void>,
): Promise<void> {
  const broker = await starting;
  const clients: Client[] = [];
  try {
    const { url } = await broker.listen({ port: 0 });
    await body(async (clientId, options = {}) => {
      const client = await connect(url, { reconnect: false, ...options, clientId });
      clients.push(client);
      return client;
    }, broker);
  } finally {
    for (const client of clients) await client.close();
    await broker.close();
  }
}

/** Subscribes, and gives what comes one by one. */
async function inbox(client: Client, topicFilter: string): Promise<() => Promise<Message>> {
  const messages = (await client.subscribe(topicFilter))[Symbol.asyncIterator]();
  return async () => (await messages.next()).value!;
}

const textOf = ({ payload }: Message): string => new TextDecoder().decode(payload);

test("authentication: the account decides, and gives the client its name and rights", () =>
  withBroker(startAuthentication(), async (join, broker) => {
    const alice = await join("c", { username: "alice", password: "wonderland" });
    assert.notEqual(await broker.client("acme:c"), undefined);
    await alice.publish("acme/x", "ok", { qos: 1 });
    await assert.rejects(alice.publish("other/x", "no", { qos: 1 }), {
      code: "ERR_PUBLISH_REFUSED",
      reasonCode: 0x87,
    });
    for (const wrong of [
      { username: "alice", password: "no" },
      { username: "bob", password: "wonderland" },
    ])
      await assert.rejects(join("d", wrong), { code: "ERR_CONNECT_REFUSED" });
  }));

test("coming in: an address is cut off, a client is told", async () => {
  await withBroker(
    startComingIn(async () => false),
    async (join) => {
      await join("sensor-1", { keepAlive: 60 });
      await assert.rejects(join("sensor-2", { keepAlive: 0 }), {
        code: "ERR_CONNECT_REFUSED",
        reasonCode: 0x87,
      });
    },
  );
  await withBroker(
    startComingIn(async (address) => address === "127.0.0.1"),
    (join) => assert.rejects(join("c"), { code: "ERR_CONNECTION_LOST" }),
  );
});

test("permissions: for publish, subscribe and delivery", () =>
  withBroker(
    startPermissions(async (_user, topicName) => topicName.startsWith("public/")),
    async (join) => {
      const client = await join("c");
      const next = await inbox(client, "public/#");
      await client.publish("public/secret", "never", { qos: 1 });
      await client.publish("public/a", "yes", { qos: 1 });
      assert.equal(textOf(await next()), "yes");
      await assert.rejects(client.publish("private/a", "no", { qos: 1 }), { reasonCode: 0x87 });
      await assert.rejects(client.subscribe("to/d"), { code: "ERR_SUBSCRIBE_REFUSED" });
      await assert.rejects(client.subscribe("to/c", { qos: 2 }), { code: "ERR_SUBSCRIBE_REFUSED" });
      await client.subscribe("to/c", { qos: 1 });
    },
  ));

test("changing messages: refused, changed, delayed in order", () =>
  withBroker(startChanging(), async (join) => {
    const client = await join("c");
    const next = await inbox(client, "#");
    void client.publish("slow", " first ", { qos: 1 });
    await client.publish("quick", "second\n", { qos: 1 });
    const first = await next();
    assert.equal(textOf(first), "first");
    assert.deepEqual(first.properties?.userProperties, [["from", "c"]]);
    assert.equal(textOf(await next()), "second");
    await assert.rejects(client.publish("large", new Uint8Array(1001), { qos: 1 }), {
      code: "ERR_PUBLISH_REFUSED",
      reasonCode: 0x83,
    });
  }));

test("listening: who comes and goes, and what is said", async () => {
  const lines: string[] = [];
  await withBroker(
    startListening((line) => lines.push(line)),
    async (join, broker) => {
      const left = new Promise<void>((resolve) => broker.on("sessionEnded", () => resolve()));
      const client = await join("c", { sessionExpiryInterval: 0 });
      const subscription = await client.subscribe("a");
      await client.publish("a", "hello", { qos: 1 });
      await subscription.unsubscribe();
      await client.disconnect();
      await left;
    },
  );
  assert.deepEqual(lines.toSorted(), [
    "c has a",
    "c is online",
    "c left a",
    "c left: client disconnected",
    "c says a: 5 bytes",
    "session of c begins",
    "session of c ends",
  ]);
});

test("watching packets: what was received, sent, and how long it took", async () => {
  const figures = new Map<string, Figures>();
  await withBroker(startWatching(figures), async (join) => {
    const client = await join("c");
    await client.subscribe("a", { qos: 1 });
    await client.publish("a", "x", { qos: 1 });
    await client.disconnect();
  });
  const counts = Object.fromEntries(
    [...figures].map(([type, { received, sent }]) => [type, [received, sent]]),
  );
  assert.deepEqual(counts["connection"], [1, 0]);
  assert.deepEqual(counts["connect"], [1, 0]);
  assert.deepEqual(counts["connack"], [0, 1]);
  assert.deepEqual(counts["suback"], [0, 1]);
  assert.deepEqual(counts["publish"], [1, 1]);
  assert.ok(counts["bytes"]![0]! > 30);
  assert.ok(figures.get("publish")!.slowest > 0);
});

test("rewriting: topics arrive under their new names", () =>
  withBroker(startRewriting(), async (join, broker) => {
    const granted: string[] = [];
    broker.on("subscribed", ({ topicFilter }) => granted.push(topicFilter));
    await (await join("d")).subscribe("old/temperature/7");
    assert.deepEqual(granted, ["devices/7/temperature"]);
    const client = await join("c");
    const all = await inbox(client, "devices/#");
    await client.publish("old/temperature/7", "21", { qos: 1 });
    assert.equal((await all()).topicName, "devices/7/temperature");
    await client.publish("up/state", "on", { qos: 1 });
    assert.equal((await all()).topicName, "devices/c/state");
  }));

test("auto-subscribing: a client gets what it did not ask for", () =>
  withBroker(startAutoSubscribing(), async (join, broker) => {
    await broker.publish("news", "old news", { retain: true });
    const messages: Message[] = [];
    let told = (): void => undefined;
    const both = new Promise<void>((resolve) => (told = resolve));
    await join("c", {
      onUnclaimedMessage: (message) => {
        if (messages.push(message) === 2) told();
      },
    });
    await broker.publish("to/c/x", "for you", { qos: 1 });
    await both;
    assert.deepEqual(messages.map(textOf), ["old news", "for you"]);
  }));

const page = readFileSync(new URL("../../docs/EXTENDING.md", import.meta.url), "utf8");
const folder = new URL("../src/", import.meta.url);

for (const name of readdirSync(folder).filter((file) => /(?<!\.test)\.ts$/.test(file))) {
  test(`docs/EXTENDING.md shows ${name} as it is`, () => {
    const source = readFileSync(new URL(name, folder), "utf8");
    assert.ok(page.includes(`\n\`\`\`ts\n${source}\`\`\`\n`), `${name} differs from the page`);
  });
}
