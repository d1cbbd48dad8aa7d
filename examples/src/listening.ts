import { createBroker } from "@sericite/broker";
import type { Broker } from "@sericite/broker";

/** Writes down who comes and goes, what they subscribe to, and what is published. */
export async function start(note: (line: string) => void): Promise<Broker> {
  const broker = await createBroker();
  broker.on("clientConnected", ({ clientId }) => note(`${clientId} is online`));
  broker.on("clientDisconnected", ({ clientId, reason }) => note(`${clientId} left: ${reason}`));
  broker.on("clientRefused", ({ clientId, reason }) => note(`${clientId} was refused: ${reason}`));
  broker.on("sessionStarted", ({ clientId }) => note(`session of ${clientId} begins`));
  broker.on("sessionEnded", ({ clientId }) => note(`session of ${clientId} ends`));
  broker.on("subscribed", ({ clientId, topicFilter }) => note(`${clientId} has ${topicFilter}`));
  broker.on("unsubscribed", ({ clientId, topicFilter }) => note(`${clientId} left ${topicFilter}`));
  broker.on("messagePublished", ({ origin, publisher, topicName, payload }) => {
    if (origin === "client") note(`${publisher} says ${topicName}: ${payload.length} bytes`);
  });
  broker.on("messageDropped", ({ reason, topicName }) => note(`${topicName} dropped: ${reason}`));
  return broker;
}
