import { UsageError } from "../errors.ts";
import type { Properties, UserProperty } from "../packet.ts";
import type { PropertyDefinition, PropertyType } from "../property.ts";
import { propertyDefinitions } from "../property.ts";
import { ReasonCode } from "../reason-code.ts";
import { topicNameFault } from "../topic/topic-name.ts";
import { malformed, protocolError } from "./malformed.ts";
import type { PacketLimits } from "./packet-limits.ts";
import type { Reader } from "./reader.ts";
import { decodeUtf8, isUtf8 } from "./utf8.ts";
import { readVariableByteInteger, variableByteIntegerEnd } from "./variable-byte-integer.ts";
import { Writer } from "./writer.ts";

/** What `scanProperties` takes note of, for those who need no more than that of a PUBLISH. */
export interface PropertyFindings {
  /** 0: none. */
  topicAlias: number;
  /** Seconds; -1: none. */
  messageExpiryInterval: number;
  hasSubscriptionIdentifier: boolean;
}

const kind = {
  byte: 1,
  boolean: 2,
  uint16: 3,
  uint32: 4,
  variableByteInteger: 5,
  string: 6,
  binary: 7,
  stringPair: 8,
} as const satisfies Record<PropertyType, number>;

// The table of property.ts by identifier, as numbers: a PUBLISH is scanned without an object.
const identifiers = 0x2b;
const definitions: (PropertyDefinition | undefined)[] = Array.from({ length: identifiers });
/** 0: no such property. */
const kinds = new Uint8Array(identifiers);
/** A bit for each packet type, `1 << packetType`. */
const allowedIn = new Uint16Array(identifiers);
const repeatsIn = new Uint16Array(identifiers);
const notZero = new Uint8Array(identifiers);
for (const definition of propertyDefinitions) {
  const { id } = definition;
  definitions[id] = definition;
  kinds[id] = kind[definition.type];
  for (const packet of definition.packets) allowedIn[id]! |= 1 << packet;
  for (const packet of definition.repeatsIn ?? []) repeatsIn[id]! |= 1 << packet;
  if (definition.notZero) notZero[id] = 1;
}

const idOfMessageExpiryInterval = 0x02;
const idOfResponseTopic = 0x08;
const idOfSubscriptionIdentifier = 0x0b;
const idOfTopicAlias = 0x23;

/**
 * Checks the properties from `start` to `end` (their length is not part of them) for a packet of
 * the type, or `willProperties`: everything that one packet alone can show. Allocates nothing.
 *
 * @param findings  Filled with what was found; its fields must hold the values for "none".
 * @throws ProtocolError 0x81 for an unknown property, one that the packet may not have, a value
 * of the wrong shape; 0x82 for a second one or a value out of range; 0x94 for Topic
 * Alias 0.
 */
export function scanProperties(
  bytes: Uint8Array,
  start: number,
  end: number,
  packetType: number,
  findings?: PropertyFindings,
): void {
  const packetBit = 1 << packetType;
  let seenLow = 0;
  let seenHigh = 0;
  let offset = start;
  // In whatever order they stand.
  while (offset < end) {
    const id = bytes[offset++]!;
    const valueKind = id < identifiers ? kinds[id]! : 0;
    if (valueKind === 0) throw malformed(`0x${id.toString(16)} is no property`);
    if ((allowedIn[id]! & packetBit) === 0) {
      throw malformed(`${titleOf(id)} is not for this packet`);
    }
    const bit = 1 << (id & 31);
    const seen = id < 32 ? seenLow : seenHigh;
    if ((seen & bit) !== 0) {
      if ((repeatsIn[id]! & packetBit) === 0) throw protocolError(`${titleOf(id)} stands twice`);
    } else if (id < 32) seenLow |= bit;
    else seenHigh |= bit;

    let value = 1;
    switch (valueKind) {
      case kind.byte:
      case kind.boolean:
        if (offset + 1 > end) throw cutOff(id);
        value = bytes[offset++]!;
        if (value > 1 && valueKind === kind.boolean) {
          throw protocolError(`${titleOf(id)} is 0 or 1, not ${value}`);
        }
        break;
      case kind.uint16:
        if (offset + 2 > end) throw cutOff(id);
        value = (bytes[offset]! << 8) | bytes[offset + 1]!;
        offset += 2;
        break;
      case kind.uint32:
        if (offset + 4 > end) throw cutOff(id);
        value = readUint32(bytes, offset);
        offset += 4;
        break;
      case kind.variableByteInteger: {
        const integerEnd = variableByteIntegerEnd(bytes, offset, end);
        value = readVariableByteInteger(bytes, offset, integerEnd);
        offset = integerEnd;
        break;
      }
      case kind.string: {
        const stringEnd = endOfString(bytes, offset, end, id);
        if (id === idOfResponseTopic) checkResponseTopic(bytes, offset + 2, stringEnd);
        offset = stringEnd;
        break;
      }
      case kind.binary:
        offset = endOfField(bytes, offset, end, id);
        break;
      case kind.stringPair: // both halves [MQTT5-1.5.7-1]
        offset = endOfString(bytes, offset, end, id);
        offset = endOfString(bytes, offset, end, id);
        break;
    }
    if (value === 0 && notZero[id] === 1) {
      // and [MQTT5-3.3.2-8] with a code of its own.
      throw protocolError(
        `${titleOf(id)} must not be 0`,
        id === idOfTopicAlias ? ReasonCode.topicAliasInvalid : ReasonCode.protocolError,
      );
    }
    if (findings !== undefined) {
      if (id === idOfTopicAlias) findings.topicAlias = value;
      else if (id === idOfMessageExpiryInterval) findings.messageExpiryInterval = value;
      else if (id === idOfSubscriptionIdentifier) findings.hasSubscriptionIdentifier = true;
    }
  }
}

function titleOf(id: number): string {
  return definitions[id]!.title;
}

function cutOff(id: number): Error {
  return malformed(`${titleOf(id)} runs past the end of the properties`);
}

function readUint32(bytes: Uint8Array, offset: number): number {
  return (
    bytes[offset]! * 0x1000000 +
    ((bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!)
  );
}

function endOfField(bytes: Uint8Array, offset: number, end: number, id: number): number {
  if (offset + 2 > end) throw cutOff(id);
  const fieldEnd = offset + 2 + ((bytes[offset]! << 8) | bytes[offset + 1]!);
  if (fieldEnd > end) throw cutOff(id);
  return fieldEnd;
}

function endOfString(bytes: Uint8Array, offset: number, end: number, id: number): number {
  const stringEnd = endOfField(bytes, offset, end, id);
  if (!isUtf8(bytes, offset + 2, stringEnd)) {
    throw malformed(`${titleOf(id)} is not well-formed UTF-8, or holds U+0000`); // [MQTT5-1.5.4-1] [MQTT5-1.5.4-2] [MQTT5-3.3.2-19]
  }
  return stringEnd;
}

function checkResponseTopic(bytes: Uint8Array, start: number, end: number): void {
  if (start === end) throw protocolError("Response Topic is empty"); // [MQTT5-4.7.3-1]
  for (let offset = start; offset < end; offset++) {
    const byte = bytes[offset];
    if (byte === 0x2b || byte === 0x23) throw protocolError("Response Topic has a wildcard"); // [MQTT5-3.3.2-14]
  }
}

/**
 * Decodes properties, without their length, of a packet of the type or of `willProperties`. Binary
 * values are views.
 *
 * @throws ProtocolError as `scanProperties` does.
 */
export function decodeProperties(
  bytes: Uint8Array,
  start: number,
  end: number,
  packetType: number,
): Properties {
  scanProperties(bytes, start, end, packetType);
  return readProperties(bytes, start, end);
}

/** Makes the object of properties that `scanProperties` has found to be in order. */
export function readProperties(bytes: Uint8Array, start: number, end: number): Properties {
  const properties: Partial<Record<keyof Properties, unknown>> = {};
  let userProperties: UserProperty[] | undefined;
  let subscriptionIdentifiers: number[] | undefined;
  let offset = start;
  while (offset < end) {
    const definition = definitions[bytes[offset++]!]!;
    switch (definition.type) {
      case "byte":
      case "boolean":
        properties[definition.name] = bytes[offset++]!;
        break;
      case "uint16":
        properties[definition.name] = readUint16(bytes, offset);
        offset += 2;
        break;
      case "uint32":
        properties[definition.name] = readUint32(bytes, offset);
        offset += 4;
        break;
      case "variableByteInteger": {
        const integerEnd = variableByteIntegerEnd(bytes, offset, end);
        const value = readVariableByteInteger(bytes, offset, integerEnd);
        if (subscriptionIdentifiers === undefined) {
          subscriptionIdentifiers = [];
          properties.subscriptionIdentifiers = subscriptionIdentifiers;
        }
        subscriptionIdentifiers.push(value);
        offset = integerEnd;
        break;
      }
      case "string": {
        const stringEnd = offset + 2 + readUint16(bytes, offset);
        properties[definition.name] = decodeUtf8(bytes, offset + 2, stringEnd);
        offset = stringEnd;
        break;
      }
      case "binary": {
        const binaryEnd = offset + 2 + readUint16(bytes, offset);
        properties[definition.name] = bytes.subarray(offset + 2, binaryEnd);
        offset = binaryEnd;
        break;
      }
      case "stringPair": {
        const nameEnd = offset + 2 + readUint16(bytes, offset);
        const valueEnd = nameEnd + 2 + readUint16(bytes, nameEnd);
        if (userProperties === undefined) {
          userProperties = [];
          properties.userProperties = userProperties;
        }
        userProperties.push([
          decodeUtf8(bytes, offset + 2, nameEnd),
          decodeUtf8(bytes, nameEnd + 2, valueEnd),
        ]);
        offset = valueEnd;
        break;
      }
    }
  }
  return properties as Properties;
}

function readUint16(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! << 8) | bytes[offset + 1]!;
}

/**
 * Refuses properties, which `scanProperties` has found to be in order, with too many User Properties.
 * Allocates nothing, and looks at none where they are too short for it.
 *
 * @throws ProtocolError 0x97.
 */
export function checkUserProperties(
  bytes: Uint8Array,
  start: number,
  end: number,
  limits: PacketLimits,
): void {
  const { userProperties, userPropertyBytes } = limits;
  // The identifier, and two lengths of two bytes.
  if (end - start <= 5 * userProperties && end - start <= userPropertyBytes) return;
  let count = 0;
  let size = 0;
  let offset = start;
  while (offset < end) {
    const from = offset;
    const valueKind = kinds[bytes[offset++]!]!;
    if (valueKind <= kind.boolean) offset += 1;
    else if (valueKind === kind.uint16) offset += 2;
    else if (valueKind === kind.uint32) offset += 4;
    else if (valueKind === kind.variableByteInteger)
      offset = variableByteIntegerEnd(bytes, offset, end);
    else offset += 2 + readUint16(bytes, offset);
    if (valueKind !== kind.stringPair) continue;
    offset += 2 + readUint16(bytes, offset);
    count++;
    size += offset - from;
  }
  if (count > userProperties)
    throw protocolError(
      `${count} User Properties, at most ${userProperties} are taken`,
      ReasonCode.quotaExceeded,
      "userProperties",
    );
  if (size > userPropertyBytes)
    throw protocolError(
      `User Properties of ${size} bytes, at most ${userPropertyBytes} are taken`,
      ReasonCode.quotaExceeded,
      "userPropertyBytes",
    );
}

/**
 * Reads a property length and the properties behind it.
 *
 * @returns `undefined` where there are none.
 * @throws ProtocolError as `scanProperties` does.
 */
export function takeProperties(reader: Reader, packetType: number): Properties | undefined {
  const length = reader.variableByteInteger();
  const start = reader.skip(length);
  if (length === 0) return undefined;
  scanProperties(reader.bytes, start, start + length, packetType);
  checkUserProperties(reader.bytes, start, start + length, reader.limits);
  return readProperties(reader.bytes, start, start + length);
}

const byName = new Map<string, PropertyDefinition>(
  propertyDefinitions.map((definition) => [definition.name, definition]),
);

/** Whether there is nothing to encode: no properties, or none with a value. */
export function hasNoProperties(properties: Properties | undefined): boolean {
  if (properties === undefined) return true;
  for (const name in properties) {
    const value = properties[name as keyof Properties];
    if (value !== undefined && !(Array.isArray(value) && value.length === 0)) return false;
  }
  return true;
}

/**
 * Encodes properties, without their length, for a packet of the type or for `willProperties`, in
 * the order of the object's keys. A property with value `undefined` is left out.
 *
 * @returns a fresh array, the caller's own.
 * @throws UsageError ERR_USAGE for a property that the packet may not have, or a value out of range.
 */
export function encodeProperties(properties: Properties, packetType: number): Uint8Array {
  const writer = new Writer(64);
  writeProperties(writer, properties, packetType);
  return writer.bytes.slice(0, writer.position);
}

/** Writes the length of the properties, 0 for none [MQTT5-2.2.2-1], and the properties. */
export function appendProperties(
  writer: Writer,
  properties: Properties | undefined,
  packetType: number,
): void {
  if (properties === undefined) {
    writer.byte(0);
    return;
  }
  const content = writer.openLength(1);
  writeProperties(writer, properties, packetType);
  writer.closeLength(content, 1);
}

function writeProperties(writer: Writer, properties: Properties, packetType: number): void {
  for (const name of Object.keys(properties)) {
    const value = properties[name as keyof Properties];
    if (value === undefined) continue;
    const definition = byName.get(name);
    if (definition === undefined) throw new UsageError("ERR_USAGE", `${name} is no property`);
    if (!definition.packets.includes(packetType)) {
      throw new UsageError("ERR_USAGE", `${definition.title} is not for this packet`);
    }
    if (definition.name === "userProperties") {
      for (const [userName, userValue] of value as readonly UserProperty[]) {
        writer.byte(definition.id);
        writer.string(userName);
        writer.string(userValue);
      }
    } else if (definition.name === "subscriptionIdentifiers") {
      const identifiersGiven = value as readonly number[];
      if (identifiersGiven.length > 1 && !definition.repeatsIn?.includes(packetType)) {
        throw new UsageError("ERR_USAGE", `${definition.title} may stand once in this packet`);
      }
      for (const identifier of identifiersGiven) writeValue(writer, definition, identifier);
    } else writeValue(writer, definition, value);
  }
}

function writeValue(writer: Writer, definition: PropertyDefinition, value: unknown): void {
  if (definition.notZero && value === 0) {
    throw new UsageError("ERR_USAGE", `${definition.title} must not be 0`);
  }
  writer.byte(definition.id);
  switch (definition.type) {
    case "boolean":
      if (value !== 0 && value !== 1) {
        throw new UsageError("ERR_USAGE", `${definition.title} is 0 or 1, not ${String(value)}`);
      }
      return writer.byte(value);
    case "byte":
      return writer.byte(value as number);
    case "uint16":
      return writer.uint16(value as number);
    case "uint32":
      return writer.uint32(value as number);
    case "variableByteInteger":
      return writer.variableByteInteger(value as number);
    case "binary":
      return writer.binary(value as Uint8Array);
    default: {
      const string = value as string;
      if (definition.id === idOfResponseTopic) {
        const fault = topicNameFault(string); // [MQTT5-3.3.2-13] [MQTT5-3.3.2-14]
        if (fault !== undefined) throw new UsageError("ERR_USAGE", `Response Topic ${fault}`);
      }
      return writer.string(string);
    }
  }
}
