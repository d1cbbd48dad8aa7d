/**
 * Payloads of every size class and Topic Names of every kind, unchanged through the broker.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { foreignClients, needing } from "./clients.ts";
import { type CommandBroker, startCommandBroker } from "./command-broker.ts";
import { digest, pattern, type Subscriber, type Version, VERSIONS } from "./foreign-client.ts";
import { mosquittoClient, mosquittoRetained } from "./mosquitto.ts";
import { mqttJsClient } from "./mqtt-js.ts";
import { pahoClient } from "./paho.ts";

const MIB = 1024 * 1024;

/** Around each width of the Remaining Length, and the largest that is promised. */
const SIZES = [0, 1, 100, 127, 128, 16_300, 16_384, 65_535, 65_536, MIB, 2 * MIB + 1, 10 * MIB];

/** Topic Names that must pass as they are. */
const TOPIC_NAMES = [
  ["spaces", "a b/ c /d"],
  ["empty levels", "/a//b/"],
  ["two bytes a letter", "été/größe/наука"],
  ["three bytes a letter", "温度/部屋/日本語"],
  ["four bytes a letter", "🚀/🐛/\u{1f1e9}\u{1f1ea}"],
  ["combining marks, not composed", "e\u0301/a\u030a"],
  ["right to left", "حرارة/غرفة"],
  ["a zero width no-break space", "a/\ufeffb"], // [MQTT5-1.5.4-3] [MQTT3-1.5.3-3]
  ["a dollar sign that is not first", "a/$SYS/b"],
  ["the longest that there is", `long/${"x".repeat(65_530)}`],
] as const;

describe("payloads and Topic Names", () => {
  const clients = foreignClients();
  let broker: CommandBroker;

  before(async () => {
    broker = await startCommandBroker();
  });

  after(async () => {
    await Promise.all(clients.map((client) => client.close()));
    await broker.stop();
  });

  for (const [index, client] of [mqttJsClient(), pahoClient()].entries()) {
    for (const version of VERSIONS) {
      describe(`${client.name} ${version}`, () => {
        let subscriber: Subscriber;

        before(async () => {
          if (client.missing !== undefined) return;
          subscriber = await client.subscribe(broker.url, {
            version,
            qos: 2,
            clientId: `payload-${index}-${version}`,
            topicFilters: [`size/${client.name}/${version}/+`, `name/${client.name}/${version}/#`],
          });
        });

        after(async () => {
          if (client.missing !== undefined) return;
          await subscriber.disconnect();
          await client.close();
        });

        for (const size of SIZES) {
          test(`a payload of ${size} bytes arrives as it was sent`, needing(client), async () => {
            const topicName = `size/${client.name}/${version}/${size}`;
            const payload = pattern(size);
            const qos = size % 2 === 0 ? 1 : 2;
            await client.publish(broker.url, version, [{ topicName, payload, qos }]);
            assert.deepEqual(await subscriber.inbox.take(), {
              topicName,
              digest: digest(payload),
              qos,
              retain: false,
            });
          });
        }

        for (const [what, tail] of TOPIC_NAMES) {
          test(`a Topic Name with ${what} arrives as it was sent`, needing(client), async () => {
            const topicName = `name/${client.name}/${version}/${tail}`.slice(0, 65_535);
            const payload = Buffer.from(what);
            await client.publish(broker.url, version, [{ topicName, payload, qos: 1 }]);
            assert.equal((await subscriber.inbox.take()).topicName, topicName);
          });
        }
      });
    }
  }

  describe("mosquitto", () => {
    const client = mosquittoClient();

    for (const [version, size] of VERSIONS.flatMap((v) => SIZES.map((s) => [v, s] as const))) {
      // An empty payload would delete the retained message.
      if (size === 0) continue;
      test(
        `${version}: a payload of ${size} bytes is kept and comes as it was sent`,
        needing(client),
        () => keepAndFetch(version, size),
      );
    }

    async function keepAndFetch(version: Version, size: number): Promise<void> {
      const topicName = `kept/${version}/${size}`;
      const payload = pattern(size);
      await client.publish(broker.url, version, [{ topicName, payload, qos: 1, retain: true }]);
      const got = await mosquittoRetained(broker.url, version, topicName);
      assert.equal(digest(got), digest(payload));
      await client.publish(broker.url, version, [
        { topicName, payload: Buffer.alloc(0), qos: 1, retain: true },
      ]);
    }

    for (const version of VERSIONS) {
      test(
        `${version}: Topic Names of all kinds arrive as they were sent`,
        needing(client),
        async () => {
          const subscriber = await client.subscribe(broker.url, {
            version,
            qos: 1,
            clientId: `names-${version}`,
            topicFilters: ["name/mosquitto/#"],
          });
          for (const [what, tail] of TOPIC_NAMES) {
            // mosquitto_pub refuses longer ones by itself.
            const topicName = `name/mosquitto/${tail}`.slice(0, 60_000);
            await client.publish(broker.url, version, [
              { topicName, payload: Buffer.from(what), qos: 1 },
            ]);
            assert.equal((await subscriber.inbox.take()).topicName, topicName, what);
          }
          await subscriber.disconnect();
        },
      );
    }
  });
});
