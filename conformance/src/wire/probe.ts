import type { Feature } from "./case.ts";
import { publish } from "./case.ts";
import type { Address } from "./transport.ts";
import { WireConnection } from "./wire-connection.ts";

/** What a broker offers, as its CONNACK of 5.0 and a few messages show. */
export async function probe(address: Address, patienceMs: number): Promise<Set<Feature>> {
  const features = new Set<Feature>(["will-delay", "queue-subscriptions", "delayed"]);
  if (address.webSocketUrl !== undefined) features.add("websocket");
  if (await answers31(address, patienceMs)) features.add("mqtt-3.1");

  const connection = await WireConnection.open(address, 5);
  try {
    const topicName = `probe/${process.pid}`;
    connection.send({
      type: "connect",
      protocolVersion: 5,
      clientId: `probe${process.pid}`,
      cleanStart: true,
      keepAlive: 0,
      properties: { topicAliasMaximum: 10 },
    });
    const connack = (await connection.next(patienceMs))?.packet;
    if (connack?.type !== "connack" || connack.reasonCode !== 0)
      throw new Error(`the broker does not accept a CONNECT of 5.0: ${JSON.stringify(connack)}`);
    const offers = connack.properties ?? {};
    if (offers.retainAvailable !== 0) features.add("retained");
    if (offers.wildcardSubscriptionAvailable !== 0) features.add("wildcards");
    if (offers.sharedSubscriptionAvailable !== 0) features.add("shared-subscriptions");
    if (offers.subscriptionIdentifiersAvailable !== 0) features.add("subscription-identifiers");
    if ((offers.topicAliasMaximum ?? 0) > 0) features.add("topic-alias-inbound");

    connection.send({
      type: "subscribe",
      packetIdentifier: 1,
      subscriptions: [{ topicFilter: topicName, qos: 0 }],
    });
    await connection.next(patienceMs);
    for (let i = 0; i < 3; i++) {
      connection.send(publish(topicName));
      const received = (await connection.next(patienceMs))?.packet;
      if (received?.type === "publish" && received.properties?.topicAlias !== undefined)
        features.add("topic-alias-outbound");
    }
  } finally {
    connection.cut();
  }
  return features;
}

async function answers31(address: Address, patienceMs: number): Promise<boolean> {
  const connection = await WireConnection.open(address, 3);
  try {
    connection.send({
      type: "connect",
      protocolVersion: 3,
      clientId: `probe${process.pid}`,
      cleanStart: true,
      keepAlive: 0,
    });
    const received = (await connection.next(patienceMs))?.packet;
    return received?.type === "connack" && received.reasonCode === 0;
  } finally {
    connection.cut();
  }
}
