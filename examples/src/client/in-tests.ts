import { createBroker } from "@sericite/broker";
import type { Broker } from "@sericite/broker";
import { connect } from "@sericite/client";
import type { Client } from "@sericite/client";

/** A broker and clients in one process, without a port: for the tests of what you build. */
export async function openWorld(): Promise<{
  broker: Broker;
  join: (clientId: string) => Promise<Client>;
  close: () => Promise<void>;
}> {
  const broker = await createBroker();
  const clients: Client[] = [];
  return {
    broker,
    async join(clientId) {
      const client = await connect({ dial: broker.dial(), clientId, reconnect: false });
      clients.push(client);
      return client;
    },
    async close() {
      for (const client of clients) await client.disconnect();
      await broker.close();
    },
  };
}
