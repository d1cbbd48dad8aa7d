import { isDeepStrictEqual } from "node:util";
import { isLogRecord } from "@sericite/broker";
import type { LogRecord, StoreContent } from "@sericite/broker";
import { ConnectionError } from "@sericite/protocol";

/** Name of the format, in its first line. */
export const exportFormat = "sericite-store";

/** Version of the format. A newer one is refused; rises when a record's fields change their meaning. */
export const exportVersion = 1;

/** How many of each there are: the last line has them, so that a file that was cut off is found out. */
export interface ExportCounts {
  readonly sessions: number;
  readonly subscriptions: number;
  readonly queued: number;
  readonly messages: number;
  readonly retained: number;
  readonly wills: number;
  readonly delayed: number;
  readonly bans: number;
}

/** A line of an export, read. */
export type ExportLine =
  | { readonly kind: "record"; readonly record: LogRecord }
  | { readonly kind: "end"; readonly counts: ExportCounts };

/** The counts of what a store holds. */
export function countsOf(content: StoreContent): ExportCounts {
  const { sessions, subscriptions, queued, messages, retained, wills, delayed, bans } = content;
  return { sessions, subscriptions, queued, messages, retained, wills, delayed, bans };
}

/** The first line, without its line feed. */
export function headerLine(software: string): string {
  return JSON.stringify({ format: exportFormat, version: exportVersion, software });
}

/** The last line, without its line feed. */
export function endLine(counts: ExportCounts): string {
  return JSON.stringify({ type: "end", ...counts });
}

/**
 * A record as a line, without its line feed: a JSON object with the record's fields. What JSON does
 * not have is written `null` (a field without a value), `{"base64":"…"}` (bytes) and
 * `{"number":"Infinity"}`.
 */
export function recordLine(record: LogRecord): string {
  return JSON.stringify(record, (_key, value: unknown) => {
    if (value === undefined) return null;
    if (value === Infinity) return { number: "Infinity" };
    if (value instanceof Uint8Array) {
      const { buffer, byteOffset, length } = value;
      return { base64: Buffer.from(buffer, byteOffset, length).toString("base64") };
    }
    return value;
  });
}

/** Reads the first line. @throws ConnectionError where it is not one of an export. */
export function readHeader(line: Uint8Array): void {
  const { format, version } = parse(line, 1) as { format?: unknown; version?: unknown };
  if (format !== exportFormat) throw misfit(1, `the first line of an export of a store`);
  if (version !== exportVersion)
    throw misfit(1, `of version ${exportVersion} of the format but of ${String(version)}`);
}

/**
 * Reads any other line.
 *
 * @param number  Of the line in the file, from 1: for error texts.
 * @throws ConnectionError where it is neither a record nor the end.
 */
export function readLine(line: Uint8Array, number: number): ExportLine {
  const value = parse(line, number);
  if ((value as { type?: unknown }).type === "end")
    return { kind: "end", counts: readCounts(value as Record<string, unknown>, number) };
  const record = plain(value);
  if (!isLogRecord(record, isDeepStrictEqual))
    throw misfit(number, "a record of a store with all its fields and no others");
  return { kind: "record", record };
}

function readCounts(value: Record<string, unknown>, line: number): ExportCounts {
  const count = (name: keyof ExportCounts): number => {
    const number = value[name];
    if (typeof number !== "number") throw misfit(line, `the end of an export, with "${name}"`);
    return number;
  };
  return {
    sessions: count("sessions"),
    subscriptions: count("subscriptions"),
    queued: count("queued"),
    messages: count("messages"),
    retained: count("retained"),
    wills: count("wills"),
    delayed: count("delayed"),
    bans: count("bans"),
  };
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function parse(line: Uint8Array, number: number): object {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(line));
  } catch (cause) {
    throw misfit(number, "a JSON object", cause);
  }
  if (typeof value !== "object" || value === null) throw misfit(number, "a JSON object");
  return value;
}

/** The value that `recordLine` wrote. Objects are changed in place: they are the parser's. */
function plain(value: unknown): unknown {
  if (value === null) return undefined;
  if (typeof value !== "object") return value;
  const fields = value as Record<string, unknown>;
  const names = Object.keys(fields);
  if (names.length === 1) {
    const { base64, number } = fields;
    if (typeof base64 === "string") return bytesOf(base64);
    if (number === "Infinity") return Infinity;
  }
  for (const name of names) {
    const content = fields[name];
    if (typeof content === "object") fields[name] = plain(content);
  }
  return value;
}

/** What is no base64 is left as it is, and then is no record. */
function bytesOf(base64: string): Uint8Array | string {
  const bytes = Buffer.from(base64, "base64");
  return bytes.toString("base64") === base64 ? new Uint8Array(bytes) : base64;
}

function misfit(line: number, expected: string, cause?: unknown): ConnectionError {
  const message = `line ${line} is not ${expected}`;
  return new ConnectionError("ERR_INPUT", message, cause === undefined ? undefined : { cause });
}
