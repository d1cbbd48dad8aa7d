import type { SettingRow } from "@sericite/broker";
import { nearestName } from "../options/nearest-name.ts";
import type { ListItem } from "./config-file.ts";
import { readSettingValue, seenValue } from "./setting-value.ts";

/** What one entry of a list holds, by key. A key with a point stands a level deeper. */
export type ListRows = Readonly<Record<string, SettingRow>>;

/** One entry of a list of a config file, read and checked key by key. */
export interface ReadItem<K extends string> {
  /** `file:line:column`. */
  readonly place: string;
  /** What is written there, by key. */
  readonly values: ReadonlyMap<K, unknown>;
  /** Where each key stands, also one whose value was wrong. */
  readonly keyPlaces: ReadonlyMap<K, string>;
}

/** What a list asks of its entries besides its rows. */
export interface ItemChecks<K extends string> {
  /** Keys that must be there. */
  readonly required?: readonly K[];
  /** Names that others use, with the key that is meant here. */
  readonly otherNames?: Readonly<Record<string, K>>;
  /** Says what is expected in place of a value that its row takes, or `undefined`. */
  readonly check?: (key: K, value: unknown) => string | undefined;
}

/**
 * Reads an entry by the table of its keys.
 *
 * @param path  As messages name it: `listeners[1]`.
 * @param problems  Gets what is wrong, each with its place and the path of the key.
 */
export function readItem<R extends ListRows>(
  rows: R,
  item: ListItem,
  path: string,
  problems: string[],
  { required = [], otherNames = {}, check }: ItemChecks<keyof R & string> = {},
): ReadItem<keyof R & string> {
  type Key = keyof R & string;
  const values = new Map<Key, unknown>();
  const keyPlaces = new Map<Key, string>();
  const keys = Object.keys(rows);
  for (const { key, value, keyPlace, valuePlace } of item.entries) {
    const row = Object.hasOwn(rows, key) ? rows[key] : undefined;
    if (row === undefined) {
      const nearest = Object.hasOwn(otherNames, key) ? otherNames[key] : nearestName(key, keys);
      const hint =
        nearest === undefined ? `there are ${keys.join(", ")}` : `did you mean ${nearest}?`;
      problems.push(`${keyPlace}: there is no ${path}.${key}; ${hint}`);
      continue;
    }
    keyPlaces.set(key, keyPlace);
    const reading = readSettingValue(row, value);
    const expected = reading.ok ? check?.(key, reading.value) : reading.expected;
    if (reading.ok && expected === undefined) values.set(key, reading.value);
    else
      problems.push(
        `${valuePlace}: ${path}.${key} is ${seenValue(row, value)}; expected ${expected}`,
      );
  }
  for (const key of required) {
    if (!keyPlaces.has(key))
      problems.push(`${item.place}: ${path}.${key} is missing; it takes ${rows[key]!.text}`);
  }
  return { place: item.place, values, keyPlaces };
}

/**
 * Compares two readings of a list.
 *
 * @returns paths of what differs; the list's name alone where entries came or went.
 */
export function listChanges<K extends string>(
  name: string,
  rows: Readonly<Record<K, SettingRow>>,
  before: readonly Pick<ReadItem<K>, "values">[],
  after: readonly Pick<ReadItem<K>, "values">[],
): string[] {
  if (before.length !== after.length) return [name];
  return after.flatMap(({ values }, index) =>
    (Object.keys(rows) as K[])
      .filter((key) => values.get(key) !== before[index]!.values.get(key))
      .map((key) => `${name}[${index}].${key}`),
  );
}
