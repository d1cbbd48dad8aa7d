import { parseTopicFilter, ProtocolError, ReasonCode } from "@sericite/protocol";
import type { SubscribePacket, SubscriptionRequest } from "@sericite/protocol";
import { ask } from "./ask.ts";
import type { Connection } from "./connection.ts";
import { OPTION_MUTE, packOptions } from "./session.ts";

/** One SUBSCRIBE on its way: its filters are decided one after the other, the answer is one [MQTT5-3.8.4-5]. */
interface Progress {
  readonly packet: SubscribePacket;
  readonly reasonCodes: number[];
  position: number;
}

/** Subscribes to Topic Filters (§3.8). */
export function handleSubscribe(connection: Connection, packet: SubscribePacket): void {
  for (const { topicFilter, noLocal } of packet.subscriptions) {
    if (
      noLocal === true &&
      (topicFilter.startsWith("$share/") || topicFilter.startsWith("$queue/"))
    ) {
      throw new ProtocolError(
        "ERR_PROTOCOL",
        ReasonCode.protocolError,
        "No Local on a Shared Subscription",
      ); // [MQTT5-3.8.3-4]
    }
  }
  advance(connection, { packet, reasonCodes: [], position: 0 });
}

function advance(connection: Connection, progress: Progress): void {
  const { packet, reasonCodes } = progress;
  const authorize = connection.isTrusted ? undefined : connection.engine.hooks.authorizeSubscribe;
  while (reasonCodes.length < packet.subscriptions.length) {
    const request = packet.subscriptions[reasonCodes.length]!;
    const fault = faultOf(connection, request);
    if (fault !== 0) reasonCodes.push(fault);
    else if (authorize === undefined) reasonCodes.push(grant(connection, progress, request, false));
    else {
      return ask(
        connection,
        "authorizeSubscribe",
        () => authorize(connection, request),
        false,
        (allowed) => {
          // 3.1 has no failure code: granted in form, delivers nothing.
          if (allowed === true) reasonCodes.push(grant(connection, progress, request, false));
          else if (connection.protocolVersion === 3)
            reasonCodes.push(grant(connection, progress, request, true));
          else reasonCodes.push(ReasonCode.notAuthorized);
          advance(connection, progress);
        },
      );
    }
  }
  finish(connection, progress);
}

/** Reason Code of a filter that is refused whoever asks, or 0. */
function faultOf(connection: Connection, { topicFilter }: SubscriptionRequest): number {
  const { engine } = connection;
  const session = connection.session!;
  try {
    const parsed = parseTopicFilter(topicFilter, engine.settings.limits.topicLevels);
    if (parsed.shareName !== undefined) return ReasonCode.sharedSubscriptionsNotSupported;
  } catch (error) {
    if (error instanceof ProtocolError) return ReasonCode.topicFilterInvalid;
    throw error;
  }
  if (engine.store.state === "refusing" && session.isDurable) return ReasonCode.quotaExceeded;
  const tree = engine.topicTree;
  if (
    tree.countOf(session.subscriber) >= engine.settings.session.subscriptionsMaximum &&
    tree.find(topicFilter, session.subscriber) < 0
  ) {
    return ReasonCode.quotaExceeded;
  }
  return 0;
}

/** Makes or replaces the subscription [MQTT5-3.8.4-3] [MQTT3-3.8.4-3]. @returns the granted QoS. */
function grant(
  connection: Connection,
  progress: Progress,
  request: SubscriptionRequest,
  isMute: boolean,
): number {
  const { engine } = connection;
  const session = connection.session!;
  const { topicFilter, qos } = request;
  const identifier = progress.packet.properties?.subscriptionIdentifiers?.[0] ?? 0;
  const options =
    packOptions(qos, request.noLocal === true, request.retainAsPublished === true) |
    (isMute ? OPTION_MUTE : 0);
  const tree = engine.topicTree;
  const existing = tree.find(topicFilter, session.subscriber);
  if (existing >= 0) tree.update(existing, options, identifier);
  else tree.add(topicFilter, session.subscriber, options, identifier);
  if (isMute) return qos;
  const handling = request.retainHandling ?? 0;
  const sendsRetained = handling === 0 || (handling === 1 && existing < 0); // [MQTT5-3.3.1-9] [MQTT5-3.3.1-10] [MQTT5-3.3.1-11]
  if (session.isDurable && !engine.store.isVolatile) {
    progress.position = engine.append({
      type: "subscribe",
      session: session.key,
      topicFilter,
      qos,
      noLocal: request.noLocal === true,
      retainAsPublished: request.retainAsPublished === true,
      subscriptionIdentifier: identifier,
      retainedOwed: sendsRetained,
    });
  }
  if (sendsRetained) engine.retained.replay(session, topicFilter, options, identifier);
  engine.events.emit("subscribed", { clientId: session.clientId, topicFilter, qos });
  return qos; // [MQTT5-3.8.4-7] [MQTT3-3.8.4-5]
}

function finish(connection: Connection, { packet, reasonCodes, position }: Progress): void {
  const { counters } = connection.engine;
  for (let i = 0; i < reasonCodes.length; i++) {
    if (reasonCodes[i]! < 0x80) counters.subscriptionsGranted++;
    else {
      counters.subscriptionsRefused++;
      // A 3.1.1 SUBACK knows 0, 1, 2 and 0x80 only [MQTT3-3.9.3-2]; 3.1 has no failure code.
      if (connection.protocolVersion === 4) reasonCodes[i] = 0x80;
      else if (connection.protocolVersion === 3) reasonCodes[i] = packet.subscriptions[i]!.qos;
    }
  }
  connection.sender.sendWhenDurable(
    { type: "suback", packetIdentifier: packet.packetIdentifier, reasonCodes },
    position,
    0,
  ); // [MQTT5-3.8.4-1] [MQTT3-3.8.4-1]
}
