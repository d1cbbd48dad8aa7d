import {
  PacketType,
  variableByteIntegerLength,
  writeVariableByteInteger,
} from "@sericite/protocol";
import type { QoS, TopicName } from "@sericite/protocol";
import type { Engine } from "./engine.ts";
import { Message } from "./message.ts";
import type { WireForm } from "./message.ts";
import type { Slab } from "./slab.ts";
import { META_QOS, META_RETAIN } from "./queue.ts";

const SUBSCRIPTION_IDENTIFIER = 0x0b;
const MESSAGE_EXPIRY_INTERVAL = 0x02;
const TOPIC_ALIAS = 0x23;
const DUP = 0x08;
/** Bytes up to which `copyBytes` is a loop. */
const SHORT = 160;
const none = new Uint8Array(0);

/**
 * Packet Identifier that every receiver of a message gets, so that they can share its bytes: 1 for
 * message 1, and again after 65 535. Where it is taken in a session, that session gets a copy with
 * another one.
 */
export function sharedIdentifier(messageNumber: number): number {
  return 1 + ((messageNumber + 65534) % 65535);
}

/** The lowest message number from `above` on that gives this Packet Identifier. */
export function numberOf(packetIdentifier: number, above: number): number {
  return above + ((packetIdentifier - sharedIdentifier(above) + 65535) % 65535);
}

/** What a new message is made of. */
export interface MessageParts {
  readonly topic: TopicName;
  readonly payload: Uint8Array;
  /** Encoded 5.0 properties as they go out, without Topic Alias and Message Expiry Interval. */
  readonly properties: Uint8Array;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly publisher: string;
  /** Engine time, milliseconds; 0: never. */
  readonly expiresAt: number;
}

/** Makes a message in memory of its own. The parts are copied. */
export function composeMessage(number: number, parts: MessageParts): Message {
  return compose(number, parts, undefined, undefined);
}

/** Memory that several messages are made in. */
export interface Room {
  readonly bytes: Uint8Array;
  /** Bytes in use, from the start. */
  used: number;
}

/** Most bytes that a message takes beside its Topic Name, properties and payload. */
const AROUND = 16;

/** Room for a message of these lengths. The Topic Name's is in UTF-16 units. */
export function roomOf(topicName: number, properties: number, payload: number): number {
  return 3 * topicName + properties + payload + AROUND;
}

/** Makes a message in memory that there is enough of; as long as one of those in it lives, all of it does. The parts are copied. */
export function composeInRoom(room: Room, number: number, parts: MessageParts): Message {
  return compose(number, parts, room, undefined);
}

/** Makes a message in a slab, for the present turn unless something refers to it. The parts are copied. */
export function composeInSlab(engine: Engine, number: number, parts: MessageParts): Message {
  const { topic, properties, payload } = parts;
  const slab = engine.slabs.room(topic.bytes.length + properties.length + payload.length + AROUND);
  return compose(number, parts, slab, slab);
}

function compose(
  number: number,
  parts: MessageParts,
  room: Room | undefined,
  slab: Slab | undefined,
): Message {
  const { topic, payload, properties, qos } = parts;
  const isVersion5 = properties.length > 0;
  const topicLength = topic.bytes.length;
  const propertyField = isVersion5
    ? variableByteIntegerLength(properties.length) + properties.length
    : 0;
  const remaining = 2 + topicLength + (qos === 0 ? 0 : 2) + propertyField + payload.length;
  const header = 1 + variableByteIntegerLength(remaining);
  const bytes = room?.bytes ?? new Uint8Array(header + remaining);
  const start = room?.used ?? 0;
  let at = writeHead(bytes, start, (PacketType.publish << 4) | (qos << 1), remaining, topic.bytes);
  const identifierAt = qos === 0 ? 0 : at - start;
  if (qos !== 0) at = writeIdentifier(bytes, at, sharedIdentifier(number));
  if (isVersion5) at = writeVariableByteInteger(bytes, at, properties.length);
  const propertiesStart = at - start;
  bytes.set(properties, at);
  at += properties.length;
  bytes.set(payload, at);
  const end = at + payload.length;
  if (room !== undefined) room.used = end;
  return new Message(
    number,
    topic,
    bytes,
    start,
    end,
    identifierAt,
    propertiesStart,
    propertiesStart + properties.length,
    at - start,
    isVersion5,
    qos,
    parts.retain,
    parts.publisher,
    parts.expiresAt,
    slab,
  );
}

/**
 * The range of bytes to send for a delivery: the native form where it fits, else one that is
 * encoded once for all receivers of that kind and turn. Its Packet Identifier is the shared one.
 */
export function formOf(
  engine: Engine,
  message: Message,
  isVersion5: boolean,
  meta: number,
): WireForm {
  const index = (isVersion5 ? 8 : 0) + (meta & (META_QOS | META_RETAIN));
  if (message.formsTurn !== engine.turn) {
    message.formsTurn = engine.turn;
    message.forms = undefined;
  }
  const forms = (message.forms ??= []);
  return (forms[index] ??= encodeForm(
    engine,
    message,
    isVersion5,
    meta,
    undefined,
    false,
    sharedIdentifier(message.number),
  ));
}

/** Whether the native form is what goes out for such a delivery. */
export function isNative(message: Message, isVersion5: boolean, meta: number): boolean {
  return (
    message.isVersion5 === isVersion5 &&
    message.qos === (meta & (META_QOS | META_RETAIN)) &&
    message.expiresAt === 0
  );
}

/**
 * Encodes a delivery by itself: other identifiers, DUP, a Topic Alias, or a form to share.
 *
 * @param topicAlias  0: none.
 * @param omitsTopicName  The alias stands for it.
 */
export function encodeForm(
  engine: Engine,
  message: Message,
  isVersion5: boolean,
  meta: number,
  identifiers: readonly number[] | undefined,
  isDup: boolean,
  packetIdentifier: number,
  topicAlias = 0,
  omitsTopicName = false,
): WireForm {
  const qos = meta & META_QOS;
  const payloadLength = message.payloadLength;
  const properties = isVersion5 && message.isVersion5 ? message.properties() : none;
  let propertyLength = 0;
  if (isVersion5) {
    propertyLength =
      properties.length + (message.expiresAt === 0 ? 0 : 5) + (topicAlias === 0 ? 0 : 3);
    if (identifiers !== undefined)
      for (const identifier of identifiers)
        propertyLength += 1 + variableByteIntegerLength(identifier);
  }
  const propertyField = isVersion5 ? variableByteIntegerLength(propertyLength) + propertyLength : 0;
  // Of the native form, not of `message.topic`: a retained message may not have asked for that yet.
  const topicStart = message.topicStart();
  const topicLength = omitsTopicName
    ? 0
    : (message.bytes[topicStart]! << 8) | message.bytes[topicStart + 1]!;
  const remaining = 2 + topicLength + (qos === 0 ? 0 : 2) + propertyField + payloadLength;
  const size = 1 + variableByteIntegerLength(remaining) + remaining;
  const start = engine.arena.reserve(size);
  const bytes = engine.arena.bytes;
  const first =
    (PacketType.publish << 4) |
    (qos << 1) |
    ((meta & META_RETAIN) === 0 ? 0 : 1) |
    (isDup ? DUP : 0); // 0 at the first sending [MQTT5-4.3.1-1] [MQTT5-4.3.2-2] [MQTT5-4.3.3-2] [MQTT3-4.3.1-1]
  bytes[start] = first;
  let at = writeVariableByteInteger(bytes, start + 1, remaining);
  at = writeIdentifier(bytes, at, topicLength);
  copyBytes(message.bytes, topicStart + 2, topicStart + 2 + topicLength, bytes, at);
  at += topicLength;
  const identifierAt = qos === 0 ? 0 : at;
  if (qos !== 0) at = writeIdentifier(bytes, at, packetIdentifier);
  if (isVersion5) {
    at = writeVariableByteInteger(bytes, at, propertyLength);
    if (topicAlias !== 0) {
      bytes[at] = TOPIC_ALIAS;
      at = writeIdentifier(bytes, at + 1, topicAlias);
    }
    if (message.expiresAt !== 0) at = writeExpiry(bytes, at, message.expiresAt - engine.now);
    bytes.set(properties, at); // [MQTT5-3.3.2-4] [MQTT5-3.3.2-15] [MQTT5-3.3.2-16] [MQTT5-3.3.2-17] [MQTT5-3.3.2-18] [MQTT5-3.3.2-20]
    at += properties.length;
    if (identifiers !== undefined) {
      // [MQTT5-3.3.4-3] [MQTT5-3.3.4-4]
      for (const identifier of identifiers) {
        bytes[at++] = SUBSCRIPTION_IDENTIFIER;
        at = writeVariableByteInteger(bytes, at, identifier);
      }
    }
  }
  copyBytes(message.bytes, message.end - payloadLength, message.end, bytes, at);
  return { bytes, start, end: at + payloadLength, identifierAt };
}

function writeHead(
  bytes: Uint8Array,
  start: number,
  first: number,
  remaining: number,
  topicName: Uint8Array,
): number {
  bytes[start] = first;
  let at = writeVariableByteInteger(bytes, start + 1, remaining);
  at = writeIdentifier(bytes, at, topicName.length);
  bytes.set(topicName, at);
  return at + topicName.length;
}

/** Copies a range of bytes. Up to some length a loop is quicker than a view and its copy. */
export function copyBytes(
  from: Uint8Array,
  start: number,
  end: number,
  to: Uint8Array,
  at: number,
): void {
  if (end - start > SHORT) return to.set(from.subarray(start, end), at);
  for (let index = start; index < end; index++) to[at + index - start] = from[index]!;
}

/** Writes a two-byte integer. @returns the offset behind it. */
export function writeIdentifier(bytes: Uint8Array, at: number, value: number): number {
  bytes[at] = value >> 8;
  bytes[at + 1] = value & 0xff;
  return at + 2;
}

/** The received interval less the time waited in the broker [MQTT5-3.3.2-6]. */
function writeExpiry(bytes: Uint8Array, at: number, remainingMs: number): number {
  // Less a trace, since 60 s may come out of the clock's fractions as 60.0000001.
  const seconds = Math.max(1, Math.ceil(remainingMs / 1000 - 1e-6));
  bytes[at] = MESSAGE_EXPIRY_INTERVAL;
  bytes[at + 1] = (seconds >>> 24) & 0xff;
  bytes[at + 2] = (seconds >>> 16) & 0xff;
  bytes[at + 3] = (seconds >>> 8) & 0xff;
  bytes[at + 4] = seconds & 0xff;
  return at + 5;
}
