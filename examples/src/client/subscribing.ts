import type { Client } from "@sericite/client";

/** Keeps what comes: a message is acknowledged when `save` is done. */
export async function keep(
  client: Client,
  save: (topicName: string, text: string) => Promise<void>,
): Promise<void> {
  await client.subscribe("meters/+/power", (message) => save(message.topicName, message.text()), {
    qos: 1,
  });
}

/** Waits for a message that fits, and lets go of the subscription. */
export async function waitForAlarm(client: Client, signal: AbortSignal): Promise<string> {
  await using subscription = await client.subscribe("alarms/#", { qos: 1, signal });
  for await (const message of subscription) if (message.text() !== "test") return message.topicName;
  throw new Error("no alarm came");
}
