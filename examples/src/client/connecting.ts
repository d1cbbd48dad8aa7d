import { connect } from "@sericite/client";
import type { Client } from "@sericite/client";

/** A lamp that says whether it is there, and takes its leave when it is switched off. */
export async function startLamp(url: string): Promise<Client> {
  const client = await connect(url, {
    clientId: "lamp-1",
    keepAlive: 30,
    // What the server publishes if the lamp is gone without a word.
    will: { topicName: "lamps/1/state", payload: "lost", qos: 1, retain: true },
  });
  await client.publish("lamps/1/state", "on", { qos: 1, retain: true });
  return client;
}

export async function stopLamp(client: Client): Promise<void> {
  await client.publish("lamps/1/state", "off", { qos: 1, retain: true });
  await client.disconnect();
}
