import { createBroker } from "@sericite/broker";
import type { Broker } from "@sericite/broker";

/** Devices in the field name topics as they always did; others find them under the new names. */
export function start(): Promise<Broker> {
  return createBroker({
    rewrite: [
      { action: "all", from: "old/#", pattern: "^old/(.+)/(\\d+)$", to: "devices/$2/$1" },
      { action: "publish", from: "up/#", pattern: "^up/(.+)$", to: "devices/%c/$1" },
    ],
  });
}
