/**
 * Every client with every other: publisher and subscriber of each kind, version and QoS.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { foreignClients, needing } from "./clients.ts";
import { type CommandBroker, startCommandBroker } from "./command-broker.ts";
import {
  digest,
  QOS,
  type Qos,
  type Subscriber,
  type Version,
  VERSIONS,
} from "./foreign-client.ts";

interface Listening {
  readonly name: string;
  readonly qos: Qos;
  readonly subscriber: Subscriber;
}

describe("delivery between clients of all kinds", () => {
  const clients = foreignClients();
  const present = clients.filter(({ missing }) => missing === undefined);
  let broker: CommandBroker;
  const listening: Listening[] = [];

  before(async () => {
    broker = await startCommandBroker();
    for (const client of present) {
      const combinations = VERSIONS.flatMap((version) => QOS.map((qos) => ({ version, qos })));
      const opened = combinations.map(async ({ version, qos }) => ({
        name: `${client.name} ${version} at QoS ${qos}`,
        qos,
        subscriber: await client.subscribe(broker.url, {
          version,
          qos,
          clientId: `${client.name}-${version}-${qos}`,
          topicFilters: ["delivery/+/#"],
        }),
      }));
      listening.push(...(await Promise.all(opened)));
    }
  });

  after(async () => {
    await Promise.all(listening.map(({ subscriber }) => subscriber.disconnect()));
    await Promise.all(clients.map((client) => client.close()));
    await broker.stop();
  });

  for (const client of clients) {
    for (const version of VERSIONS) {
      for (const qos of QOS) {
        const name = `${client.name} ${version} publishes at QoS ${qos} and all subscribers get it at the lower QoS`;
        test(name, needing(client), () => deliver(client, version, qos));
      }
    }
  }

  async function deliver(
    client: (typeof clients)[number],
    version: Version,
    qos: Qos,
  ): Promise<void> {
    const topicName = `delivery/${client.name}/${version}/${qos}`;
    const payload = Buffer.from(`from ${client.name}, ${version}, QoS ${qos}: \u{1f41b}\0\n`);
    await client.publish(broker.url, version, [{ topicName, payload, qos }]);
    for (const { name, qos: granted, subscriber } of listening) {
      const message = await subscriber.inbox.take();
      assert.deepEqual(
        message,
        { topicName, digest: digest(payload), qos: Math.min(qos, granted), retain: false },
        name,
      );
    }
  }

  test("nobody got a message twice", () => {
    for (const { name, subscriber } of listening) assert.equal(subscriber.inbox.size, 0, name);
  });
});
