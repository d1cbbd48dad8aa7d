import { ReasonCode, RequestError } from "@sericite/client";
import type { Client } from "@sericite/client";

/** Publishes what is of use for a minute, and says what became of it. */
export async function publishReading(client: Client, power: number): Promise<string> {
  try {
    const { reasonCode } = await client.publish("meters/7/power", String(power), {
      qos: 1,
      properties: { messageExpiryInterval: 60 },
      signal: AbortSignal.timeout(5000),
    });
    return reasonCode === ReasonCode.noMatchingSubscribers ? "nobody listens" : "taken";
  } catch (error) {
    if (error instanceof RequestError) return error.code;
    throw error;
  }
}

/** Publishes many: the client keeps as many on their way as the server takes, in this order. */
export async function publishAll(client: Client, readings: readonly number[]): Promise<void> {
  await Promise.all(
    readings.map((power) => client.publish("meters/7/power", String(power), { qos: 1 })),
  );
}
