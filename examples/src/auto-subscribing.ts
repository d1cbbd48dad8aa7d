import { createBroker } from "@sericite/broker";
import type { Broker } from "@sericite/broker";

/** Each client gets what is meant for it, whether it subscribes or not. */
export function start(): Promise<Broker> {
  return createBroker({
    autoSubscribe: [
      { topicFilter: "to/%c/#", qos: 1 },
      { topicFilter: "news", retainHandling: 0 },
    ],
  });
}
