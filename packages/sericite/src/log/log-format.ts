import { styleText } from "node:util";
import type { LogLevel } from "@sericite/broker";

/** Makes one line of a log event, line feed included. */
export type LogFormat = (
  time: Date,
  level: LogLevel,
  event: string,
  fields: Readonly<Record<string, unknown>>,
) => string;

/** Names of fields whose value is never written, whoever logs them. */
const secretName = /passw|secret|token|authenticationdata/i;

/** One JSON object a line: time, level, event, then the fields. */
export const jsonFormat: LogFormat = (time, level, event, fields) => {
  const shown: Record<string, unknown> = { time: time.toISOString(), level, event };
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined)
      shown[Object.hasOwn(shown, name) ? `${name}_` : name] = plain(name, value);
  }
  return `${JSON.stringify(shown)}\n`;
};

const levelStyles = { debug: "gray", info: "green", warn: "yellow", error: "red" } as const;

/** A line for people: time, level, event in words, then the fields; of an event with a `message` only that. */
export function textFormat(colour: boolean): LogFormat {
  const style = (format: Parameters<typeof styleText>[0], text: string): string =>
    colour ? styleText(format, text, { validateStream: false }) : text;
  return (time, level, event, fields) => {
    const clock = time.toISOString().slice(11, 23);
    const begin = `${style("gray", clock)} ${style(levelStyles[level], level.padEnd(5))}`;
    const sentence = fields["message"];
    if (typeof sentence === "string") return `${begin} ${printable(sentence)}\n`;
    const words = Object.entries(fields)
      .filter(([, value]) => value !== undefined)
      .map(
        ([name, value]) => `${style("gray", `${name}=`)}${printable(textOf(plain(name, value)))}`,
      );
    return `${[begin, event.replaceAll("-", " "), ...words].join(" ")}\n`;
  };
}

/** What a field holds, as JSON can have it and without secrets. */
function plain(name: string, value: unknown): unknown {
  if (secretName.test(name)) return "(hidden)";
  if (value instanceof Error) return value.message;
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  return value;
}

function textOf(value: unknown): string {
  if (typeof value !== "string") return JSON.stringify(value);
  return value === "" || /[\s"=]/.test(value) ? JSON.stringify(value) : value;
}

/** Control characters written out, so that a Client Identifier cannot move the cursor or forge a line. */
function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
