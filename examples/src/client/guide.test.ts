/**
 * Runs the examples of docs/client against a broker, and holds the pages to them.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createBroker } from "@sericite/broker";
import type { Broker, BrokerOptions } from "@sericite/broker";
import { hashPassword, makeScramVerifier } from "@sericite/broker/passwords";
import { connect, RequestError } from "@sericite/client";
import type { Client, ConnectOptions } from "@sericite/client";
import { WebSocket } from "ws";
import { startWorkers } from "./back-pressure.ts";
import { join as joinCompressing } from "./compressing.ts";
import { startLamp, stopLamp } from "./connecting.ts";
import { adviceFor } from "./errors.ts";
import { withMqttJs, withSericite } from "./from-mqtt-js.ts";
import { start as startPage } from "./in-a-page.ts";
import { openWorld } from "./in-tests.ts";
import { joinForLong, join as joinAny } from "./older-versions.ts";
import { publishAll, publishReading } from "./publishing.ts";
import { start as startGateway } from "./reconnecting.ts";
import { askForSquare, startSquares } from "./requests.ts";
import { join as signIn } from "./signing-in.ts";
import { record, startMeter } from "./sessions.ts";
import { keep, waitForAlarm } from "./subscribing.ts";
import { report, temperature, watch } from "./typed-topics.ts";

interface World {
  readonly broker: Broker;
  readonly url: string;
  /** A client that does not come back by itself. */
  readonly join: (options?: ConnectOptions) => Promise<Client>;
  /** Has a client closed at the end. */
  readonly own: (client: Client) => Client;
}

/** One broker on loopback, and clients that end with it. */
async function withBroker(
  body: (world: World) => Promise<void>,
  options: BrokerOptions = {},
): Promise<void> {
  const broker = await createBroker(options);
  const clients: Client[] = [];
  const own = (client: Client): Client => {
    clients.push(client);
    return client;
  };
  try {
    const { url } = await broker.listen({ port: 0 });
    const joinWorld = async (more: ConnectOptions = {}): Promise<Client> =>
      own(await connect(url, { reconnect: false, ...more }));
    await body({ broker, url, join: joinWorld, own });
  } finally {
    for (const client of clients) await client.disconnect();
    await broker.close();
  }
}

/** Collects texts, and gives them when there are as many as asked for. */
function collector(count: number): { add: (text: string) => void; all: Promise<string[]> } {
  const texts: string[] = [];
  let tell = (): void => undefined;
  const all = new Promise<void>((resolve) => (tell = resolve)).then(() => texts);
  return { add: (text) => void (texts.push(text) === count && tell()), all };
}

test("connecting: a lamp says that it is on, off, or lost", () =>
  withBroker(async ({ url, join, own }) => {
    const states = collector(4);
    const watcher = await join();
    await watcher.subscribe("lamps/1/state", (message) => states.add(message.text()));
    await stopLamp(await startLamp(url));
    await own(await startLamp(url)).close();
    assert.deepEqual(await states.all, ["on", "off", "on", "lost"]);
  }));

test("signing in: by SCRAM, and refused with another password", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sericite-example-"));
  const passwordFile = join(folder, "passwords");
  const password = Buffer.from("pencil");
  const hashes = [await hashPassword(password), await makeScramVerifier(password)];
  writeFileSync(passwordFile, hashes.map((hash) => `alice:${String(hash)}\n`).join(""));
  await withBroker(
    async ({ url, own }) => {
      own(await signIn(url, "alice", "pencil"));
      await assert.rejects(signIn(url, "alice", "pen"), { reasonCode: 0x87 });
    },
    { settings: { auth: { passwordFile } } },
  ).finally(() => rmSync(folder, { recursive: true, force: true }));
});

test("reconnecting: goes to the next server, with a token for each attempt", () =>
  withBroker(async ({ url, broker, own }) => {
    const lines: string[] = [];
    let tokens = 0;
    const nobody = "mqtt://127.0.0.1:1";
    const client = own(
      await startGateway(
        [nobody, url],
        async () => `token ${++tokens}`,
        (line) => lines.push(line),
      ),
    );
    assert.equal(tokens, 2);
    const again = new Promise<void>((resolve) => client.on("connected", () => resolve()));
    await broker.disconnectClient("gateway-1");
    await client.reconnect();
    await again;
    assert.match(lines.join("\n"), /disconnected: .*\n.*connected to mqtt:.*session resumed/s);
  }));

test("publishing: taken, nobody listens, refused; many in order", () =>
  withBroker(
    async ({ join }) => {
      const client = await join();
      assert.equal(await publishReading(client, 1), "nobody listens");
      const readings = collector(4);
      await client.subscribe("meters/#", (message) => readings.add(message.text()));
      assert.equal(await publishReading(client, 2), "taken");
      await publishAll(client, [3, 4, 5]);
      assert.deepEqual(await readings.all, ["2", "3", "4", "5"]);
      assert.equal(await publishReading(client, -1), "ERR_PUBLISH_REFUSED");
    },
    { hooks: { publish: (_client, { payload }) => payload[0] !== 0x2d && undefined } },
  ));

test("subscribing: with a handler, and until a message fits", () =>
  withBroker(async ({ join }) => {
    const client = await join();
    const saved = collector(1);
    await keep(client, async (topicName, text) => saved.add(`${topicName} ${text}`));
    await client.publish("meters/7/power", "230", { qos: 1 });
    assert.deepEqual(await saved.all, ["meters/7/power 230"]);
    const alarm = waitForAlarm(client, AbortSignal.timeout(5000));
    await client.publish("alarms/siren", "test", { qos: 1 });
    await client.publish("alarms/fire", "now", { qos: 1 });
    assert.equal(await alarm, "alarms/fire");
  }));

test("back-pressure: no more jobs at once than workers, and a failed one is not sent again", () =>
  withBroker(async ({ join }) => {
    const done = collector(6);
    let atWork = 0;
    let most = 0;
    await startWorkers(await join(), 2, async (job) => {
      most = Math.max(most, ++atWork);
      await new Promise((resolve) => setImmediate(resolve));
      atWork--;
      done.add(job.text());
      if (job.text() === "3") throw new Error("broken");
    });
    const client = await join();
    for (let job = 1; job <= 6; job++) await client.publish("jobs/x", String(job), { qos: 1 });
    assert.deepEqual((await done.all).toSorted(), ["1", "2", "3", "4", "5", "6"]);
    assert.ok(most <= 2, `${most} at once`);
  }));

test("sessions: what was recorded without a network is sent by the next process", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sericite-example-"));
  const file = join(folder, "session");
  const broker = await createBroker();
  try {
    const listener = await broker.listen({ port: 0 });
    const meter = await startMeter(listener.url, file);
    await new Promise<void>((resolve) => meter.on("connected", () => resolve()));
    const disconnected = new Promise<void>((resolve) => meter.on("disconnected", () => resolve()));
    await listener.close();
    await broker.disconnectClient("meter-7");
    await disconnected;
    await record(meter, 1234);
    await meter.close();

    const got = collector(1);
    await broker.subscribe("meters/7/energy", (message) => got.add(message.text()));
    const { url } = await broker.listen({ port: 0 });
    const next = await startMeter(url, file);
    assert.deepEqual(await got.all, ["1234"]);
    await next.disconnect();
  } finally {
    await broker.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

test("requests: an answer, and none", () =>
  withBroker(async ({ join }) => {
    const client = await join();
    assert.equal(await askForSquare(client, 7), undefined);
    await startSquares(await join());
    assert.equal(await askForSquare(client, 7), 49);
  }));

test("typed topics: values that were checked, and where they are from", () =>
  withBroker(async ({ join }) => {
    const client = await join();
    const shown = collector(1);
    await watch(client, (site, value) => shown.add(`${site}: ${value}`));
    await report(client, "north", 7);
    assert.deepEqual(await shown.all, ["north: 21.5"]);
    await assert.rejects(client.publish(temperature, { site: "north", id: 7 }, 100), {
      code: "ERR_PAYLOAD_INVALID",
    });
  }));

test("compression: less bytes for one that does not read it, and the payload for one that does", () =>
  withBroker(async ({ url, join, own }) => {
    const long = "reading ".repeat(500);
    const [client, plain] = [own(await joinCompressing(url)), await join()];
    const loops = await Promise.all([client, plain].map((one) => one.subscribe("a/readings")));
    await client.publish("a/readings", long);
    const [read, raw] = await Promise.all(
      loops.map(async (loop) => (await loop[Symbol.asyncIterator]().next()).value?.payload),
    );
    assert.equal(new TextDecoder().decode(read), long);
    assert.ok(raw !== undefined && raw.length < 100);
  }));

test("in a page: news, and whether it is online", async () => {
  // What a browser has and Node 20 has not; and a channel and timers that end with the page.
  const channels: InstanceType<typeof MessageChannel>[] = [];
  class PageChannel extends MessageChannel {
    constructor() {
      super();
      channels.push(this);
    }
  }
  const { MessageChannel: nodeChannel, setTimeout: nodeTimeout } = globalThis;
  Object.assign(globalThis, {
    WebSocket,
    MessageChannel: PageChannel,
    setTimeout: (callback: () => void, delayMs: number) => nodeTimeout(callback, delayMs).unref(),
    addEventListener() {},
    removeEventListener() {},
  });
  const broker = await createBroker();
  try {
    const { url } = await broker.listen({ transport: "websocket", port: 0 });
    const [first, all] = [collector(1), collector(3)];
    const client = await startPage(url, undefined, (line) => {
      first.add(line);
      all.add(line);
    });
    await broker.publish("news/today", "good");
    await first.all;
    await broker.disconnectClient("page-1");
    assert.deepEqual(await all.all, ["good", "offline", "online"]);
    await client.close();
  } finally {
    for (const { port1 } of channels) port1.close();
    Object.assign(globalThis, { MessageChannel: nodeChannel, setTimeout: nodeTimeout });
    await broker.close();
  }
});

test("errors: each kind has its advice", () =>
  withBroker(
    async ({ join }) => {
      const client = await join();
      const errorOf = (promise: Promise<unknown>): Promise<unknown> =>
        promise.then(
          () => assert.fail("it did not fail"),
          (error: unknown) => error,
        );
      assert.match(adviceFor(await errorOf(client.publish("a/#", "x"))), /^mend the call/);
      assert.equal(
        adviceFor(await errorOf(client.publish("secret", "x", { qos: 1 }))),
        "ask for the right to do it",
      );
      assert.equal(
        adviceFor(await errorOf(connect("mqtt://127.0.0.1:1"))),
        "look at the network: ERR_CONNECTION_REFUSED",
      );
      assert.equal(adviceFor(new RequestError("ERR_QUEUE_FULL", "full")), "publish less");
      const none = client.request("a", "x", { signal: AbortSignal.abort() });
      assert.equal(adviceFor(await errorOf(none)), "give it up: ERR_ABORTED");
    },
    { hooks: { authorizePublish: (_client, { topicName }) => topicName !== "secret" } },
  ));

test("in tests: clients reach a broker without a port", async () => {
  const world = await openWorld();
  const [a, b] = [await world.join("a"), await world.join("b")];
  const subscription = await a.subscribe("x", { qos: 1 });
  await b.publish("x", "hello", { qos: 1 });
  for await (const message of subscription) {
    assert.equal(message.text(), "hello");
    break;
  }
  await world.close();
});

test("older versions: 3.1.1 on request, with a session that stays", () =>
  withBroker(async ({ url, own }) => {
    assert.equal(own(await joinAny(url)).protocolVersion, 5);
    await (await joinForLong(url)).disconnect();
    const client = own(await joinForLong(url));
    assert.equal(client.protocolVersion, 4);
    assert.equal(client.connack?.sessionPresent, true);
  }));

for (const [library, run] of [
  ["MQTT.js", withMqttJs],
  ["Sericite", withSericite],
] as const) {
  test(`from MQTT.js: the same program with ${library}`, () =>
    withBroker(async ({ url }) => {
      assert.deepEqual(await run(url), ["sensors/1 21.5", "alarms/fire off"]);
    }));
}

const pages = new URL("../../../docs/client/", import.meta.url);
const text = readdirSync(pages)
  .map((name) => readFileSync(new URL(name, pages), "utf8"))
  .join("\n");
const folder = new URL("../../src/client/", import.meta.url);

for (const name of readdirSync(folder).filter((file) => !file.endsWith(".test.ts"))) {
  test(`docs/client shows ${name} as it is`, () => {
    const source = readFileSync(new URL(name, folder), "utf8");
    assert.ok(text.includes(`\n\`\`\`ts\n${source}\`\`\`\n`), `${name} differs from the page`);
  });
}
