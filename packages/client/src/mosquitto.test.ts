import type { QoS } from "@sericite/protocol";
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";

import type { Client } from "./client.ts";
import type { ClientEvents } from "./client-events.ts";
import { connect } from "./node.ts";
import type { ClientOptions } from "./options.ts";
import { CuttableNetwork, Mosquitto, withoutMosquitto } from "./testing/mosquitto.ts";

const skip = withoutMosquitto;
const quick: ClientOptions = { reconnect: { minDelayMs: 5, maxDelayMs: 50 } };
let mosquitto: Mosquitto;

before(async () => {
  if (skip === false) mosquitto = await Mosquitto.start();
});
after(async () => {
  if (skip === false) await mosquitto[Symbol.asyncDispose]();
});

/** The next event of that name. */
function next<Name extends keyof ClientEvents>(
  client: Client,
  name: Name,
): Promise<ClientEvents[Name]> {
  return new Promise((resolve) => {
    const listener = client.on(name, (event) => {
      listener[Symbol.dispose]();
      resolve(event);
    });
  });
}

for (const protocolVersion of [3, 4, 5] as const) {
  test(
    `all QoS both ways, and payloads from nothing to 3 MiB, with version ${protocolVersion}`,
    { skip, timeout: 30_000 },
    async () => {
      await using client = await connect(mosquitto.url, { protocolVersion });
      await using subscription = await client.subscribe(`v${protocolVersion}/#`, { qos: 2 });
      const sizes = [0, 1, 100, 70_000, 3 * 1024 * 1024];
      const messages = subscription[Symbol.asyncIterator]();
      for (const qos of [0, 1, 2] as const) {
        for (const size of sizes) {
          const payload = new Uint8Array(size).map((_, index) => index * 7);
          const topicName = `v${protocolVersion}/тема/${qos}/${size}`;
          const { reasonCode } = await client.publish(topicName, payload, { qos });
          assert.equal(reasonCode, 0);
          const { value: message } = await messages.next();
          assert.equal(message?.topicName, topicName);
          assert.equal(message?.qos, qos);
          assert.ok(
            Buffer.from(payload).equals(message?.payload ?? new Uint8Array(1)),
            `${size} bytes`,
          );
        }
      }
    },
  );

  test(
    `a retained message is there for who subscribes later, with version ${protocolVersion}`,
    { skip, timeout: 30_000 },
    async () => {
      await using client = await connect(mosquitto.url, { protocolVersion });
      const topicName = `retained/${protocolVersion}`;
      await client.publish(topicName, "kept", { qos: 1, retain: true });
      await using subscription = await client.subscribe(topicName);
      const { value: message } = await subscription[Symbol.asyncIterator]().next();
      assert.equal(message?.text(), "kept");
      assert.equal(message?.retain, true);
      await client.publish(topicName, "", { qos: 1, retain: true });
    },
  );
}

test("properties of 5.0 reach the other side", { skip, timeout: 30_000 }, async () => {
  await using client = await connect(mosquitto.url);
  await using subscription = await client.subscribe("properties");
  const properties = {
    payloadFormatIndicator: 1,
    messageExpiryInterval: 60,
    contentType: "text/plain",
    responseTopic: "answers",
    correlationData: Uint8Array.of(1, 2),
    userProperties: [
      ["a", "1"],
      ["a", "2"],
    ],
  } as const;
  await client.publish("properties", "x", { qos: 1, properties });
  const { value: message } = await subscription[Symbol.asyncIterator]().next();
  const { subscriptionIdentifiers: _, ...rest } = message?.properties ?? {};
  assert.deepEqual(JSON.parse(JSON.stringify(rest)), JSON.parse(JSON.stringify(properties)));
});

test(
  "a message that nobody subscribes to is acknowledged with 0x10 on 5.0",
  { skip, timeout: 30_000 },
  async () => {
    await using client = await connect(mosquitto.url);
    assert.equal((await client.publish("nobody/listens", "x", { qos: 1 })).reasonCode, 0x10);
  },
);

test(
  "overlapping subscriptions each get their copy, and unsubscribing one leaves the other",
  { skip, timeout: 30_000 },
  async () => {
    await using client = await connect(mosquitto.url);
    const seen: string[] = [];
    await client.subscribe("over/#", (message) => void seen.push(`wild ${message.text()}`), {
      qos: 1,
    });
    const exact = await client.subscribe(
      "over/lap",
      (message) => void seen.push(`exact ${message.text()}`),
      { qos: 1 },
    );
    await client.publish("over/lap", "1", { qos: 1 });
    await client.publish("over/other", "2", { qos: 1 });
    await exact.unsubscribe();
    await client.publish("over/lap", "3", { qos: 1 });
    await using last = await client.subscribe("over-last", { qos: 1 });
    await client.publish("over-last", "", { qos: 1 });
    await last[Symbol.asyncIterator]().next();
    assert.deepEqual(seen.toSorted(), ["exact 1", "wild 1", "wild 2", "wild 3"]);
  },
);

test(
  "the Will is published when the client closes without DISCONNECT, and not after one",
  { skip, timeout: 30_000 },
  async () => {
    await using watcher = await connect(mosquitto.url);
    await using subscription = await watcher.subscribe("wills/+");
    const messages = subscription[Symbol.asyncIterator]();
    const polite = await connect(mosquitto.url, { will: { topicName: "wills/polite" } });
    await polite.disconnect();
    const rude = await connect(mosquitto.url, {
      will: { topicName: "wills/rude", payload: "bye" },
    });
    await rude.close();
    const { value: message } = await messages.next();
    assert.equal(message?.topicName, "wills/rude");
  },
);

test(
  "a session that waited gives its messages to a later client of the same Client Identifier",
  { skip, timeout: 30_000 },
  async () => {
    const options: ClientOptions = {
      clientId: "later",
      sessionExpiryInterval: 60,
      cleanStart: false,
    };
    const first = await connect(mosquitto.url, options);
    await first.subscribe("later/#", { qos: 1 });
    await first.disconnect();
    await using publisher = await connect(mosquitto.url);
    await publisher.publish("later/1", "waited", { qos: 1 });
    const got = new Promise<string>((resolve) => {
      void connect(mosquitto.url, {
        ...options,
        onUnclaimedMessage: (message) => resolve(message.text()),
      }).then(async (second) => {
        assert.equal(second.connack?.sessionPresent, true);
        await got;
        await second.disconnect({ sessionExpiryInterval: 0 });
      });
    });
    assert.equal(await got, "waited");
  },
);

test(
  "a server that comes back without memory has the subscriptions renewed and the queue sent",
  { skip, timeout: 30_000 },
  async () => {
    await using own = await Mosquitto.start();
    await using client = await connect(own.url, quick);
    await using subscription = await client.subscribe("again", { qos: 1 });
    const disconnected = next(client, "disconnected");
    await own.kill();
    await disconnected;
    const published = client.publish("again", "queued", { qos: 1 });
    const connected = next(client, "connected");
    await own.start();
    assert.equal((await connected).isReconnect, true);
    await published;
    const { value: message } = await subscription[Symbol.asyncIterator]().next();
    assert.equal(message?.text(), "queued");
  },
);

for (const protocolVersion of [4, 5] as const) {
  test(
    `over a network that is cut, what is published with QoS 1 arrives and with QoS 2 once, version ${protocolVersion}`,
    { skip, timeout: 30_000 },
    async () => {
      await using network = await CuttableNetwork.to(mosquitto.port);
      const options: ClientOptions = {
        ...quick,
        protocolVersion,
        cleanStart: false,
        sessionExpiryInterval: 60,
        // mosquitto 2.0.11 loses messages of a 3.1.1 client that has more in flight.
        inFlightMaximum: 20,
      };
      // Not over that network: mosquitto 2.0.11 may send a PUBLISH again after its PUBREL.
      await using subscriber = await connect(mosquitto.url);
      await using publisher = await connect(network.url, {
        ...options,
        clientId: `cut-${protocolVersion}`,
      });
      const total = 2000;
      const counts = new Map<string, number>();
      let first = 0;
      let finished!: () => void;
      const all = new Promise<void>((resolve) => (finished = resolve));
      await subscriber.subscribe(
        `cut/${protocolVersion}/+`,
        (message) => {
          const text = message.text();
          const count = counts.get(text) ?? 0;
          counts.set(text, count + 1);
          if (count === 0) first++;
          if (first === total) finished();
        },
        { qos: 2 },
      );
      let isRunning = true;
      const cutter = (async () => {
        while (isRunning) {
          await new Promise((resolve) => setTimeout(resolve, 10));
          network.cut();
        }
      })();
      for (let start = 0; start < total; start += 50) {
        const batch = Array.from({ length: 50 }, (_, index) => {
          const number = start + index;
          const qos: QoS = number % 2 === 0 ? 1 : 2;
          return publisher.publish(`cut/${protocolVersion}/${qos}`, `${qos} ${number}`, { qos });
        });
        await Promise.all(batch);
      }
      isRunning = false;
      await cutter;
      await all;
      assert.ok(network.cuts > 3, `${network.cuts} cuts`);
      assert.equal(counts.size, total);
      for (const [text, count] of counts) if (text.startsWith("2")) assert.equal(count, 1, text);
      await Promise.all([
        subscriber.disconnect({ timeoutMs: 1000 }),
        publisher.disconnect({ timeoutMs: 1000 }),
      ]);
    },
  );
}

test("nobody listening, no such host and a wrong address each have their code", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  await assert.rejects(connect(`mqtt://127.0.0.1:${port}`), {
    name: "ConnectionError",
    code: "ERR_CONNECTION_REFUSED",
  });
  await assert.rejects(connect("ftp://127.0.0.1"), { name: "UsageError" });
  await assert.rejects(connect("nonsense"), { name: "UsageError" });
  await assert.rejects(connect({}), { name: "UsageError" });
});

test(
  "a server that accepts and says nothing is left after connectTimeoutMs",
  { timeout: 30_000 },
  async () => {
    const server = createServer((socket) => socket.on("error", () => {}).resume()).listen(
      0,
      "127.0.0.1",
    );
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    await assert.rejects(connect(`mqtt://127.0.0.1:${port}`, { connectTimeoutMs: 50 }), {
      code: "ERR_CONNECT_TIMEOUT",
    });
    server.close();
    await once(server, "close");
  },
);
