import type { SettingRow } from "@sericite/broker";

/** A value of a `port` setting that means: no listener. Written `off`. */
export const portOff = -1;

/** What reading a value gave: the value, or what was expected in its place. */
export type SettingReading =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly expected: string };

/** Bytes in one of each unit. */
export const byteUnits: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
};

/** Milliseconds in one of each unit. */
export const durationUnits: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

const booleanWords: Readonly<Record<string, boolean>> = {
  true: true,
  false: false,
  yes: true,
  no: false,
  on: true,
  off: false,
};

/** Words that a boolean setting is written with. */
export const booleanValues: readonly string[] = Object.keys(booleanWords);

/**
 * Read a value by the row that describes it: a text of a flag or an environment variable, or what
 * a config file holds.
 */
export function readSettingValue(row: SettingRow, written: unknown): SettingReading {
  const misfit = typeof written === "string" ? row.expected?.(written) : undefined;
  if (misfit !== undefined) return { ok: false, expected: misfit };
  const value = typeof written === "string" ? readText(row, written) : readScalar(row, written);
  return value === undefined ? { ok: false, expected: expectedOf(row) } : { ok: true, value };
}

function readText(row: SettingRow, text: string): unknown {
  const word = text.trim();
  switch (row.type) {
    case "string":
      return text;
    case "choice":
      return row.choices!.includes(word) ? word : undefined;
    case "boolean":
      return Object.hasOwn(booleanWords, word.toLowerCase())
        ? booleanWords[word.toLowerCase()]
        : undefined;
    case "port":
      return word === "off" ? portOff : inRange(row, wholeNumber(word));
    case "integer":
      return inRange(row, wholeNumber(word));
    case "bytes":
      return inRange(row, wholeNumber(word) ?? withUnit(word, byteUnits, 1));
    case "milliseconds":
      return inRange(row, wholeNumber(word) ?? withUnit(word, durationUnits, 1));
    case "seconds":
      return inRange(row, wholeNumber(word) ?? withUnit(word, durationUnits, 1000));
  }
}

function readScalar(row: SettingRow, value: unknown): unknown {
  if (row.type === "boolean") return typeof value === "boolean" ? value : undefined;
  if (row.type === "string" || row.type === "choice") return undefined;
  return Number.isInteger(value) ? inRange(row, value as number) : undefined;
}

function wholeNumber(word: string): number | undefined {
  return /^[+-]?\d+$/.test(word) ? Number(word) : undefined;
}

/** A number with a unit, in the unit of the row; `undefined` where that is not a whole number. */
function withUnit(
  word: string,
  units: Readonly<Record<string, number>>,
  per: number,
): number | undefined {
  const [, digits, unit] = /^(\d+(?:\.\d+)?) ?([A-Za-z]+)$/.exec(word) ?? [];
  if (unit === undefined || !Object.hasOwn(units, unit)) return undefined;
  const value = (Number(digits) * units[unit]!) / per;
  return Number.isInteger(value) ? value : undefined;
}

function inRange(row: SettingRow, value: number | undefined): number | undefined {
  if (value === undefined || !Number.isSafeInteger(value)) return undefined;
  const minimum = row.minimum ?? 0;
  const maximum = row.maximum ?? (row.type === "port" ? 65535 : Number.MAX_SAFE_INTEGER);
  return value >= minimum && value <= maximum ? value : undefined;
}

/** The type of a row in words: `size in bytes, 1KiB to 1GiB, such as 10485760 or 64KiB`. */
export function expectedOf(row: SettingRow): string {
  const range = rangeOf(row);
  const within = range === "" ? "" : `, ${range}`;
  switch (row.type) {
    case "integer":
      return `a whole number${within}`;
    case "bytes":
      return `a size in bytes${within}; written as bytes (65536) or with a unit (64KiB)`;
    case "seconds":
      return `a time${within}; written as seconds (90) or with a unit (2m)`;
    case "milliseconds":
      return `a time${within}; written as milliseconds (1500) or with a unit (10s)`;
    case "boolean":
      return "true or false";
    case "string":
      return "a text; in a config file in quotes where it looks like a number";
    case "port":
      return "a port, 1 to 65535, 0 (picks a free one) or off";
    case "choice":
      return `one of ${row.choices!.join(", ")}`;
  }
}

/** Lowest and highest value of a row in words; empty where it has none. */
export function rangeOf(row: SettingRow): string {
  if (
    row.type === "boolean" ||
    row.type === "string" ||
    row.type === "choice" ||
    row.type === "port"
  )
    return "";
  const minimum = row.minimum ?? 0;
  if (row.maximum !== undefined)
    return `${formatSettingValue(row, minimum)} to ${formatSettingValue(row, row.maximum)}`;
  return `${formatSettingValue(row, minimum)} or more`;
}

/** How the default of a row is measured by the memory, in words: `1/16 of the memory, 4MiB to 64MiB`. */
export function shareText(row: SettingRow): string {
  const { each, least } = row.ofMemory!;
  const share =
    row.type === "bytes"
      ? `1/${each} of the memory`
      : `one for each ${formatSettingValue({ ...row, type: "bytes" }, each)} of memory`;
  return `${share}, ${formatSettingValue(row, least)} to ${formatSettingValue(row, row.default)}`;
}

/** A value as a text that `readSettingValue` reads back as the same value. */
export function formatSettingValue(row: SettingRow, value: unknown): string {
  switch (row.type) {
    case "port":
      return value === portOff ? "off" : String(value);
    case "bytes":
      return formatWithUnit(
        value as number,
        1,
        [
          ["GiB", 1024 ** 3],
          ["MiB", 1024 ** 2],
          ["KiB", 1024],
        ],
        "",
      );
    case "seconds":
      return formatWithUnit(
        value as number,
        1000,
        [
          ["d", 86_400_000],
          ["h", 3_600_000],
          ["m", 60_000],
        ],
        "s",
      );
    case "milliseconds":
      return formatWithUnit(
        value as number,
        1,
        [
          ["h", 3_600_000],
          ["m", 60_000],
          ["s", 1000],
        ],
        "ms",
      );
    default:
      return String(value);
  }
}

function formatWithUnit(
  value: number,
  per: number,
  units: readonly (readonly [string, number])[],
  rest: string,
): string {
  const total = value * per;
  if (total === 0) return "0";
  const unit = units.find(([, size]) => total % size === 0);
  return unit ? `${total / unit[1]}${unit[0]}` : `${value}${rest}`;
}

/** What was found, for an error text: never a secret. */
export function seenValue(row: SettingRow, written: unknown): string {
  if (row.secret) return "not of its type (hidden)";
  if (written === null || written === undefined) return "empty";
  if (typeof written === "object") return "a list or a further level";
  return JSON.stringify(written);
}
