import { UsageError } from "@sericite/protocol";
import { authSettings } from "./auth/settings.ts";
import { engineSettings } from "./engine/settings.ts";
import type { SettingRow, SettingsOf, SettingTable } from "./engine/settings.ts";
import { listenerSettings } from "./listeners/settings.ts";
import { storeSettings } from "./store/settings.ts";

/** Every setting of the broker, of all its parts. */
export const brokerSettings = {
  ...listenerSettings,
  ...authSettings,
  ...storeSettings,
  ...engineSettings,
  auth: { ...authSettings.auth, ...engineSettings.auth },
} as const satisfies SettingTable;

/** The values of all settings, frozen. */
export type Settings = SettingsOf<typeof brokerSettings>;

/** Some of the settings: what is left out has its default. */
export type PartialSettings = { readonly [S in keyof Settings]?: Partial<Settings[S]> };

/**
 * The default of a setting.
 *
 * @param memory  What the process may use. Bytes.
 */
export function defaultOf<V>({ type, default: most, ofMemory }: SettingRow<V>, memory: number): V {
  if (ofMemory === undefined) return most;
  const { each, least } = ofMemory;
  const step = type === "bytes" ? 1024 * 1024 : 100;
  const share = Math.floor(memory / each / step) * step;
  return Math.min(most as number, Math.max(least, share)) as V;
}

/**
 * Settings from defaults and what is given; checked.
 *
 * @param base  What applies in place of the defaults.
 * @param memory  What the process may use, by which defaults are measured. Bytes; left out: plenty.
 * @throws UsageError ERR_SETTING names the key and what it takes.
 */
export function createSettings(
  given: PartialSettings = {},
  base?: Settings,
  memory: number = Infinity,
): Settings {
  const measured = given.limits?.memory ?? 0;
  const table: SettingTable = brokerSettings;
  for (const section of Object.keys(given)) {
    if (!Object.hasOwn(table, section)) throw unknown(section);
  }
  const settings: Record<string, Record<string, unknown>> = {};
  for (const [section, rows] of Object.entries(table)) {
    const values = (given as Record<string, Record<string, unknown> | undefined>)[section] ?? {};
    for (const key of Object.keys(values))
      if (!Object.hasOwn(rows, key)) throw unknown(`${section}.${key}`);
    const result: [key: string, value: unknown][] = [];
    for (const [key, row] of Object.entries(rows)) {
      const value = values[key];
      if (value === undefined) {
        const before = (base as typeof settings | undefined)?.[section]?.[key];
        result.push([key, before ?? defaultOf(row, measured > 0 ? measured : memory)]);
      } else {
        const fault = settingFault(row, value);
        if (fault !== undefined) throw new UsageError("ERR_SETTING", `${section}.${key}: ${fault}`);
        result.push([key, value]);
      }
    }
    settings[section] = frozen(result);
  }
  return Object.freeze(settings) as unknown as Settings;
}

/** What becomes of settings that a running broker is asked to take. */
export interface LiveChanges {
  /** As asked, but for what waits for a restart. Frozen. */
  readonly next: Settings;
  readonly changed: string[];
  readonly needRestart: string[];
}

/** Compares settings that are asked for with those in force. */
export function liveChanges(current: Settings, asked: Settings): LiveChanges {
  const next: Record<string, Record<string, unknown>> = {};
  const changed: string[] = [];
  const needRestart: string[] = [];
  for (const [section, rows] of Object.entries(brokerSettings as SettingTable)) {
    const values: [key: string, value: unknown][] = [];
    for (const [key, row] of Object.entries(rows)) {
      const before = valueAt(current, section, key);
      const after = valueAt(asked, section, key);
      values.push([key, row.live ? after : before]);
      if (before !== after) (row.live ? changed : needRestart).push(`${section}.${key}`);
    }
    next[section] = frozen(values);
  }
  return { next: Object.freeze(next) as unknown as Settings, changed, needRestart };
}

/** Made in one go: see `engine/fast-objects.test.ts`. */
function frozen(entries: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  return Object.freeze(Object.fromEntries(entries)) as Record<string, unknown>;
}

function valueAt(settings: Settings, section: string, key: string): unknown {
  return (settings as unknown as Record<string, Record<string, unknown>>)[section]![key];
}

function unknown(path: string): UsageError {
  return new UsageError("ERR_SETTING", `${path}: there is no such setting`);
}

function textFault(row: SettingRow, value: unknown, shown: string): string | undefined {
  const expected = typeof value === "string" ? row.expected?.(value) : "a text";
  return expected === undefined ? undefined : `expected ${expected}, got ${shown}`;
}

/** Why a value does not fit a setting, or `undefined`. */
export function settingFault(row: SettingRow, value: unknown): string | undefined {
  const shown = row.secret === true ? "a value of another type" : JSON.stringify(value);
  switch (row.type) {
    case "boolean":
      return typeof value === "boolean" ? undefined : `expected true or false, got ${shown}`;
    case "string":
      return textFault(row, value, shown);
    case "choice":
      return row.choices?.includes(value as string) === true
        ? undefined
        : `expected one of ${row.choices?.join(", ")}, got ${shown}`;
    case "port":
      if (value === -1) return undefined;
      return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 65535
        ? undefined
        : `expected a port 0…65535 or off, got ${shown}`;
    default: {
      const minimum = row.minimum ?? 0;
      const maximum = row.maximum ?? Number.MAX_SAFE_INTEGER;
      if (Number.isInteger(value) && (value as number) >= minimum && (value as number) <= maximum)
        return undefined;
      return `expected a whole number ${minimum}…${maximum === Number.MAX_SAFE_INTEGER ? "" : maximum}, got ${shown}`;
    }
  }
}
