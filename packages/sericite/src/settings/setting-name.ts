import type { SettingRow, SettingTable } from "@sericite/broker";
import { nearestName } from "../options/nearest-name.ts";

/** First letters of every environment variable that is a setting. */
export const environmentPrefix = "SERICITE_";

/** One setting with its place in the table. */
export interface NamedSetting {
  /** `section.key`. */
  readonly path: string;
  readonly section: string;
  readonly key: string;
  readonly row: SettingRow;
}

/** All settings of a table, in its order. */
export function settingsIn(table: SettingTable): NamedSetting[] {
  return Object.entries(table).flatMap(([section, rows]) =>
    Object.entries(rows).map(([key, row]) => ({ path: `${section}.${key}`, section, key, row })),
  );
}

/** Name of the environment variable of a setting: `mqtt.maximumQos` is `SERICITE_MQTT_MAXIMUM_QOS`. */
export function environmentName(path: string): string {
  return environmentPrefix + path.replaceAll(".", "_").replace(/[A-Z]/g, "_$&").toUpperCase();
}

/**
 * The setting that a wrong path probably meant.
 *
 * @returns its path, or `undefined` where none is near.
 */
export function nearestSetting(path: string, table: SettingTable): string | undefined {
  const settings = settingsIn(table);
  const key = path.slice(path.indexOf(".") + 1).toLowerCase();
  const elsewhere = settings.find((setting) => setting.key.toLowerCase() === key);
  return (
    elsewhere?.path ??
    nearestName(
      path,
      settings.map((setting) => setting.path),
    )
  );
}
