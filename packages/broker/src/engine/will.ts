import { encodeProperties, PacketType, ReasonCode, TimerEntry } from "@sericite/protocol";
import type { ConnectPacket, Properties, TopicName } from "@sericite/protocol";
import type { Engine } from "./engine.ts";
import { composeMessage } from "./forms.ts";
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
}

/** Takes the Will out of a CONNECT. Copies what it keeps. */
export function armWill(engine: Engine, packet: ConnectPacket): ArmedWill | undefined {
  const will = packet.will;
  if (will === undefined) return undefined;
  const { willDelayInterval, messageExpiryInterval, ...rest } = will.properties ?? {};
  return {
    topic: engine.topicNames.intern(will.topicName),
    payload: will.payload.slice(),
    properties: encodeProperties(rest satisfies Properties, PacketType.publish),
    qos: will.qos,
    retain: will.retain,
    delayInterval: willDelayInterval ?? 0,
    expiryInterval: messageExpiryInterval ?? -1,
  };
}

/** The connection ended without DISCONNECT 0x00: the Will goes now, or waits for its delay. */
export function scheduleWill(engine: Engine, session: Session): void {
  const will = session.will;
  if (will === undefined) return;
  // The session's end comes first where it is earlier [MQTT5-3.1.2-8].
  if (will.delayInterval === 0 || session.expiryInterval === 0) return publishWill(engine, session);
  session.willTimer ??= new TimerEntry(() => {
    engine.enter();
    publishWill(engine, session);
  });
  engine.wheel.schedule(session.willTimer, will.delayInterval * 1000);
}

/** Sends the Will, once [MQTT5-3.1.2-10]. */
export function publishWill(engine: Engine, session: Session): void {
  const will = session.will;
  if (will === undefined) return;
  dropWill(engine, session);
  const expiresAt = will.expiryInterval < 0 ? 0 : engine.now + will.expiryInterval * 1000;
  const message = composeMessage(engine.nextMessageNumber(), {
    topic: will.topic,
    payload: will.payload,
    properties: will.properties,
    qos: will.qos,
    retain: will.retain, // [MQTT5-3.1.2-14] [MQTT5-3.1.2-15]
    publisher: session.clientId,
    expiresAt,
  });
  engine.counters.willsPublished++;
  route(engine, message, "will");
}

/** Forgets the Will unsent: DISCONNECT 0x00, or a new connection in time [MQTT5-3.14.4-3] [MQTT5-3.1.3-9]. */
export function dropWill(engine: Engine, session: Session): void {
  if (session.will === undefined) return;
  session.will = undefined;
  if (session.willTimer !== undefined) engine.wheel.cancel(session.willTimer);
  if (!engine.store.isVolatile) engine.append({ type: "will-clear", session: session.key });
}

/** Why a Will cannot be accepted, as a Reason Code, or 0. */
export function willFault(engine: Engine, packet: ConnectPacket): number {
  const will = packet.will;
  if (will === undefined) return 0;
  const { maximumQos, retainAvailable } = engine.settings.mqtt;
  if (will.qos > maximumQos) return ReasonCode.qosNotSupported; // [MQTT5-3.2.2-12]
  if (will.retain && !retainAvailable) return ReasonCode.retainNotSupported; // [MQTT5-3.2.2-13]
  return 0;
}
