import {
  decodeProperties,
  encodeProperties,
  PacketType,
  isUtf8,
  ProtocolError,
  ReasonCode,
  TopicAliasInbound,
} from "@sericite/protocol";
import type { QoS, TopicName } from "@sericite/protocol";
import { parkFor } from "./ask.ts";
import type { Connection } from "./connection.ts";
import { isDelayTopic, parseDelayTopic } from "./delayed.ts";
import type { DelayRequest } from "./delayed.ts";
import { dropReasons } from "./drop-reasons.ts";
import type { DropReason } from "./drop-reasons.ts";
import type { Engine } from "./engine.ts";
import { composeInSlab, sharedIdentifier, writeIdentifier } from "./forms.ts";
import { isPromise } from "./hooks.ts";
import type { MessageChange } from "./hooks.ts";
import { mayPublishTo } from "./limits.ts";
import { Message } from "./message.ts";
import { hasRightToPublish } from "./rights.ts";
import { takesMessages } from "./ports.ts";
import { route } from "./route.ts";
import { isInUse } from "./subscribe.ts";

/** The bits of PUBLISH's first byte that a forwarded one starts without: DUP and RETAIN [MQTT5-3.3.1-3] [MQTT3-3.3.1-3]. */
const KEPT_BITS = 0xf6;

/**
 * Takes a PUBLISH (§3.3), in this order: Topic Alias, limits, repeat, rewrite rules, permission to the
 * resulting Topic Name, hooks, effect, acknowledgement.
 */
export function handlePublish(connection: Connection): void {
  const { engine, parser } = connection;
  engine.counters.publishReceived++;
  const first = parser.bytes[parser.start]!;
  const qos = ((first >> 1) & 3) as QoS;
  const packetIdentifier = parser.packetIdentifier;
  let topic = topicOf(connection);
  checkOffers(connection, qos, (first & 1) !== 0, topic);
  if (qos === 2 && connection.session!.inbound?.has(packetIdentifier) === true) {
    // A repeat: no second delivery [MQTT5-4.3.3-10] [MQTT3-4.3.3-2]. What it promises waits for the newest position.
    connection.sender.acknowledge(
      PacketType.pubrec,
      packetIdentifier,
      ReasonCode.success,
      engine.newestPosition,
      engine.newestBusPosition,
    );
    return;
  }
  if (qos !== 0) {
    // Earlier versions have no Receive Maximum, but not more than so many Packet Identifiers.
    const most = connection.protocolVersion === 5 ? engine.settings.mqtt.receiveMaximum : 65_535;
    if (connection.sender.unanswered >= most) {
      throw new ProtocolError(
        "ERR_PROTOCOL",
        ReasonCode.receiveMaximumExceeded,
        `more than ${most} unanswered PUBLISH packets`,
        "mqtt.receiveMaximum",
      ); // [X-55] [MQTT5-3.3.4-7]
    }
    connection.sender.unanswered++;
    if (qos === 1 && isInUse(connection, packetIdentifier)) {
      const inUse = ReasonCode.packetIdentifierInUse;
      return connection.sender.acknowledge(PacketType.puback, packetIdentifier, inUse, 0, 0);
    }
  }
  if (engine.heldPublishers.applyTo(connection)) connection.intake.isToBeHeld = true;
  let delay: DelayRequest | undefined;
  if (isDelayTopic(topic.name)) {
    delay = parseDelayTopic(topic.name);
    if (delay.type === "invalid")
      throw new ProtocolError("ERR_TOPIC_NAME", ReasonCode.topicNameInvalid, delay.fault);
    topic = engine.topicNames.intern(delay.topicName);
  }
  const result = engine.rewriter === undefined ? topic : rewritten(connection, topic);
  topic = result ?? topic;
  const message = messageOf(connection, topic, qos, (first & 1) !== 0);
  message.delay = delay;
  if (connection.rate !== undefined && !connection.rate.takes(parser.end - parser.start)) {
    if (!connection.isAlive) return;
    return refusePublish(
      connection,
      message,
      packetIdentifier,
      "rate-exceeded",
      ReasonCode.quotaExceeded,
    );
  }
  if (result === undefined) {
    return refusePublish(
      connection,
      message,
      packetIdentifier,
      "rewrite-failed",
      ReasonCode.topicNameInvalid,
    );
  }
  if (
    !connection.isTrusted &&
    (!mayPublishTo(engine, topic.name) ||
      (connection.rights !== undefined &&
        !hasRightToPublish(engine, connection, topic.name, qos, message.retain)))
  ) {
    return refusePublish(
      connection,
      message,
      packetIdentifier,
      "publish-denied",
      ReasonCode.notAuthorized,
    );
  }
  if (
    engine.settings.mqtt.checkPayloadFormat &&
    connection.protocolVersion === 5 &&
    !isPayloadAsMarked(message)
  ) {
    return refusePublish(
      connection,
      message,
      packetIdentifier,
      "payload-format",
      ReasonCode.payloadFormatInvalid,
    );
  }
  const { authorizePublish: authorize, answers } = engine.hooks;
  if (
    authorize === undefined ||
    connection.isTrusted ||
    (answers !== undefined && connection.answers === answers && connection.publishAllowed === topic)
  )
    return runPublishHook(connection, message, packetIdentifier);
  const request = { topicName: topic.name, qos, retain: message.retain, isWill: false };
  let answer: boolean | Promise<boolean>;
  try {
    answer = authorize(connection, request);
  } catch (error) {
    engine.hookFailed("authorizePublish", error, connection);
    answer = false;
  }
  if (answer === true) {
    if (connection.answers !== answers) connection.renewAnswers(answers);
    if (answers !== undefined) connection.publishAllowed = topic;
    return runPublishHook(connection, message, packetIdentifier);
  }
  if (!isPromise(answer))
    return refusePublish(
      connection,
      message,
      packetIdentifier,
      "publish-denied",
      ReasonCode.notAuthorized,
    );
  message.refer();
  parkFor(connection, "authorizePublish", answer, false, (allowed) => {
    if (allowed === true) runPublishHook(connection, message, packetIdentifier);
    else
      refusePublish(
        connection,
        message,
        packetIdentifier,
        "publish-denied",
        ReasonCode.notAuthorized,
      );
    message.release();
  });
}

/** The Topic Name that is meant: written out, or by its alias. */
function topicOf(connection: Connection): TopicName {
  const { parser, engine } = connection;
  const topic = parser.topic;
  if (parser.topicAlias === 0) return topic!;
  const aliases = (connection.aliases ??= new TopicAliasInbound<TopicName>(
    engine.settings.mqtt.topicAliasMaximum,
  ));
  if (topic === undefined) return aliases.resolve(parser.topicAlias); // [MQTT5-3.3.2-12]
  aliases.set(parser.topicAlias, topic);
  return topic;
}

/** The Topic Name that the rewrite rules make of it; `undefined`: none that could be used. */
function rewritten(connection: Connection, topic: TopicName): TopicName | undefined {
  const { engine } = connection;
  if (connection.isTrusted) return topic;
  const { topicLevels } = engine.settings.limits;
  const topicName = engine.rewriter!.topicName(connection, topic.name, topicLevels);
  if (topicName === topic.name) return topic;
  return topicName === undefined ? undefined : engine.topicNames.intern(topicName);
}

/** A payload that is marked as UTF-8 has to be UTF-8. */
function isPayloadAsMarked(message: Message): boolean {
  const properties = decodeProperties(
    message.bytes,
    message.start + message.propertiesStart,
    message.start + message.propertiesEnd,
    PacketType.publish,
  );
  return (
    properties.payloadFormatIndicator !== 1 ||
    isUtf8(message.bytes, message.start + message.payloadStart, message.end)
  );
}

/** Refuses what the broker does not offer. */
function checkOffers(connection: Connection, qos: QoS, retain: boolean, topic: TopicName): void {
  const { mqtt, limits } = connection.engine.settings;
  if (qos > mqtt.maximumQos)
    throw new ProtocolError(
      "ERR_PROTOCOL",
      ReasonCode.qosNotSupported,
      `QoS ${qos}, at most ${mqtt.maximumQos} is offered`,
    );
  if (retain && !mqtt.retainAvailable)
    throw new ProtocolError("ERR_PROTOCOL", ReasonCode.retainNotSupported, "RETAIN is not offered");
  if (topic.bytes.length > limits.topicBytes) {
    throw new ProtocolError(
      "ERR_TOPIC_NAME",
      ReasonCode.topicNameInvalid,
      `Topic Name of ${topic.bytes.length} bytes, at most ${limits.topicBytes} are allowed`,
      "limits.topicBytes",
    );
  }
  if (topic.levels > limits.topicLevels) {
    throw new ProtocolError(
      "ERR_TOPIC_NAME",
      ReasonCode.topicNameInvalid,
      `Topic Name with ${topic.levels} levels, at most ${limits.topicLevels} are allowed`,
      "limits.topicLevels",
    );
  }
}

/**
 * The message of the parser's current packet. Usually the packet's own bytes become its native form:
 * DUP and RETAIN are cleared and the Packet Identifier replaced by the one for all receivers.
 */
function messageOf(connection: Connection, topic: TopicName, qos: QoS, retain: boolean): Message {
  const { engine, parser } = connection;
  const { bytes, start, end } = parser;
  const number = engine.nextMessageNumber();
  const expiry = parser.messageExpiryInterval;
  const expiresAt = expiry < 0 ? 0 : engine.now + expiry * 1000;
  const propertyLength = parser.propertiesEnd - parser.propertiesStart;
  if (parser.topicAlias !== 0 || expiry >= 0 || topic !== parser.topic) {
    return composeInSlab(engine, number, {
      topic,
      payload: bytes.subarray(parser.payloadStart, end),
      properties: withoutAliasAndExpiry(bytes, parser.propertiesStart, parser.propertiesEnd),
      qos,
      retain,
      publisher: connection.clientId,
      expiresAt,
    });
  }
  const identifierAt = qos === 0 ? 0 : parser.topicStart + 2 + topic.bytes.length;
  bytes[start] = bytes[start]! & KEPT_BITS;
  if (qos !== 0) writeIdentifier(bytes, identifierAt, sharedIdentifier(number));
  return new Message(
    number,
    topic,
    bytes,
    start,
    end,
    identifierAt === 0 ? 0 : identifierAt - start,
    parser.propertiesStart - start,
    parser.propertiesStart - start + propertyLength,
    parser.payloadStart - start,
    connection.protocolVersion === 5,
    qos,
    retain,
    connection.clientId,
    0,
    // Bytes that the parser holds itself are not used again.
    connection.intake.slab?.bytes === bytes ? connection.intake.slab : undefined,
  );
}

/** Copies encoded properties but Topic Alias and Message Expiry Interval, which are the hop's and the clock's. */
function withoutAliasAndExpiry(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const properties = decodeProperties(bytes, start, end, PacketType.publish);
  delete properties.topicAlias;
  delete properties.messageExpiryInterval;
  return encodeProperties(properties, PacketType.publish);
}

function runPublishHook(connection: Connection, message: Message, packetIdentifier: number): void {
  const { engine } = connection;
  const hook = connection.isTrusted ? undefined : engine.hooks.publish;
  if (hook === undefined) return accept(connection, message, packetIdentifier);
  const properties = decodeProperties(
    message.bytes,
    message.start + message.propertiesStart,
    message.start + message.propertiesEnd,
    PacketType.publish,
  );
  let answer: ReturnType<typeof hook>;
  try {
    answer = hook(connection, {
      topicName: message.topicName,
      payload: message.payload(),
      qos: message.qos,
      retain: message.retain,
      properties,
    });
  } catch (error) {
    engine.hookFailed("publish", error, connection);
    answer = false;
  }
  if (!isPromise(answer)) return applyPublishHook(connection, message, packetIdentifier, answer);
  message.refer();
  parkFor<Awaited<typeof answer>>(connection, "publish", answer, false, (change) => {
    applyPublishHook(connection, message, packetIdentifier, change);
    message.release();
  });
}

function applyPublishHook(
  connection: Connection,
  message: Message,
  packetIdentifier: number,
  change: boolean | MessageChange | undefined | void,
): void {
  if (change === false)
    return refusePublish(
      connection,
      message,
      packetIdentifier,
      "hook-refused",
      ReasonCode.implementationSpecificError,
    );
  if (typeof change !== "object" || change === null)
    return accept(connection, message, packetIdentifier);
  const { engine } = connection;
  let properties: Uint8Array;
  let expiresAt = message.expiresAt;
  try {
    if (change.properties === undefined) properties = message.properties();
    else {
      // Topic Alias and Subscription Identifier are the hop's, the expiry is kept as a time.
      const {
        topicAlias: _alias,
        subscriptionIdentifiers: _identifiers,
        messageExpiryInterval,
        ...rest
      } = change.properties;
      properties = encodeProperties(rest, PacketType.publish);
      if (messageExpiryInterval !== undefined)
        expiresAt = engine.now + messageExpiryInterval * 1000;
    }
  } catch (error) {
    engine.hookFailed("publish", error, connection);
    return refusePublish(
      connection,
      message,
      packetIdentifier,
      "hook-refused",
      ReasonCode.implementationSpecificError,
    );
  }
  const changed = composeInSlab(engine, message.number, {
    topic: message.topic,
    payload: change.payload ?? message.payload(),
    properties,
    qos: message.qos,
    retain: message.retain,
    publisher: message.publisher,
    expiresAt,
  });
  changed.delay = message.delay;
  accept(connection, changed, packetIdentifier);
}

/** Everything said yes: the effect, then the acknowledgement behind what it promises. */
function accept(connection: Connection, message: Message, packetIdentifier: number): void {
  const { engine } = connection;
  if (!takesMessages(engine.store.state) && concernsStore(engine, message)) {
    return refusePublish(
      connection,
      message,
      packetIdentifier,
      "store-refusing",
      ReasonCode.quotaExceeded,
    );
  }
  if (message.delay !== undefined)
    return acceptDelayed(connection, message, message.delay, packetIdentifier);
  if (message.retain && isRefusedRetained(connection, message, packetIdentifier)) return;
  const receipt = route(engine, message, "client");
  const qos = message.qos;
  if (qos === 0) return;
  // [MQTT5-3.3.4-1] [MQTT5-4.3.2-4] [MQTT5-4.3.3-8] [MQTT3-4.3.2-2] [MQTT3-4.3.3-2] [MQTT5-2.2.1-5] [MQTT3-2.3.1-6] [MQTT3-3.3.4-1]
  const reasonCode =
    receipt.sessions === 0 && connection.protocolVersion === 5
      ? ReasonCode.noMatchingSubscribers
      : ReasonCode.success;
  // At QoS 1 nothing is remembered: the next PUBLISH with the identifier is a new message [MQTT5-4.3.2-5].
  let position = receipt.store;
  const bus = receipt.bus;
  if (qos === 2) {
    const begun = beginInbound(connection, packetIdentifier, false);
    if (begun > position) position = begun;
  }
  connection.sender.acknowledge(
    qos === 1 ? PacketType.puback : PacketType.pubrec,
    packetIdentifier,
    reasonCode,
    position,
    bus,
  );
}

/**
 * Refuses a message that cannot be retained where its publisher can be told, before any effect: what
 * is acknowledged is kept.
 */
function isRefusedRetained(
  connection: Connection,
  message: Message,
  packetIdentifier: number,
): boolean {
  const { engine } = connection;
  if (connection.protocolVersion !== 5 || message.qos === 0) return false;
  const limit = engine.retained.limitOf(message);
  if (limit === undefined) return false;
  engine.limitReached(limit, connection);
  refusePublish(connection, message, packetIdentifier, "retained-full", ReasonCode.quotaExceeded);
  return true;
}

/** A message below `$delayed/`: taken now, routed when its time has come, or what it cancels goes. */
function acceptDelayed(
  connection: Connection,
  message: Message,
  delay: DelayRequest,
  packetIdentifier: number,
): void {
  const { engine } = connection;
  const { records } = engine;
  if (delay.type === "cancel") engine.delayed.cancelOf(message.publisher, message.topicName);
  else if (delay.type === "publish") {
    const limit = engine.delayed.limitOf(delay.seconds, message.size);
    if (limit !== undefined) {
      engine.limitReached(limit, connection);
      return refusePublish(
        connection,
        message,
        packetIdentifier,
        "delayed-full",
        ReasonCode.quotaExceeded,
      );
    }
    engine.delayed.add(message, delay.seconds);
  }
  if (message.qos === 0) return;
  if (message.qos === 2) beginInbound(connection, packetIdentifier, false);
  // [MQTT5-4.3.2-4] [MQTT5-4.3.3-8]: it waits for all that was recorded, which nobody could route again.
  const position = engine.records > records ? engine.newestPosition : 0;
  connection.sender.acknowledge(
    message.qos === 1 ? PacketType.puback : PacketType.pubrec,
    packetIdentifier,
    ReasonCode.success,
    position,
    0,
  );
}

/** @returns the record's position. */
function beginInbound(connection: Connection, packetIdentifier: number, denied: boolean): number {
  const { engine } = connection;
  const session = connection.session!;
  session.ensureInbound().begin(packetIdentifier, denied);
  if (!session.isKept) return 0;
  return engine.append({ type: "inbound-begin", session: session.key, packetIdentifier, denied });
}

/** No effect at any QoS; the answer is the version's own. */
function refusePublish(
  connection: Connection,
  message: Message,
  packetIdentifier: number,
  reason: DropReason,
  reasonCode: number,
): void {
  const { engine } = connection;
  engine.counters.publishRefused++;
  engine.drop(reason, connection.clientId, message, message.qos);
  const qos = message.qos;
  if (engine.events.has("publishRefused")) {
    const { clientId, username, peer } = connection;
    const { topicName, retain } = message;
    engine.events.emit("publishRefused", {
      clientId,
      username,
      peer,
      topicName,
      qos,
      retain,
      isWill: false,
      reason,
    });
  }
  if (connection.protocolVersion === 5) {
    if (qos === 0) return; // silence.
    // PUBREC 0x80 and above frees the identifier [MQTT5-4.3.3-9]; the connection goes on.
    connection.sender.refusePublish(qos, packetIdentifier, reasonCode, dropReasons[reason]);
    return;
  }
  if (reason === "store-refusing" && qos !== 0)
    return connection.close(reasonCode, "the store takes nothing at present");
  if (reason === "publish-denied" && engine.settings.auth.deniedPublish === "close")
    return connection.close(reasonCode, dropReasons[reason]); // [MQTT3-3.3.5-2]
  if (qos === 0) return;
  // 3.x acknowledges as usual [MQTT3-3.3.5-2]; at QoS 2 the refusal is remembered until PUBREL.
  const position = qos === 2 ? beginInbound(connection, packetIdentifier, true) : 0;
  connection.sender.acknowledge(
    qos === 1 ? PacketType.puback : PacketType.pubrec,
    packetIdentifier,
    ReasonCode.success,
    position,
    0,
  );
}

/** Whether the message would have to be kept beyond the process. */
export function concernsStore(engine: Engine, message: Message): boolean {
  // To take a delayed message back needs no room.
  if (message.delay !== undefined) return message.delay.type === "publish";
  if (message.retain) return true;
  const { targets, groups } = engine.matches.get(message.topic);
  if (groups.length > 0 && message.qos > 0) return true;
  for (const target of targets) {
    if (target.session.isDurable && message.qos > 0 && target.qos > 0) return true;
  }
  return false;
}
