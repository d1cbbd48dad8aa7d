import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type IClientOptions, type MqttClient, connect } from "mqtt";
import {
  AUTHORITY,
  digest,
  type ForeignClient,
  Inbox,
  type SubscriberOptions,
  type Version,
  within,
} from "./foreign-client.ts";

/** MQTT.js, in this process. */
export function mqttJsClient(): ForeignClient {
  const open = new Set<MqttClient>();

  async function connected(client: MqttClient): Promise<MqttClient> {
    open.add(client);
    const connack = new Promise<void>((resolve, reject) => {
      client.once("connect", () => resolve());
      client.once("error", reject);
    });
    await within("CONNACK for MQTT.js", connack);
    return client;
  }

  return {
    name: "MQTT.js",
    missing: undefined,

    async subscribe(url, options) {
      const inbox = new Inbox(`MQTT.js ${options.version} ${options.clientId}`);
      const client = connect(subscriberOptions(url, options));
      // Before CONNACK: the messages that a resumed session kept come right behind it.
      client.on("message", (topicName, payload, packet) =>
        inbox.put({ topicName, digest: digest(payload), qos: packet.qos, retain: packet.retain }),
      );
      await connected(client);
      const granted = await within(
        "SUBACK for MQTT.js",
        client.subscribeAsync([...options.topicFilters], { qos: options.qos }),
      );
      for (const { topic, qos } of granted) {
        if (qos !== options.qos)
          throw new Error(`${topic} was granted QoS ${qos}, not ${options.qos}`);
      }
      return {
        inbox,
        async disconnect() {
          open.delete(client);
          await client.endAsync();
        },
        async cut() {
          open.delete(client);
          const closed = once(client.stream, "close");
          client.stream.destroy();
          await closed;
          await client.endAsync(true);
        },
      };
    },

    async publish(url, version, messages) {
      const client = await connected(
        connect({ ...versionOptions(version), ...serverOptions(url) }),
      );
      for (const { topicName, payload, qos, retain = false } of messages) {
        await within(
          "acknowledgement for MQTT.js",
          client.publishAsync(topicName, payload, { qos, retain }),
        );
      }
      open.delete(client);
      await client.endAsync();
    },

    async close() {
      await Promise.all([...open].map((client) => client.endAsync(true)));
    },
  };
}

function versionOptions(version: Version): IClientOptions {
  if (version === "3.1") return { protocolId: "MQIsdp", protocolVersion: 3 };
  return { protocolId: "MQTT", protocolVersion: version === "5" ? 5 : 4 };
}

function serverOptions(url: string): IClientOptions {
  const { protocol, hostname, port, pathname } = new URL(url);
  const scheme = protocol.slice(0, -1);
  if (scheme === "unix")
    return { protocol: "mqtt", unixSocket: true, path: pathname, reconnectPeriod: 0 };
  const isSecure = scheme === "mqtts" || scheme === "wss";
  return {
    protocol: scheme as "mqtt" | "mqtts" | "ws" | "wss",
    host: hostname,
    port: Number(port),
    ...(isSecure ? { ca: readFileSync(AUTHORITY) } : {}),
    reconnectPeriod: 0,
  };
}

function subscriberOptions(url: string, options: SubscriberOptions): IClientOptions {
  const { version, clientId, persistent = false, will } = options;
  return {
    ...versionOptions(version),
    ...serverOptions(url),
    clientId,
    clean: !persistent,
    ...(persistent && version === "5" ? { properties: { sessionExpiryInterval: 3600 } } : {}),
    ...(will === undefined
      ? {}
      : {
          will: {
            topic: will.topicName,
            payload: will.payload,
            qos: will.qos,
            retain: will.retain ?? false,
          },
        }),
  };
}
