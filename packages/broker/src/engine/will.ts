import { encodeProperties, isUtf8, PacketType, ReasonCode, TimerEntry } from "@sericite/protocol";
import type { ConnectPacket, Properties, TopicName } from "@sericite/protocol";
import { isDelayTopic, parseDelayTopic } from "./delayed.ts";
import type { Connection } from "./connection.ts";
import type { Engine } from "./engine.ts";
import { composeMessage } from "./forms.ts";
import { topicLimit } from "./limits.ts";
import type { Message } from "./message.ts";
import type { StoredWill } from "./records.ts";
import type { ClientNames } from "./rewrite.ts";
import { hasRightToPublish } from "./rights.ts";
import { route } from "./route.ts";
import type { Session } from "./session.ts";

/** A Will Message that its client left with the broker [MQTT5-3.1.2-7] [MQTT3-3.1.2-8]. */
export interface ArmedWill {
  readonly topic: TopicName;
  readonly payload: Uint8Array;
  /** Encoded, as they go out. */
  readonly properties: Uint8Array;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  /** Seconds. */
  readonly delayInterval: number;
  /** Seconds; -1: does not expire. */
  readonly expiryInterval: number;
  /** Seconds that `$delayed/<seconds>/…` asked for, from when the Will is published; 0: none. */
  readonly delayedBy: number;
}

/** The Topic Name that a Will really goes to. A `$delayed/…` that cannot be read stays as it is. */
export function willTopic(topicName: string): { topicName: string; seconds: number } {
  if (!isDelayTopic(topicName)) return { topicName, seconds: 0 };
  const request = parseDelayTopic(topicName);
  return request.type === "publish" ? request : { topicName, seconds: 0 };
}

/** The Will on the topic that the rewrite rules make of its own for this client; `undefined`: none that could be used. */
export function rewriteWill(
  engine: Engine,
  client: ClientNames,
  will: ArmedWill,
): ArmedWill | undefined {
  if (engine.rewriter === undefined) return will;
  const { name } = will.topic;
  const topicName = engine.rewriter.topicName(client, name, engine.settings.limits.topicLevels);
  if (topicName === name) return will;
  if (topicName === undefined) return undefined;
  return { ...will, topic: engine.topicNames.intern(topicName) };
}

/** Takes the Will out of a CONNECT. Copies what it keeps. */
export function armWill(engine: Engine, packet: ConnectPacket): ArmedWill | undefined {
  const will = packet.will;
  if (will === undefined) return undefined; // [MQTT3-3.1.2-12]
  const { willDelayInterval, messageExpiryInterval, ...rest } = will.properties ?? {};
  const { topicName, seconds } = willTopic(will.topicName);
  return {
    topic: engine.topicNames.intern(topicName),
    delayedBy: seconds,
    payload: will.payload.slice(),
    properties: encodeProperties(rest satisfies Properties, PacketType.publish), // [MQTT5-3.1.3-10]
    qos: will.qos,
    retain: will.retain,
    delayInterval: willDelayInterval ?? 0,
    expiryInterval: messageExpiryInterval ?? -1,
  };
}

/** What a store keeps of a Will. */
export function willToStore(will: ArmedWill, clientId: string): StoredWill {
  return {
    message: {
      // It gets its number when it is published.
      number: 0,
      topicName: will.topic.name,
      payload: will.payload,
      qos: will.qos,
      retain: will.retain,
      properties: will.properties,
      publisher: clientId,
      expiresAt: Infinity,
    },
    delayInterval: will.delayInterval,
    expiryInterval: will.expiryInterval,
    delayedBy: will.delayedBy,
  };
}

/** Has the store keep the session's Will, where there is one. */
export function recordWill(engine: Engine, { key, clientId, will }: Session): void {
  if (will === undefined || engine.store.isVolatile) return;
  engine.append({
    type: "will-set",
    session: key,
    clientId,
    will: willToStore(will, clientId),
  });
}

/** Takes a Will back from the store. Copies what it keeps. */
export function willFromStore(engine: Engine, stored: StoredWill): ArmedWill {
  const { message, delayInterval, expiryInterval, delayedBy } = stored;
  return {
    topic: engine.topicNames.intern(message.topicName),
    payload: message.payload.slice(),
    properties: message.properties.slice(),
    qos: message.qos,
    retain: message.retain,
    delayInterval,
    expiryInterval,
    delayedBy,
  };
}

/** The connection ended without DISCONNECT 0x00: the Will goes now, or waits for its delay. */
export function decideWill(engine: Engine, session: Session): void {
  const will = session.will;
  if (will === undefined) return;
  // The session's end comes first where it is earlier [MQTT5-3.1.2-8].
  if (will.delayInterval === 0 || session.expiryInterval === 0) publishWill(engine, session);
  else scheduleWill(engine, session, will.delayInterval * 1000);
}

/** Publishes the session's Will after a time, unless something else decides it before. */
export function scheduleWill(engine: Engine, session: Session, delayMs: number): void {
  session.willTimer ??= new TimerEntry(() => {
    engine.enter();
    publishWill(engine, session);
  });
  engine.wheel.schedule(session.willTimer, delayMs);
}

/** Sends the session's Will, once [MQTT5-3.1.2-10] [MQTT3-3.1.2-10]. */
export function publishWill(engine: Engine, session: Session): void {
  const will = session.will;
  if (will === undefined) return;
  dropWill(engine, session);
  if (isConfirmed(engine, session, will)) return sendWill(engine, session.clientId, will);
  engine.counters.publishRefused++;
  const { clientId, username } = session;
  const { qos, retain } = will;
  const reason = "publish-denied";
  engine.drop(reason, clientId, messageOf(engine, clientId, will), qos);
  engine.events.emit("publishRefused", {
    clientId,
    username,
    peer: undefined,
    topicName: will.topic.name,
    qos,
    retain,
    isWill: true,
    reason,
  });
}

/**
 * Whether the client may still publish it: it could when it connected, which may be long ago. Only
 * what answers at once is asked again. A Will that waited for a promise could come after its client
 * is back, and a crash meanwhile would lose it or send it twice.
 */
function isConfirmed(engine: Engine, session: Session, { topic, qos, retain }: ArmedWill): boolean {
  if (!hasRightToPublish(engine, session, topic.name, qos, retain)) return false;
  const confirm = engine.hooks.confirmWill;
  if (confirm === undefined || session.isTrusted) return true;
  try {
    return confirm(session, { topicName: topic.name, qos, retain, isWill: true }) === true;
  } catch (error) {
    engine.hookFailed("confirmWill", error, session);
    return false;
  }
}

/** The message that a Will becomes. */
function messageOf(engine: Engine, clientId: string, will: ArmedWill): Message {
  const expiresAt = will.expiryInterval < 0 ? 0 : engine.now + will.expiryInterval * 1000;
  return composeMessage(engine.nextMessageNumber(), {
    topic: will.topic,
    payload: will.payload,
    properties: will.properties,
    qos: will.qos,
    retain: will.retain, // [MQTT5-3.1.2-14] [MQTT5-3.1.2-15] [MQTT3-3.1.2-16] [MQTT3-3.1.2-17]
    publisher: clientId,
    expiresAt,
  });
}

/** Sends a Will that nothing holds any more. */
export function sendWill(engine: Engine, clientId: string, will: ArmedWill): void {
  const message = messageOf(engine, clientId, will);
  engine.counters.willsPublished++;
  if (will.delayedBy === 0) route(engine, message, "will");
  else {
    const limit = engine.delayed.limitOf(will.delayedBy, message.size);
    if (limit === undefined) return void engine.delayed.add(message, will.delayedBy);
    engine.limitReached(limit, { clientId, username: undefined });
    engine.drop("delayed-full", clientId, message, message.qos);
  }
}

/** Forgets the Will unsent: DISCONNECT 0x00, or a new connection in time [MQTT5-3.14.4-3] [MQTT5-3.1.3-9]. */
export function dropWill(engine: Engine, session: Session): void {
  if (session.will === undefined) return;
  session.will = undefined;
  if (session.willTimer !== undefined) engine.wheel.cancel(session.willTimer);
  if (!engine.store.isVolatile) engine.append({ type: "will-clear", session: session.key });
}

/** Why a Will cannot be accepted, as a Reason Code, or 0. */
export function willFault(connection: Connection, packet: ConnectPacket): number {
  const { engine } = connection;
  const will = packet.will;
  if (will === undefined) return 0;
  const { maximumQos, retainAvailable, checkPayloadFormat } = engine.settings.mqtt;
  if (will.qos > maximumQos) return ReasonCode.qosNotSupported; // [MQTT5-3.2.2-12]
  if (will.retain && !retainAvailable) return ReasonCode.retainNotSupported; // [MQTT5-3.2.2-13]
  const { topicName } = willTopic(will.topicName);
  if (isDelayTopic(topicName)) return ReasonCode.topicNameInvalid;
  const limit = topicLimit(engine, topicName, topicName.split("/").length);
  if (limit !== undefined) {
    engine.limitReached(limit, connection);
    return ReasonCode.topicNameInvalid;
  }
  const isMarked = will.properties?.payloadFormatIndicator === 1;
  if (checkPayloadFormat && isMarked && !isUtf8(will.payload, 0, will.payload.length))
    return ReasonCode.payloadFormatInvalid;
  return 0;
}
