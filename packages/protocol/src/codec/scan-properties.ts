import type { PropertyDefinition } from "../property.ts";
import { PropertyType, propertyDefinitions, propertyTitle } from "../property.ts";
import { ReasonCode } from "../reason-code.ts";
import { malformed, protocolError } from "./malformed.ts";
import { isUtf8 } from "./utf8.ts";
import { readVariableByteInteger, variableByteIntegerEnd } from "./variable-byte-integer.ts";

/** What `scanProperties` takes note of, for those who need no more than that of a PUBLISH. */
export interface PropertyFindings {
  /** 0: none. */
  topicAlias: number;
  /** Seconds; -1: none. */
  messageExpiryInterval: number;
  hasSubscriptionIdentifier: boolean;
}

// The table of property.ts by identifier, as numbers: a PUBLISH is scanned without an object.
const identifiers = 0x2b;
const definitions: (PropertyDefinition | undefined)[] = Array.from({ length: identifiers });
/** 0: no such property. */
const types = new Uint8Array(identifiers);
/** A bit for each packet type. */
const allowedIn = new Uint16Array(identifiers);
const repeatsIn = new Uint16Array(identifiers);
const notZero = new Uint8Array(identifiers);
for (const definition of propertyDefinitions) {
  const { id } = definition;
  definitions[id] = definition;
  types[id] = definition.type;
  allowedIn[id] = definition.packets;
  repeatsIn[id] = definition.repeatsIn;
  if (definition.isNotZero) notZero[id] = 1;
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
    const type = id < identifiers ? types[id]! : 0;
    if (type === 0) throw malformed(`0x${id.toString(16)} is no property`);
    if ((allowedIn[id]! & packetBit) === 0) {
      throw malformed(`${titleOf(id)} is not for this packet`);
    }
    const bit = 1 << (id & 31);
    const seen = id < 32 ? seenLow : seenHigh;
    if ((seen & bit) !== 0) {
      if ((repeatsIn[id]! & packetBit) === 0) throw protocolError(`${titleOf(id)} stands twice`);
    } else if (id < 32) seenLow |= bit;
    else seenHigh |= bit;

    const valueEnd = endOfValue(bytes, offset, end, type);
    if (valueEnd > end) throw malformed(`${titleOf(id)} runs past the end of the properties`);
    let value = 1;
    if (type <= PropertyType.variableByteInteger) {
      value =
        type === PropertyType.variableByteInteger
          ? readVariableByteInteger(bytes, offset, valueEnd)
          : readInteger(bytes, offset, valueEnd);
      if (value > 1 && type === PropertyType.boolean) {
        throw protocolError(`${titleOf(id)} is 0 or 1, not ${value}`);
      }
    } else if (type === PropertyType.string) {
      checkString(bytes, offset + 2, valueEnd, id);
      if (id === idOfResponseTopic) checkResponseTopic(bytes, offset + 2, valueEnd);
    } else if (type === PropertyType.stringPair) {
      // Both halves [MQTT5-1.5.7-1].
      const nameEnd = endOfField(bytes, offset, end);
      checkString(bytes, offset + 2, nameEnd, id);
      checkString(bytes, nameEnd + 2, valueEnd, id);
    }
    offset = valueEnd;
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
  return propertyTitle(definitions[id]!);
}

/** Offset behind a value; beyond `end` where it is cut off. */
function endOfValue(bytes: Uint8Array, offset: number, end: number, type: number): number {
  switch (type) {
    case PropertyType.boolean:
      return offset + 1;
    case PropertyType.uint16:
      return offset + 2;
    case PropertyType.uint32:
      return offset + 4;
    case PropertyType.variableByteInteger:
      return variableByteIntegerEnd(bytes, offset, end);
    case PropertyType.stringPair:
      return endOfField(bytes, endOfField(bytes, offset, end), end);
    default:
      return endOfField(bytes, offset, end);
  }
}

/** Offset behind a field of which two bytes say how long it is; beyond `end` where it is cut off. */
function endOfField(bytes: Uint8Array, offset: number, end: number): number {
  if (offset + 2 > end) return end + 1;
  return offset + 2 + readInteger(bytes, offset, offset + 2);
}

/** The bytes up to `end`, four at most, as a number. */
function readInteger(bytes: Uint8Array, offset: number, end: number): number {
  let value = 0;
  while (offset < end) value = value * 256 + bytes[offset++]!;
  return value;
}

function checkString(bytes: Uint8Array, start: number, end: number, id: number): void {
  if (!isUtf8(bytes, start, end)) {
    throw malformed(`${titleOf(id)} is not well-formed UTF-8, or holds U+0000`); // [MQTT5-1.5.4-1] [MQTT5-1.5.4-2] [MQTT5-3.3.2-19]
  }
}

function checkResponseTopic(bytes: Uint8Array, start: number, end: number): void {
  if (start === end) throw protocolError("Response Topic is empty"); // [MQTT5-4.7.3-1]
  for (let offset = start; offset < end; offset++) {
    const byte = bytes[offset];
    if (byte === 0x2b || byte === 0x23) throw protocolError("Response Topic has a wildcard"); // [MQTT5-3.3.2-14]
  }
}

/** Offset behind the property at `offset`, which `scanProperties` has found to be in order. */
export function endOfProperty(bytes: Uint8Array, offset: number, end: number): number {
  return endOfValue(bytes, offset + 1, end, types[bytes[offset]!]!);
}
