import { setTimeout as sleep } from "node:timers/promises";
import { createBroker } from "@sericite/broker";
import type { Broker } from "@sericite/broker";

/** Refuses, changes and delays what clients publish. */
export function start(): Promise<Broker> {
  return createBroker({
    hooks: {
      publish: async ({ clientId }, { topicName, payload, properties }) => {
        if (payload.length > 1000) return false;
        // The view is valid during the call only: it is copied before the wait.
        const text = new TextDecoder().decode(payload);
        if (topicName === "slow") await sleep(20);
        return {
          payload: new TextEncoder().encode(text.trim()),
          properties: {
            ...properties,
            userProperties: [...(properties.userProperties ?? []), ["from", clientId]],
          },
        };
      },
    },
  });
}
