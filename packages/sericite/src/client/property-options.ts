import type {
  ClientOptions,
  DisconnectOptions,
  PublishProperties,
  WillOptions,
} from "@sericite/client";
import { usageError } from "../errors.ts";
import { nearestName } from "../options/nearest-name.ts";

type ValueType = "text" | "bytes" | "pair" | "flag" | "uint16" | "uint32";

/** Longest that a timer of Node waits. Milliseconds. */
const longestTimerMs = 0x7fff_ffff;

/** Where a property goes: a field of what the client takes. */
interface PropertyRow {
  readonly field: string;
  readonly type: ValueType;
}

const messageProperties: Readonly<Record<string, PropertyRow>> = {
  "content-type": { field: "contentType", type: "text" },
  "correlation-data": { field: "correlationData", type: "bytes" },
  "message-expiry-interval": { field: "messageExpiryInterval", type: "uint32" },
  "payload-format-indicator": { field: "payloadFormatIndicator", type: "flag" },
  "response-topic": { field: "responseTopic", type: "text" },
  "user-property": { field: "userProperties", type: "pair" },
};

/** Properties that `-D` takes, by the packet that carries them, under the names of the standard with dashes. */
export const propertyTable = {
  connect: {
    "maximum-packet-size": { field: "maximumPacketSize", type: "uint32" },
    "receive-maximum": { field: "receiveMaximum", type: "uint16" },
    "session-expiry-interval": { field: "sessionExpiryInterval", type: "uint32" },
    "topic-alias-maximum": { field: "topicAliasMaximum", type: "uint16" },
    "user-property": { field: "userProperties", type: "pair" },
  },
  publish: messageProperties,
  will: {
    ...messageProperties,
    "will-delay-interval": { field: "willDelayInterval", type: "uint32" },
  },
  disconnect: {
    "reason-string": { field: "reasonString", type: "text" },
    "session-expiry-interval": { field: "sessionExpiryInterval", type: "uint32" },
    "user-property": { field: "userProperties", type: "pair" },
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, PropertyRow>>>>;

/** A packet whose properties `-D` sets. */
export type PropertyCommand = keyof typeof propertyTable;

/** What all `-D` of a command line give together. */
export interface GivenProperties {
  readonly connect: Pick<
    ClientOptions,
    | "maximumPacketSize"
    | "receiveMaximum"
    | "sessionExpiryInterval"
    | "topicAliasMaximum"
    | "userProperties"
  >;
  readonly publish: PublishProperties;
  readonly will: NonNullable<WillOptions["properties"]>;
  readonly disconnect: Pick<DisconnectOptions, "sessionExpiryInterval"> &
    NonNullable<DisconnectOptions["properties"]>;
}

/** Words that one `-D` takes: packet, property and value; a User Property has a name besides. */
export function propertyWords(_command: string, property: string | undefined): number {
  return property === "user-property" ? 4 : 3;
}

/**
 * Read all `-D` of a command line.
 *
 * @param given  The words of each.
 * @throws UsageError for a property that its packet cannot have, or a value that is none.
 */
export function readProperties(given: readonly (readonly string[])[]): GivenProperties {
  const result: Record<PropertyCommand, Record<string, unknown>> = {
    connect: {},
    publish: {},
    will: {},
    disconnect: {},
  };
  for (const words of given) {
    const [commandWord = "", property = "", value = "", pairValue = ""] = words;
    const command = commandWord.toLowerCase();
    if (!Object.hasOwn(propertyTable, command)) {
      throw usageError(
        "ERR_OPTION_VALUE",
        `-D ${commandWord}: expected one of ${Object.keys(propertyTable).join(", ")}`,
      );
    }
    const rows: Readonly<Record<string, PropertyRow>> = propertyTable[command as PropertyCommand];
    const row = Object.hasOwn(rows, property) ? rows[property] : undefined;
    if (!row) throw unknownProperty(command, property, Object.keys(rows));
    const fields = result[command as PropertyCommand];
    if (row.type === "pair") {
      fields[row.field] = [
        ...((fields[row.field] as [string, string][] | undefined) ?? []),
        [value, pairValue],
      ];
    } else {
      fields[row.field] = readValue(row.type, value, `-D ${command} ${property}`);
    }
  }
  return result;
}

function readValue(type: Exclude<ValueType, "pair">, value: string, where: string): unknown {
  switch (type) {
    case "text":
      return value;
    case "bytes":
      return Buffer.from(value);
    case "flag":
      return wholeNumber(value, 1, where);
    case "uint16":
      return wholeNumber(value, 0xffff, where);
    case "uint32":
      return wholeNumber(value, 0xffff_ffff, where);
  }
}

/** @throws UsageError where a word is not a whole number from `minimum` to `maximum`. */
export function wholeNumber(word: string, maximum: number, where: string, minimum = 0): number {
  const value = /^\d+$/.test(word) ? Number(word) : NaN;
  if (value >= minimum && value <= maximum) return value;
  throw usageError(
    "ERR_OPTION_VALUE",
    `${where} is "${word}", expected a whole number ${minimum} to ${maximum}`,
  );
}

/**
 * Read a time in seconds, such as `0.5`.
 *
 * @returns milliseconds.
 * @throws UsageError where it is none, or longer than a timer can wait.
 */
export function readSeconds(word: string, where: string): number {
  const milliseconds = /^(?:\d+\.?\d*|\.\d+)$/.test(word) ? Number(word) * 1000 : NaN;
  if (milliseconds <= longestTimerMs) return milliseconds;
  throw usageError("ERR_OPTION_VALUE", `${where} is "${word}", expected seconds, such as 0.5`);
}

function unknownProperty(command: string, property: string, known: readonly string[]): Error {
  const nearest = nearestName(property, known);
  const hint = nearest === undefined ? `it takes ${known.join(", ")}` : `did you mean ${nearest}?`;
  return usageError("ERR_OPTION_VALUE", `-D ${command} has no property ${property}; ${hint}`);
}
