import { connect, fileStore } from "@sericite/client";
import type { Client } from "@sericite/client";

/** A meter whose readings outlive it: what `record` settled for is sent, if need be by the next process. */
export async function startMeter(url: string, file: string): Promise<Client> {
  const client = await connect(url, {
    clientId: "meter-7",
    store: fileStore(file),
    // A meter may be without a network when it starts: what it reads until then is kept too.
    reconnect: { fromStart: "background" },
  });
  client.on("publishFailed", ({ topicName, error }) => console.error(topicName, error.message));
  return client;
}

export async function record(client: Client, energy: number): Promise<void> {
  // Its promise settles with the server's acknowledgement, which may take days.
  client.publish("meters/7/energy", String(energy), { qos: 2 }).catch(console.error);
  await client.flush();
}
