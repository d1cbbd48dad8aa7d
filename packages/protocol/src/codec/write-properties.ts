import { UsageError } from "../errors.ts";
import type { Properties, UserProperty } from "../packet.ts";
import type { PropertyDefinition } from "../property.ts";
import { PropertyType, propertyDefinitions, propertyTitle } from "../property.ts";
import { topicNameFault } from "../topic/topic-name.ts";
import { Writer } from "./writer.ts";

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
    const { packets, repeatsIn } = definition;
    const packetBit = 1 << packetType;
    if ((packets & packetBit) === 0) throw wrong(definition, "is not for this packet");
    if (!Array.isArray(value)) writeValue(writer, definition, value);
    else {
      if (value.length > 1 && (repeatsIn & packetBit) === 0)
        throw wrong(definition, "may stand once in this packet");
      for (const one of value) writeValue(writer, definition, one);
    }
  }
}

function writeValue(writer: Writer, definition: PropertyDefinition, value: unknown): void {
  const { id, type, name, isNotZero } = definition;
  if (isNotZero && value === 0) throw wrong(definition, "must not be 0");
  writer.byte(id);
  switch (type) {
    case PropertyType.boolean:
      if (value !== 0 && value !== 1) throw wrong(definition, `is 0 or 1, not ${String(value)}`);
      return writer.byte(value);
    case PropertyType.uint16:
      return writer.uint16(value as number);
    case PropertyType.uint32:
      return writer.uint32(value as number);
    case PropertyType.variableByteInteger:
      return writer.variableByteInteger(value as number);
    case PropertyType.binary:
      if (!(value instanceof Uint8Array)) throw wrong(definition, "is a Uint8Array");
      return writer.binary(value);
    case PropertyType.stringPair:
      if (!isStringPair(value)) throw wrong(definition, "are a list of [name, value], both texts");
      for (const text of value) writer.string(text);
      return;
    case PropertyType.string: {
      const text = value;
      if (typeof text !== "string") throw wrong(definition, `is a text, not ${typeof text}`);
      const fault = name === "responseTopic" ? topicNameFault(text) : undefined; // [MQTT5-3.3.2-13] [MQTT5-3.3.2-14]
      if (fault !== undefined) throw wrong(definition, fault);
      return writer.string(text);
    }
  }
}

/** A caller without types may give anything. */
function isStringPair(value: unknown): value is UserProperty {
  return (
    Array.isArray(value) && value.length === 2 && value.every((text) => typeof text === "string")
  );
}

function wrong(definition: PropertyDefinition, fault: string): UsageError {
  return new UsageError("ERR_USAGE", `${propertyTitle(definition)} ${fault}`);
}
