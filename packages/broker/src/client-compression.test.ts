import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { connect } from "@sericite/client";
import type { Client, ConnectOptions, Message } from "@sericite/client";
import { brotli, compression, gzip } from "@sericite/client/compression";
import { createBroker } from "./broker.ts";
import type { Broker } from "./broker.ts";

const long = "reading ".repeat(500);

async function withBroker(
  unpackBytes: number,
  body: (broker: Broker, join: (options?: ConnectOptions) => Promise<Client>) => Promise<void>,
): Promise<void> {
  await using broker = await createBroker({ settings: { mqtt: { unpackBytes } } });
  const { port } = await broker.listen({ port: 0 });
  const clients: Client[] = [];
  const join = async (options: ConnectOptions = {}): Promise<Client> => {
    const client = await connect(`mqtt://127.0.0.1:${port}`, options);
    clients.push(client);
    return client;
  };
  try {
    await body(broker, join);
  } finally {
    for (const client of clients) await client.disconnect();
  }
}

/** The next message of each client's own subscription. */
async function next(
  clients: readonly Client[],
  publish: () => Promise<unknown>,
): Promise<Message[]> {
  const loops = await Promise.all(clients.map((client) => client.subscribe("a/#", { qos: 2 })));
  await publish();
  const messages = await Promise.all(
    loops.map(async (loop) => (await loop[Symbol.asyncIterator]().next()).value!),
  );
  await Promise.all(loops.map((loop) => loop.unsubscribe()));
  return messages;
}

const markOf = ({ properties }: Message): string | undefined =>
  properties?.userProperties?.find(([name]) => name === "content-encoding")?.[1];

for (const qos of [0, 1, 2] as const) {
  test(`QoS ${qos}: who does not read an encoding gets the payload as it was before, in each version; who reads it gets what was sent`, () =>
    withBroker(1e6, async (broker, join) => {
      const publisher = await join({ compression: compression({ topics: { "#": gzip } }) });
      const readers = [
        await join(),
        await join({ protocolVersion: 4 }),
        await join({ protocolVersion: 3 }),
        await join({ compression: compression({ accept: [brotli] }) }),
        await join({ topicAliasMaximum: 0 }),
      ];
      const raw = await join({ userProperties: [["accept-encoding", "br,gzip"]] });
      const properties = { contentType: "text/plain", userProperties: [["a", "b"]] as const };
      const options = { qos, properties };
      const received = await next([...readers, raw], () => publisher.publish("a/b", long, options));
      for (const message of received.slice(0, -1)) {
        assert.equal(message.text(), long);
        assert.equal(markOf(message), undefined);
      }
      assert.equal(received[0]?.properties?.contentType, "text/plain");
      assert.deepEqual(received[0]?.properties?.userProperties, [["a", "b"]]);
      const last = received.at(-1)!;
      assert.equal(markOf(last), "gzip");
      assert.ok(last.payload.length < 100);
      assert.ok(broker.counters.unpacked >= 1 && broker.counters.unpacked < readers.length);
    }));
}

test("a retained message and one that waited for its receiver are unpacked too", () =>
  withBroker(1e6, async (_broker, join) => {
    const publisher = await join({ compression: compression({ topics: { "#": gzip } }) });
    const options = { clientId: "away", cleanStart: false };
    const first = await join(options);
    await first.subscribe("waited", { qos: 1 });
    await first.disconnect();
    await publisher.publish("waited", long, { qos: 1 });
    await publisher.publish("a/kept", long, { qos: 1, retain: true });
    const waited = new Promise<string>((resolve) => {
      void join({ ...options, onUnclaimedMessage: (message) => resolve(message.text()) });
    });
    assert.equal(await waited, long);
    const [kept] = await next([await join()], () => Promise.resolve());
    assert.equal(kept?.text(), long);
  }));

for (const [what, unpackBytes, payload, encoding, failures] of [
  ["that would become too large", 3999, gzipSync(long), "gzip", 1],
  ["that is broken", 1e6, Buffer.from("no gzip"), "gzip", 1],
  ["in an encoding that nobody knows", 1e6, Buffer.from("x"), "rot13", 1],
  ["where nothing is to be unpacked", 0, gzipSync(long), "gzip", 0],
] as const) {
  test(`a payload ${what} goes as it is`, () =>
    withBroker(unpackBytes, async (broker, join) => {
      const publisher = await join();
      const properties = { userProperties: [["content-encoding", encoding]] as const };
      const [message] = await next([await join()], () =>
        publisher.publish("a/b", payload, { properties }),
      );
      assert.deepEqual([...message!.payload], [...payload]);
      assert.equal(markOf(message!), encoding);
      assert.equal(broker.counters.unpackFailures, failures);
    }));
}
