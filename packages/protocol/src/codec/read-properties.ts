import type { Properties, UserProperty } from "../packet.ts";
import type { PropertyDefinition } from "../property.ts";
import { PropertyType, propertyDefinitions, propertyTitle } from "../property.ts";
import { ReasonCode } from "../reason-code.ts";
import { topicNameFault } from "../topic/topic-name.ts";
import { malformed, protocolError } from "./malformed.ts";
import { Reader } from "./reader.ts";

const byIdentifier: (PropertyDefinition | undefined)[] = [];
for (const definition of propertyDefinitions) byIdentifier[definition.id] = definition;

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
  const properties: Partial<Record<keyof Properties, unknown>> = {};
  const reader = new Reader(bytes, start, end);
  const packetBit = 1 << packetType;
  // In whatever order they stand.
  while (!reader.isAtEnd) {
    const id = reader.byte();
    const definition = byIdentifier[id];
    if (definition === undefined) throw malformed(`0x${id.toString(16)} is no property`);
    const { name, type, packets, repeatsIn, isNotZero } = definition;
    if ((packets & packetBit) === 0)
      throw malformed(`${propertyTitle(definition)} is not for this packet`);
    const previous = properties[name];
    if (previous !== undefined && (repeatsIn & packetBit) === 0)
      throw protocolError(`${propertyTitle(definition)} stands twice`);
    const value = readValue(reader, definition);
    // and [MQTT5-3.3.2-8] with a code of its own.
    if (isNotZero && value === 0) {
      const { topicAliasInvalid, protocolError: usual } = ReasonCode;
      const code = name === "topicAlias" ? topicAliasInvalid : usual;
      throw protocolError(`${propertyTitle(definition)} must not be 0`, code);
    }
    const isList = type === PropertyType.stringPair || type === PropertyType.variableByteInteger;
    if (!isList) properties[name] = value;
    else if (previous === undefined) properties[name] = [value];
    else (previous as unknown[]).push(value);
  }
  return properties as Properties;
}

function readValue(
  reader: Reader,
  definition: PropertyDefinition,
): number | string | Uint8Array | UserProperty {
  switch (definition.type) {
    case PropertyType.boolean: {
      const value = reader.byte();
      if (value > 1) throw protocolError(`${propertyTitle(definition)} is 0 or 1, not ${value}`);
      return value;
    }
    case PropertyType.uint16:
      return reader.uint16();
    case PropertyType.uint32:
      return reader.uint16() * 65_536 + reader.uint16();
    case PropertyType.variableByteInteger:
      return reader.variableByteInteger();
    case PropertyType.binary:
      return reader.binary();
    case PropertyType.stringPair:
      return [reader.string(), reader.string()]; // [MQTT5-1.5.7-1]
    case PropertyType.string: {
      const text = reader.string(); // [MQTT5-1.5.4-1] [MQTT5-1.5.4-2] [MQTT5-3.3.2-19]
      const fault = definition.name === "responseTopic" ? topicNameFault(text) : undefined;
      if (fault !== undefined) throw protocolError(`Response Topic ${fault}`); // [MQTT5-3.3.2-14] [MQTT5-4.7.3-1]
      return text;
    }
  }
}

/**
 * Reads a property length and the properties behind it.
 *
 * @returns `undefined` where there are none.
 * @throws ProtocolError as `scanProperties` does, 0x97 where there are more than are taken.
 */
export function takeProperties(reader: Reader, packetType: number): Properties | undefined {
  const length = reader.variableByteInteger();
  const start = reader.skip(length);
  if (length === 0) return undefined;
  const end = start + length;
  // Before objects are made of them.
  reader.limits?.checkProperties(reader.bytes, start, end, packetType);
  return decodeProperties(reader.bytes, start, end, packetType);
}
