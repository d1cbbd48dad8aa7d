import { type Client, type ConnectOptions, connect } from "@sericite/client";
import { readFileSync } from "node:fs";
import {
  AUTHORITY,
  digest,
  type ForeignClient,
  Inbox,
  type SubscriberOptions,
  type Version,
} from "./foreign-client.ts";

/** Our own client library, in this process, driven as those of others are. */
export function ownClient(): ForeignClient {
  const open = new Set<Client>();

  async function opened(options: ConnectOptions): Promise<Client> {
    const tls = { ca: readFileSync(AUTHORITY) };
    const client = await connect({ ...options, tls, reconnect: false });
    open.add(client);
    return client;
  }

  return {
    name: "sericite client",
    missing: undefined,

    async subscribe(url, options) {
      const inbox = new Inbox(`sericite client ${options.version} ${options.clientId}`);
      const put = (message: {
        topicName: string;
        payload: Uint8Array;
        qos: 0 | 1 | 2;
        retain: boolean;
      }): void => {
        const { topicName, payload, qos, retain } = message;
        inbox.put({ topicName, digest: digest(payload), qos, retain });
      };
      const client = await opened({
        ...connectOptions(url, options),
        // What a resumed session kept comes before there is a subscription to take it.
        onUnclaimedMessage: put,
      });
      const { grantedQos } = await client.subscribe([...options.topicFilters], put, {
        qos: options.qos,
      });
      for (const qos of grantedQos) {
        if (qos !== options.qos) throw new Error(`granted QoS ${qos}, not ${options.qos}`);
      }
      return {
        inbox,
        async disconnect() {
          open.delete(client);
          await client.disconnect();
        },
        async cut() {
          open.delete(client);
          await client.close();
        },
      };
    },

    async publish(url, version, messages) {
      const client = await opened({ url, protocolVersion: PROTOCOL_VERSION[version] });
      for (const { topicName, payload, qos, retain = false } of messages) {
        await client.publish(topicName, payload, { qos, retain });
      }
      open.delete(client);
      await client.disconnect();
    },

    async close() {
      await Promise.all([...open].map((client) => client.close()));
    },
  };
}

const PROTOCOL_VERSION: Readonly<Record<Version, 3 | 4 | 5>> = { "3.1": 3, "3.1.1": 4, "5": 5 };

function connectOptions(url: string, options: SubscriberOptions): ConnectOptions {
  const { version, clientId, persistent = false, will } = options;
  return {
    url,
    clientId,
    protocolVersion: PROTOCOL_VERSION[version],
    cleanStart: !persistent,
    sessionExpiryInterval: persistent ? 3600 : 0,
    will,
  };
}
