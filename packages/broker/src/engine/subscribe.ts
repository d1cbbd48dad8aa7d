import { parseTopicFilter, ProtocolError, ReasonCode } from "@sericite/protocol";
import type { QoS, SubscribePacket, SubscriptionRequest, TopicFilter } from "@sericite/protocol";
import { ask, goOnNextTurn } from "./ask.ts";
import type { Connection } from "./connection.ts";
import type { Engine } from "./engine.ts";
import { topicLimit } from "./limits.ts";
import { hasRightToSubscribe } from "./rights.ts";
import { OPTION_MUTE, packOptions } from "./session.ts";
import type { Session } from "./session.ts";

/** One SUBSCRIBE on its way: its filters are decided one after the other, the answer is one [MQTT5-3.8.4-5] [MQTT3-3.8.4-4], in their order [MQTT5-3.9.3-1] [MQTT3-3.9.3-1]. */
interface Progress {
  readonly packet: SubscribePacket;
  /** Of `packet`; `undefined`: the rewrite rules made none of it. */
  readonly filters: readonly (TopicFilter | undefined)[];
  readonly reasonCodes: number[];
  position: number;
  /** Nobody asked: nobody is answered. */
  readonly isUnasked: boolean;
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
  const { engine } = connection;
  // A text that is no Topic Filter is not refused as one that is not wanted would be: it breaks the
  // protocol [MQTT3-4.8.0-1], before any of the filters has an effect.
  const filters = packet.subscriptions.map(({ topicFilter }) => parseTopicFilter(topicFilter));
  checkOffers(connection, packet);
  if (
    connection.protocolVersion === 3 &&
    engine.store.state === "refusing" &&
    connection.session!.isDurable
  ) {
    return closeUnkept(connection);
  }
  const progress = begin(connection, packet, filters);
  if (isInUse(connection, packet.packetIdentifier)) {
    for (const _ of filters) progress.reasonCodes.push(ReasonCode.packetIdentifierInUse);
    return finish(connection, progress);
  }
  advance(connection, progress);
}

/** What is asked for, on the Topic Filters that the rewrite rules make of those that were sent. */
function begin(
  connection: Connection,
  packet: SubscribePacket,
  filters: readonly TopicFilter[],
): Progress {
  const { rewriter } = connection.engine;
  if (rewriter === undefined || connection.isTrusted)
    return { packet, filters, reasonCodes: [], position: 0, isUnasked: false };
  const results: (TopicFilter | undefined)[] = [];
  const subscriptions = packet.subscriptions.map((request, index) => {
    const topicFilter = rewriter.topicFilter(connection, request.topicFilter);
    const isSame = topicFilter === request.topicFilter;
    if (topicFilter === undefined) results.push(undefined);
    else results.push(isSame ? filters[index] : parseTopicFilter(topicFilter));
    return topicFilter === undefined || isSame ? request : { ...request, topicFilter };
  });
  return {
    packet: { ...packet, subscriptions },
    filters: results,
    reasonCodes: [],
    position: 0,
    isUnasked: false,
  };
}

/** Subscribes a client that did not ask, authorized as if it had. The Topic Filters must be valid. */
export function subscribeUnasked(
  connection: Connection,
  subscriptions: readonly SubscriptionRequest[],
): void {
  const packet: SubscribePacket = { type: "subscribe", packetIdentifier: 0, subscriptions };
  const filters = subscriptions.map(({ topicFilter }) => parseTopicFilter(topicFilter));
  advance(connection, { packet, filters, reasonCodes: [], position: 0, isUnasked: true });
}

/** Whether a QoS 2 PUBLISH of the client has the Packet Identifier; only 5.0 has a code that says so. */
export function isInUse(connection: Connection, packetIdentifier: number): boolean {
  return (
    connection.protocolVersion === 5 && connection.session!.inbound?.has(packetIdentifier) === true
  );
}

function advance(connection: Connection, progress: Progress): void {
  const { packet, filters, reasonCodes } = progress;
  const { engine } = connection;
  const authorize = connection.isTrusted ? undefined : engine.hooks.authorizeSubscribe;
  let budget = engine.settings.limits.packetsPerTurn;
  while (reasonCodes.length < packet.subscriptions.length) {
    if (budget-- === 0) return goOnNextTurn(connection, () => advance(connection, progress));
    const request = packet.subscriptions[reasonCodes.length]!;
    const parsed = filters[reasonCodes.length];
    if (parsed === undefined) {
      reasonCodes.push(ReasonCode.topicFilterInvalid);
      continue;
    }
    const refusal = refusalOf(connection, request.topicFilter, parsed);
    if (refusal !== undefined) reasonCodes.push(refusal);
    else if (!hasRightToSubscribe(connection, request.topicFilter, request.qos))
      reasonCodes.push(deny(connection, progress, request, parsed));
    else if (authorize === undefined)
      reasonCodes.push(grant(connection, progress, request, parsed, false));
    else {
      let isLate = false;
      const asked = reasonCodes.length;
      ask(
        connection,
        "authorizeSubscribe",
        () => authorize(connection, request),
        false,
        (allowed) => {
          reasonCodes.push(
            allowed === true
              ? grant(connection, progress, request, parsed, false)
              : deny(connection, progress, request, parsed),
          );
          if (isLate) advance(connection, progress);
        },
      );
      // An answer that came at once goes on in this loop: a packet may have very many filters.
      isLate = reasonCodes.length === asked;
      if (isLate) return;
    }
  }
  finish(connection, progress);
}

/** Refuses a filter to this client. @returns its Reason Code. */
function deny(
  connection: Connection,
  progress: Progress,
  request: SubscriptionRequest,
  parsed: TopicFilter,
): number {
  // 3.1 has no failure code: granted in form, delivers nothing.
  if (connection.protocolVersion === 3) grant(connection, progress, request, parsed, true);
  return ReasonCode.notAuthorized;
}

/** The Reason Code for a filter that is refused whoever asks, or `undefined`. */
function refusalOf(
  connection: Connection,
  topicFilter: string,
  parsed: TopicFilter,
): number | undefined {
  const { engine } = connection;
  const session = connection.session!;
  const limit = topicLimit(engine, topicFilter, parsed.levels);
  if (limit !== undefined) {
    engine.limitReached(limit, connection);
    return ReasonCode.topicFilterInvalid;
  }
  const { wildcardSubscriptionAvailable, sharedSubscriptionAvailable } = engine.settings.mqtt;
  if (!wildcardSubscriptionAvailable && parsed.hasWildcard)
    return ReasonCode.wildcardSubscriptionsNotSupported; // [MQTT3-3.8.3-2]
  if (!sharedSubscriptionAvailable && parsed.shareName !== undefined)
    return ReasonCode.sharedSubscriptionsNotSupported;
  if (engine.store.state === "refusing" && session.isDurable) return ReasonCode.quotaExceeded;
  const tree = engine.topicTree;
  const count = tree.countOf(session.subscriber) + (session.shares?.size ?? 0);
  if (count < engine.settings.session.subscriptionsMaximum) return undefined;
  if (engine.hasSubscription(session, topicFilter)) return undefined;
  engine.limitReached("session.subscriptionsMaximum", connection);
  return ReasonCode.quotaExceeded;
}

/** Refuses what CONNACK said is not there; a 5.0 client that asks all the same is disconnected. */
function checkOffers(connection: Connection, packet: SubscribePacket): void {
  const { mqtt } = connection.engine.settings;
  if (connection.protocolVersion !== 5) return;
  if (
    !mqtt.subscriptionIdentifiersAvailable &&
    packet.properties?.subscriptionIdentifiers !== undefined
  ) {
    throw notOffered(ReasonCode.subscriptionIdentifiersNotSupported, "Subscription Identifiers");
  }
  for (const { topicFilter } of packet.subscriptions) {
    const isShared = topicFilter.startsWith("$share/") || topicFilter.startsWith("$queue/");
    if (isShared && !mqtt.sharedSubscriptionAvailable) {
      throw notOffered(ReasonCode.sharedSubscriptionsNotSupported, "Shared Subscriptions");
    }
    if (!mqtt.wildcardSubscriptionAvailable && /[+#]/.test(topicFilter)) {
      throw notOffered(ReasonCode.wildcardSubscriptionsNotSupported, "wildcards");
    }
  }
}

function notOffered(reasonCode: number, what: string): ProtocolError {
  return new ProtocolError("ERR_PROTOCOL", reasonCode, `this broker does not offer ${what}`);
}

/** Makes or replaces the subscription [MQTT5-3.8.4-3] [MQTT3-3.8.4-3]. @returns the granted QoS. */
function grant(
  connection: Connection,
  progress: Progress,
  request: SubscriptionRequest,
  parsed: TopicFilter,
  isMute: boolean,
): number {
  const { engine } = connection;
  const session = connection.session!;
  const { topicFilter } = request;
  // Asked for more than is offered: taken, and less is granted [MQTT5-3.2.2-10].
  const qos = Math.min(request.qos, engine.settings.mqtt.maximumQos) as QoS;
  const identifier = progress.packet.properties?.subscriptionIdentifiers?.[0] ?? 0;
  // A bridge of 3.x cannot say so, and means both.
  const noLocal = request.noLocal === true || connection.isBridge;
  const retainAsPublished = request.retainAsPublished === true || connection.isBridge;
  const options = packOptions(qos, noLocal, retainAsPublished) | (isMute ? OPTION_MUTE : 0);
  const isShared = parsed.shareName !== undefined;
  if (isMute && isShared) return qos;
  const existed = isShared
    ? engine.shared.join(session, topicFilter, parsed, options, identifier)
    : subscribe(engine, session, topicFilter, options, identifier);
  if (isMute) return qos;
  const handling = request.retainHandling ?? 0;
  // [MQTT5-3.3.1-9] [MQTT5-3.3.1-10] [MQTT5-3.3.1-11]; never for a Shared Subscription.
  const sendsRetained =
    !isShared &&
    (handling === 0 || (handling === 1 && !existed)) &&
    (parsed.hasWildcard || engine.retained.has(topicFilter));
  if (session.isKept) {
    progress.position = engine.append({
      type: "subscribe",
      session: session.key,
      topicFilter,
      qos,
      noLocal,
      retainAsPublished,
      subscriptionIdentifier: identifier,
      retainedOwed: sendsRetained,
    });
  }
  // They follow SUBACK, which they could as well precede.
  if (sendsRetained) engine.retained.replay(session, topicFilter, options, identifier);
  engine.events.emit("subscribed", { clientId: session.clientId, topicFilter, qos });
  return qos; // [MQTT5-3.8.4-7] [MQTT3-3.8.4-5]
}

/** @returns whether the session had this subscription. */
function subscribe(
  engine: Engine,
  session: Session,
  topicFilter: string,
  options: number,
  identifier: number,
): boolean {
  const tree = engine.topicTree;
  const existing = tree.find(topicFilter, session.subscriber);
  if (existing >= 0) tree.update(existing, options, identifier); // Without a gap [MQTT5-3.8.4-4].
  else {
    tree.add(topicFilter, session.subscriber, options, identifier);
    engine.cluster?.filterAdded(topicFilter);
  }
  return existing >= 0;
}

function finish(connection: Connection, progress: Progress): void {
  const { packet, reasonCodes, position, isUnasked } = progress;
  const { counters, events, settings, store } = connection.engine;
  if (
    !isUnasked &&
    connection.protocolVersion === 3 &&
    store.state === "refusing" &&
    reasonCodes.includes(ReasonCode.quotaExceeded)
  ) {
    return closeUnkept(connection); // The store began to refuse while a hook was asked.
  }
  for (let i = 0; i < reasonCodes.length; i++) {
    if (reasonCodes[i]! < 0x80) counters.subscriptionsGranted++;
    else {
      counters.subscriptionsRefused++;
      const { topicFilter, qos } = packet.subscriptions[i]!;
      const { clientId, username, peer } = connection;
      events.emit("subscriptionRefused", {
        clientId,
        username,
        peer,
        topicFilter,
        reasonCode: reasonCodes[i]!,
        isUnasked,
      });
      // A 3.1.1 SUBACK knows 0, 1, 2 and 0x80 only [MQTT3-3.9.3-2]; 3.1 has no failure code.
      if (connection.protocolVersion === 4) reasonCodes[i] = 0x80;
      else if (connection.protocolVersion === 3)
        reasonCodes[i] = Math.min(qos, settings.mqtt.maximumQos);
    }
  }
  if (isUnasked) return;
  connection.sender.sendWhenDurable(
    { type: "suback", packetIdentifier: packet.packetIdentifier, reasonCodes },
    position,
    0,
  ); // [MQTT5-3.8.4-1] [MQTT3-3.8.4-1] [MQTT5-3.8.4-2] [MQTT3-3.8.4-2] [MQTT5-2.2.1-6] [MQTT3-2.3.1-7]
}

/** 3.1 has no way to say no, and a yes would not be kept. */
function closeUnkept(connection: Connection): void {
  connection.close(ReasonCode.quotaExceeded, "the store takes nothing at present");
}
