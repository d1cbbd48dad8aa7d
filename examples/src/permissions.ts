import { createBroker } from "@sericite/broker";
import type { Broker } from "@sericite/broker";

/** Who may publish, subscribe and receive, as a database says. */
export function start(
  mayWrite: (user: string, topic: string) => Promise<boolean>,
): Promise<Broker> {
  return createBroker({
    hooks: {
      authorizePublish: ({ username }, { topicName }) => mayWrite(username ?? "", topicName),
      authorizeSubscribe: ({ clientId }, { topicFilter, qos }) =>
        qos < 2 && (topicFilter === `to/${clientId}` || topicFilter.startsWith("public/")),
      authorizeDelivery: (_client, { topicName }) => !topicName.endsWith("/secret"),
    },
  });
}
