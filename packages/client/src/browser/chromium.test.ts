import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type * as Compression from "./compression.ts";
import type * as Sericite from "./index.ts";
import { World, withoutChromium } from "./chromium.test-support.ts";

/** The client in the page: what stands in `evaluate` runs there. */
declare const sericite: typeof Sericite;
declare const sericiteCompression: typeof Compression;

const skip = withoutChromium;
const timeout = 40_000;
let world: World;

before(async () => {
  if (skip === false) world = await World.start();
});
after(async () => {
  if (skip === false) await world[Symbol.asyncDispose]();
});

for (const protocolVersion of [3, 4, 5] as const) {
  test(
    `Chromium, version ${protocolVersion}: all QoS both ways, from nothing to 1 MiB`,
    { skip, timeout },
    async () => {
      const { page, context } = await world.page();
      const got = await page.evaluate(
        async ({ url, protocolVersion }) => {
          const client = await sericite.connect(url, { protocolVersion });
          const subscription = await client.subscribe("all/#", { qos: 2 });
          const messages = subscription[Symbol.asyncIterator]();
          const lines: string[] = [];
          for (const qos of [0, 1, 2] as const) {
            for (const size of [0, 100, 70_000, 1024 * 1024]) {
              const payload = new Uint8Array(size).map((_, at) => at * 7 + (at >> 8));
              await client.publish(`all/${qos}`, payload, { qos });
              const message = (await messages.next()).value!;
              const isSame =
                message.payload.length === size &&
                message.payload.every((byte, at) => byte === payload[at]);
              lines.push(`${message.topicName} ${message.qos} ${size} ${isSame}`);
            }
          }
          await client.disconnect();
          return lines;
        },
        { url: world.url, protocolVersion },
      );
      const expected = [0, 1, 2].flatMap((qos) =>
        [0, 100, 70_000, 1024 * 1024].map((size) => `all/${qos} ${qos} ${size} true`),
      );
      assert.deepEqual(got, expected);
      await context.close();
    },
  );
}

test("Chromium: 10 000 messages come once and in order", { skip, timeout }, async () => {
  const { page, context } = await world.page();
  const wrong = await page.evaluate(async (url) => {
    const client = await sericite.connect(url);
    const numbers: number[] = [];
    const all = new Promise<void>((resolve) => {
      void client.subscribe(
        "many",
        (message) => {
          if (numbers.push(Number(message.text())) === 10_000) resolve();
        },
        { qos: 1 },
      );
    });
    const sent = Array.from({ length: 10_000 }, (_, at) =>
      client.publish("many", String(at), { qos: 1 }),
    );
    await Promise.all(sent);
    await all;
    await client.disconnect();
    return numbers.findIndex((number, at) => number !== at);
  }, world.url);
  assert.equal(wrong, -1);
  await context.close();
});

test(
  "Chromium: a network that comes back has the client connect at once, with its session",
  { skip, timeout },
  async () => {
    const { page, context } = await world.page();
    await page.evaluate(async (url) => {
      const client = await sericite.connect(url, {
        clientId: "roaming",
        // Only the network's return can end such a wait within the test.
        reconnect: { minDelayMs: 3_600_000, maxDelayMs: 3_600_000 },
        random: () => 0.9,
      });
      const texts: string[] = [];
      await client.subscribe("roam", (message) => void texts.push(message.text()), { qos: 1 });
      Object.assign(globalThis, { client, texts });
    }, world.url);
    await world.broker.disconnectClient("roaming", 0x8b);
    await page.waitForFunction("client.state === 'disconnected'");
    await world.broker.publish("roam", "missed", { qos: 1 });
    await context.setOffline(true);
    await context.setOffline(false);
    await page.waitForFunction("client.state === 'connected' && texts.length === 1");
    assert.deepEqual(await page.evaluate("texts"), ["missed"]);
    await context.close();
  },
);

for (const path of ["/", "/strict"] as const) {
  const may = path === "/" ? "may" : "may not";
  test(`Chromium: Keep Alive in a page that ${may} have Workers`, { skip, timeout }, async () => {
    const { page, context } = await world.page(path);
    await page.evaluate(async (url) => {
      const client = await sericite.connect(url, { keepAlive: 1, clientId: "alive" });
      Object.assign(globalThis, { client, losses: 0 });
      client.on("disconnected", () => (globalThis as { losses?: number }).losses!++);
    }, world.url);
    // The broker ends a connection that is silent for one and a half times Keep Alive.
    await new Promise((resolve) => setTimeout(resolve, 3500));
    assert.equal(await page.evaluate("client.state + losses"), "connected0");
    assert.equal(page.workers().length, path === "/" ? 1 : 0);
    await context.close();
  });
}

test(
  "Chromium: a page whose timers are held back, as when it is not seen, lives and works on",
  { skip, timeout },
  async () => {
    const { page, context } = await world.page("/", {
      script: `const timer = setTimeout;
        globalThis.setTimeout = (callback, delay) => timer(callback, Math.max(delay ?? 0, 60_000));`,
    });
    await page.evaluate(async (url) => {
      const client = await sericite.connect(url, { keepAlive: 1, clientId: "unseen" });
      const texts: string[] = [];
      Object.assign(globalThis, { client, texts, losses: 0 });
      client.on("disconnected", () => (globalThis as { losses?: number }).losses!++);
      // Handlers that take a turn, and few that may wait: reading is held back again and again.
      const turn = (): Promise<unknown> =>
        new Promise((resolve) => {
          const { port1, port2 } = new MessageChannel();
          (port1 as { onmessage?: unknown }).onmessage = resolve;
          port2.postMessage(0);
        });
      const take = async (message: Sericite.Message): Promise<void> => {
        await turn();
        texts.push(message.text());
      };
      await client.subscribe("unseen", take, { qos: 1, bufferMaximum: 5 });
    }, world.url);
    await new Promise((resolve) => setTimeout(resolve, 3000));
    await page.evaluate(async () => {
      const { client } = globalThis as unknown as { client: Sericite.Client };
      const sent = Array.from({ length: 500 }, (_, at) =>
        client.publish("unseen", String(at).repeat(1000), { qos: 1 }),
      );
      await Promise.all(sent);
    });
    await page.waitForFunction("texts.length === 500");
    assert.equal(await page.evaluate("client.state + losses"), "connected0");
    await context.close();
  },
);

test("Chromium: mistakes and refusals are told", { skip, timeout }, async () => {
  const { page, context } = await world.page();
  const codes = await page.evaluate(async (url) => {
    const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
      promise.then(
        () => "connected",
        (error: { code?: string }) => error.code,
      );
    return [
      await codeOf(sericite.connect("mqtt://127.0.0.1")),
      await codeOf(sericite.connect(url, { webSocket: { headers: { a: "b" } } })),
      await codeOf(sericite.connect("ws://127.0.0.1:1")),
      await codeOf(sericite.connect(url, { username: "nobody", password: "x" })),
    ];
  }, world.url);
  assert.deepEqual(codes.slice(0, 3), ["ERR_USAGE", "ERR_USAGE", "ERR_CONNECTION_FAILED"]);
  await context.close();
});

test(
  "Chromium: payloads are compressed and read, within their bound",
  { skip, timeout },
  async () => {
    const { page, context } = await world.page();
    const got = await page.evaluate(async (url) => {
      const { compression, gzip } = sericiteCompression;
      const long = "a".repeat(100_000);
      const errors: string[] = [];
      const options = { maximumBytes: 100_000, topics: { "packed/#": gzip } };
      const client = await sericite.connect(url, {
        compression: compression(options),
        onError: (error) => errors.push((error as { code: string }).code),
      });
      const plain = await sericite.connect(url);
      const sizes: number[] = [];
      await plain.subscribe("packed/1", (message) => void sizes.push(message.payload.length));
      const subscription = await client.subscribe("packed/1", { qos: 1 });
      for (const payload of [`${long}b`, long])
        await client.publish("packed/1", payload, { qos: 1 });
      let isWhole = false;
      for await (const message of subscription) {
        isWhole = message.text() === long;
        break;
      }
      await client.disconnect();
      return { isWhole, errors, isSmall: sizes.every((size) => size < 1000), count: sizes.length };
    }, world.url);
    assert.deepEqual(got, {
      isWhole: true,
      errors: ["ERR_PAYLOAD_INVALID"],
      isSmall: true,
      count: 2,
    });
    await context.close();
  },
);
