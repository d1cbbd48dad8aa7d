import {
  ConnectionError,
  encodeProperties,
  PacketType,
  topicNameFault,
  UsageError,
} from "@sericite/protocol";
import { checkPublish } from "./arguments.ts";
import type { LocalPublishOptions, LocalPublishResult } from "./broker-options.ts";
import type { Engine } from "./engine/engine.ts";
import { composeMessage } from "./engine/forms.ts";
import { takesMessages } from "./engine/ports.ts";
import { concernsStore } from "./engine/publish.ts";
import { route } from "./engine/route.ts";

/** Publishes a message of the embedding program, as `Broker.publish` tells. */
export async function publishLocally(
  engine: Engine,
  topicName: string,
  payload: string | Uint8Array,
  options: LocalPublishOptions,
): Promise<LocalPublishResult> {
  const { qos = 0 } = options;
  checkPublish(payload, qos);
  const fault = topicNameFault(topicName, engine.settings.limits.topicLevels);
  if (fault !== undefined) throw new UsageError("ERR_TOPIC_NAME", fault);
  // Topic Alias and Subscription Identifier belong to one hop, the expiry is kept as a time.
  const {
    messageExpiryInterval,
    topicAlias: _alias,
    subscriptionIdentifiers: _identifiers,
    ...properties
  } = options.properties ?? {};
  engine.enter();
  const message = composeMessage(engine.nextMessageNumber(), {
    topic: engine.topicNames.intern(topicName),
    payload: typeof payload === "string" ? Buffer.from(payload) : payload,
    properties: encodeProperties(properties, PacketType.publish),
    qos,
    retain: options.retain === true,
    publisher: "",
    expiresAt: messageExpiryInterval === undefined ? 0 : engine.now + messageExpiryInterval * 1000,
  });
  if (!takesMessages(engine.store.state) && concernsStore(engine, message)) {
    throw new ConnectionError("ERR_STORE_REFUSING", "the store takes nothing at present");
  }
  const { sessions, store, bus } = route(engine, message, "broker", options.to);
  return new Promise((resolve) => engine.whenDurable(store, bus, () => resolve({ sessions })));
}
