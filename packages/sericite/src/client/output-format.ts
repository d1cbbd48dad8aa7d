import type { Message } from "@sericite/client";
import { usageError } from "../errors.ts";
import { isoTime, strftime, timeLetters } from "./strftime.ts";

/** What is printed of a message. */
export type PrintedMessage = Pick<
  Message,
  "topicName" | "payload" | "qos" | "retain" | "properties"
>;

/** How messages are printed. Gives the bytes of one, without a line feed. */
export type OutputFormat = (message: PrintedMessage, time: Date) => Uint8Array;

type Part = (message: PrintedMessage, time: Date) => string | Uint8Array;

/** The parameters of a format, each with what it gives, for documentation and help. */
export const formatParameters: Readonly<Record<string, string>> = {
  "%%": "a percent sign",
  "%t": "Topic Name",
  "%p": "payload, as it is",
  "%x": "payload as hexadecimal, lower case",
  "%X": "payload as hexadecimal, upper case",
  "%l": "length of the payload in bytes",
  "%q": "QoS",
  "%r": "1 for a retained message, else 0",
  "%j": "JSON object of the message, the payload as text",
  "%J": "JSON object of the message, the payload as JSON",
  "%I": "time of arrival, ISO 8601",
  "%U": "time of arrival, Unix seconds with nanoseconds",
  "%A": "Topic Alias (MQTT 5)",
  "%C": "Content Type (MQTT 5)",
  "%D": "Correlation Data (MQTT 5)",
  "%E": "Message Expiry Interval (MQTT 5)",
  "%F": "Payload Format Indicator (MQTT 5)",
  "%P": "User Properties as name:value (MQTT 5)",
  "%R": "Response Topic (MQTT 5)",
  "%S": "Subscription Identifiers (MQTT 5)",
  "@Y": "@ and a letter of strftime(3): a part of the time of arrival; @N: nanoseconds; @@: an at sign",
  "\\n": "\\n, \\t, \\r, \\0, \\a, \\e, \\v, \\\\: control characters and the backslash",
};

/** The payload alone, as it is. */
export const payloadOnly: OutputFormat = (message) => message.payload;

/** Topic Name, a space, the payload (`-v`). */
export const topicAndPayload: OutputFormat = (message) =>
  Buffer.concat([Buffer.from(`${message.topicName} `), message.payload]);

const escapes: Readonly<Record<string, string>> = {
  "\\": "\\",
  "0": "\0",
  a: "\u0007",
  e: "\u001b",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

const optional = (value: string | number | undefined): string =>
  value === undefined ? "" : String(value);

/** Parameters that may have a width, with their text. */
const texts: Readonly<Record<string, (message: PrintedMessage, time: Date) => string>> = {
  t: (message) => message.topicName,
  x: (message) => Buffer.from(message.payload).toString("hex"),
  X: (message) => Buffer.from(message.payload).toString("hex").toUpperCase(),
  l: (message) => String(message.payload.length),
  q: (message) => String(message.qos),
  r: (message) => (message.retain ? "1" : "0"),
  I: (_message, time) => isoTime(time),
  U: (_message, time) => `${strftime(time, "s")}.${strftime(time, "N")}`,
  A: ({ properties }) => optional(properties?.topicAlias),
  C: ({ properties }) => optional(properties?.contentType),
  E: ({ properties }) => optional(properties?.messageExpiryInterval),
  F: ({ properties }) => optional(properties?.payloadFormatIndicator),
  P: ({ properties }) =>
    (properties?.userProperties ?? []).map(([name, value]) => `${name}:${value}`).join(" "),
  R: ({ properties }) => optional(properties?.responseTopic),
  S: ({ properties }) => (properties?.subscriptionIdentifiers ?? []).join(" "),
};

/** Parameters that give bytes or JSON: they have no width. */
const whole: Readonly<Record<string, Part>> = {
  p: (message) => message.payload,
  D: ({ properties }) => properties?.correlationData ?? "",
};

/**
 * Compile a format as mosquitto_sub has it: `%` parameters with `-`, `0`, width and precision, `@`
 * letters of strftime(3), `\` escapes.
 *
 * @param isPretty  JSON over several lines.
 * @throws UsageError for a sequence that is none.
 */
export function compileFormat(format: string, isPretty: boolean): OutputFormat {
  const parts: Part[] = [];
  const constant = (text: string): number => parts.push(() => text);
  const pattern =
    /%(?<flags>[-0]*)(?<width>\d*)(?:\.(?<most>\d+))?(?<parameter>.?)|@(?<letter>.?)|\\(?<escape>.?)|(?<plain>[^%@\\]+)/gsu;
  for (const match of format.matchAll(pattern)) {
    const { flags = "", width = "", most, parameter, letter, escape, plain } = match.groups!;
    if (plain !== undefined) constant(plain);
    else if (escape !== undefined) constant(escapes[escape] ?? refuse(match[0]));
    else if (letter !== undefined) parts.push(timePart(letter, match[0]));
    else if (parameter === "%") constant("%");
    else if (parameter === "m")
      throw usageError(
        "ERR_OPTION_LATER",
        "-F %m: this version does not tell Packet Identifiers yet",
      );
    else
      parts.push(
        parameterPart(
          parameter!,
          isPretty,
          { flags, width: Number(width), most: most === undefined ? Infinity : Number(most) },
          match[0],
        ),
      );
  }
  return (message, time) => {
    const bytes = parts.map((part) => {
      const made = part(message, time);
      return typeof made === "string" ? Buffer.from(made) : made;
    });
    return bytes.length === 1 ? bytes[0]! : Buffer.concat(bytes);
  };
}

interface Padding {
  readonly flags: string;
  readonly width: number;
  readonly most: number;
}

function parameterPart(
  parameter: string,
  isPretty: boolean,
  padding: Padding,
  written: string,
): Part {
  if (parameter === "j")
    return (message, time) =>
      jsonOf(message, time, Buffer.from(message.payload).toString(), isPretty);
  if (parameter === "J")
    return (message, time) => jsonOf(message, time, jsonPayload(message), isPretty);
  if (Object.hasOwn(whole, parameter)) return whole[parameter]!;
  if (!Object.hasOwn(texts, parameter)) refuse(written);
  const text = texts[parameter]!;
  if (padding.width === 0 && padding.most === Infinity) return text;
  return (message, time) => pad(text(message, time), parameter, padding);
}

function pad(text: string, parameter: string, { flags, width, most }: Padding): string {
  const cut = "CIRt".includes(parameter) ? text.slice(0, most) : text;
  if (flags.includes("-")) return cut.padEnd(width);
  return cut.padStart(width, flags.includes("0") && "AEFlSXx".includes(parameter) ? "0" : " ");
}

function timePart(letter: string, written: string): Part {
  if (letter === "@") return () => "@";
  if (!timeLetters.has(letter)) refuse(written);
  return (_message, time) => strftime(time, letter);
}

function refuse(written: string): never {
  throw usageError(
    "ERR_OPTION_VALUE",
    `-F: "${written}" is no sequence of a format; \`sericite sub --help\` lists them`,
  );
}

/** A message whose payload is to be JSON and is none. */
export class PayloadError extends Error {
  override readonly name = "PayloadError";
}

function jsonPayload(message: PrintedMessage): unknown {
  try {
    return JSON.parse(Buffer.from(message.payload).toString());
  } catch (cause) {
    throw new PayloadError(`the payload on ${message.topicName} is no JSON`, { cause });
  }
}

function jsonOf(message: PrintedMessage, time: Date, payload: unknown, isPretty: boolean): string {
  const { topicName, qos, retain, properties } = message;
  const object = {
    tst: isoTime(time, `.${strftime(time, "N").slice(0, 6)}`),
    topic: topicName,
    qos,
    retain: retain ? 1 : 0,
    payloadlen: message.payload.length,
    properties: properties === undefined ? undefined : propertiesObject(properties),
    payload,
  };
  return JSON.stringify(object, undefined, isPretty ? "\t" : undefined);
}

function propertiesObject(
  properties: NonNullable<PrintedMessage["properties"]>,
): Record<string, unknown> {
  const identifiers = properties.subscriptionIdentifiers;
  const userProperties: Record<string, string | string[]> = {};
  for (const [name, value] of properties.userProperties ?? []) {
    const earlier = Object.hasOwn(userProperties, name) ? userProperties[name]! : undefined;
    userProperties[name] = earlier === undefined ? value : [earlier, value].flat();
  }
  return {
    "topic-alias": properties.topicAlias,
    "subscription-identifier": identifiers?.length === 1 ? identifiers[0] : identifiers,
    "user-properties": properties.userProperties === undefined ? undefined : userProperties,
    "content-type": properties.contentType,
    "correlation-data":
      properties.correlationData && Buffer.from(properties.correlationData).toString(),
    "response-topic": properties.responseTopic,
    "payload-format-indicator": properties.payloadFormatIndicator,
    "message-expiry-interval": properties.messageExpiryInterval,
  };
}
