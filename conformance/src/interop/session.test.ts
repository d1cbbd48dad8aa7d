/**
 * What outlives a message and a connection: retained messages, wills and sessions, with every
 * client in every version.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { foreignClients, needing } from "./clients.ts";
import { type CommandBroker, startCommandBroker } from "./command-broker.ts";
import {
  digest,
  type ForeignClient,
  type Incoming,
  type Outgoing,
  QOS,
  type Version,
  VERSIONS,
} from "./foreign-client.ts";

const NOTHING = Buffer.alloc(0);

describe("retained messages, wills and sessions", () => {
  const clients = foreignClients();
  let broker: CommandBroker;

  before(async () => {
    broker = await startCommandBroker();
  });

  after(async () => {
    await Promise.all(clients.map((client) => client.close()));
    await broker.stop();
  });

  for (const client of clients) {
    for (const version of VERSIONS) {
      const title = `${client.name} ${version}`;
      test(
        `${title}: the last retained message comes to a new subscriber, once, with RETAIN`,
        needing(client),
        () => retained(client, version),
      );
      test(`${title}: an empty payload deletes the retained message`, needing(client), () =>
        deleted(client, version),
      );
      test(`${title}: the will is published when the connection is cut`, needing(client), () =>
        willAfterCut(client, version),
      );
      if (client.name === "mosquitto" && version === "5") {
        test(
          `${title}: the will is published after DISCONNECT with Will Message`,
          needing(client),
          () => willAfterDisconnectWithWill(client),
        );
      } else {
        test(`${title}: no will is published after DISCONNECT`, needing(client), () =>
          noWillAfterDisconnect(client, version),
        );
      }
      test(
        `${title}: a session resumes with all that came meanwhile, in order`,
        needing(client),
        () => resumed(client, version),
      );
      test(`${title}: a session that was not to be kept does not resume`, needing(client), () =>
        notResumed(client, version),
      );
    }
  }

  /** Publishes by the same client, and marks the end of what a subscriber may get. */
  async function publish(
    client: ForeignClient,
    version: Version,
    ...messages: Outgoing[]
  ): Promise<void> {
    await client.publish(broker.url, version, messages);
  }

  async function retained(client: ForeignClient, version: Version): Promise<void> {
    const folder = `retained/${client.name}/${version}`;
    for (const qos of QOS) {
      const topicName = `${folder}/${qos}`;
      await publish(
        client,
        version,
        { topicName, payload: Buffer.from("old"), qos, retain: true },
        { topicName, payload: Buffer.from(`new ${qos}`), qos, retain: true },
      );
    }
    const subscriber = await client.subscribe(broker.url, {
      version,
      qos: 2,
      clientId: `r-${client.name}-${version}`,
      topicFilters: [`${folder}/+`],
    });
    for (const qos of QOS) {
      const topicName = `${folder}/${qos}`;
      assert.deepEqual(await subscriber.inbox.take(topicName), {
        topicName,
        digest: digest(Buffer.from(`new ${qos}`)),
        qos,
        retain: true,
      });
    }
    // A message that is published while we are subscribed comes without RETAIN.
    const live = {
      topicName: `${folder}/1`,
      payload: Buffer.from("live"),
      qos: 1,
      retain: true,
    } as const;
    await publish(client, version, live);
    assert.deepEqual(await subscriber.inbox.take(), {
      topicName: live.topicName,
      digest: digest(live.payload),
      qos: 1,
      retain: false,
    });
    await subscriber.disconnect();
    for (const qos of QOS) {
      await publish(client, version, {
        topicName: `${folder}/${qos}`,
        payload: NOTHING,
        qos: 1,
        retain: true,
      });
    }
  }

  async function deleted(client: ForeignClient, version: Version): Promise<void> {
    const folder = `deleted/${client.name}/${version}`;
    await publish(
      client,
      version,
      { topicName: `${folder}/gone`, payload: Buffer.from("x"), qos: 1, retain: true },
      { topicName: `${folder}/gone`, payload: NOTHING, qos: 1, retain: true },
      { topicName: `${folder}/there`, payload: Buffer.from("y"), qos: 1, retain: true },
    );
    const subscriber = await client.subscribe(broker.url, {
      version,
      qos: 1,
      clientId: `d-${client.name}-${version}`,
      topicFilters: [`${folder}/#`],
    });
    assert.equal((await subscriber.inbox.take()).topicName, `${folder}/there`);
    await publish(client, version, { topicName: `${folder}/end`, payload: NOTHING, qos: 1 });
    assert.equal((await subscriber.inbox.take()).topicName, `${folder}/end`);
    await subscriber.disconnect();
    await publish(client, version, {
      topicName: `${folder}/there`,
      payload: NOTHING,
      qos: 1,
      retain: true,
    });
  }

  /** A subscriber on `folder`, and a client with a will on `folder/will`. */
  async function withWill(client: ForeignClient, version: Version, folder: string) {
    const will = {
      topicName: `${folder}/will`,
      payload: Buffer.from("gone: été"),
      qos: 1,
    } as const;
    const watcher = await client.subscribe(broker.url, {
      version,
      qos: 2,
      clientId: `w-${client.name}-${version}`,
      topicFilters: [`${folder}/#`],
    });
    const dying = await client.subscribe(broker.url, {
      version,
      qos: 0,
      clientId: `v-${client.name}-${version}`,
      topicFilters: [`nothing/${folder}`],
      will,
    });
    return { watcher, dying, will };
  }

  async function willAfterCut(client: ForeignClient, version: Version): Promise<void> {
    const { watcher, dying, will } = await withWill(
      client,
      version,
      `cut/${client.name}/${version}`,
    );
    await dying.cut();
    assert.deepEqual(await watcher.inbox.take(), {
      topicName: will.topicName,
      digest: digest(will.payload),
      qos: 1,
      retain: false,
    });
    await watcher.disconnect();
  }

  async function noWillAfterDisconnect(client: ForeignClient, version: Version): Promise<void> {
    const folder = `left/${client.name}/${version}`;
    const { watcher, dying } = await withWill(client, version, folder);
    await dying.disconnect();
    await publish(client, version, { topicName: `${folder}/end`, payload: NOTHING, qos: 1 });
    assert.equal((await watcher.inbox.take()).topicName, `${folder}/end`);
    await watcher.disconnect();
  }

  /** With 5.0 mosquitto_sub leaves with Reason Code 0x04, Disconnect with Will Message. */
  async function willAfterDisconnectWithWill(client: ForeignClient): Promise<void> {
    const { watcher, dying, will } = await withWill(client, "5", `left/${client.name}/5`);
    await dying.disconnect();
    assert.equal((await watcher.inbox.take()).topicName, will.topicName);
    await watcher.disconnect();
  }

  async function resumed(client: ForeignClient, version: Version): Promise<void> {
    const folder = `resumed/${client.name}/${version}`;
    const options = {
      version,
      qos: 2,
      clientId: `p-${client.name}-${version}`,
      topicFilters: [`${folder}/#`],
      persistent: true,
    } as const;
    const first = await client.subscribe(broker.url, options);
    // At QoS 0: a client may leave before it has acknowledged, and would get it again.
    await publish(client, version, {
      topicName: `${folder}/before`,
      payload: Buffer.from("0"),
      qos: 0,
    });
    assert.equal((await first.inbox.take()).topicName, `${folder}/before`);
    await first.disconnect();

    const missed = Array.from({ length: 40 }, (_, i) => ({
      topicName: `${folder}/${i}`,
      payload: Buffer.from(String(i)),
      qos: i % 2 === 0 ? (1 as const) : (2 as const),
    }));
    // Not by mosquitto_pub: a process for each of them takes long.
    const publisher = clients.find(({ name }) => name === "MQTT.js") ?? client;
    await publisher.publish(broker.url, version, missed);

    const second = await client.subscribe(broker.url, options);
    const got: Incoming[] = [];
    while (got.length < missed.length) got.push(await second.inbox.take());
    // A client hands a QoS 2 message on at PUBREL, so that QoS 1 may overtake it there.
    for (const qos of [1, 2]) {
      assert.deepEqual(
        got.filter((message) => message.qos === qos),
        missed
          .filter((message) => message.qos === qos)
          .map(({ topicName, payload }) => ({
            topicName,
            digest: digest(payload),
            qos,
            retain: false,
          })),
      );
    }
    await publish(client, version, { topicName: `${folder}/end`, payload: NOTHING, qos: 1 });
    assert.equal((await second.inbox.take()).topicName, `${folder}/end`, "nothing comes twice");
    await second.disconnect();
  }

  async function notResumed(client: ForeignClient, version: Version): Promise<void> {
    const folder = `ended/${client.name}/${version}`;
    const options = {
      version,
      qos: 1,
      clientId: `n-${client.name}-${version}`,
      topicFilters: [`${folder}/#`],
    } as const;
    const first = await client.subscribe(broker.url, options);
    await first.disconnect();
    await publish(client, version, {
      topicName: `${folder}/missed`,
      payload: Buffer.from("x"),
      qos: 1,
    });
    const second = await client.subscribe(broker.url, options);
    await publish(client, version, { topicName: `${folder}/end`, payload: NOTHING, qos: 1 });
    assert.equal((await second.inbox.take()).topicName, `${folder}/end`);
    await second.disconnect();
  }
});
