import type { SettingRow, SettingTable } from "@sericite/broker";
import type { ReadItem } from "./list-item.ts";
import { formatSettingValue, shareText } from "./setting-value.ts";
import { measuredMemory } from "./resolve-settings.ts";
import type { ResolvedSettings } from "./resolve-settings.ts";

/**
 * Settings as a config file that gives the same settings, each line with where its value comes
 * from. Secrets are left out: their lines say only that there is one.
 */
export function printSettings<T extends SettingTable>(
  table: T,
  resolved: ResolvedSettings<T>,
): string {
  const { limits } = resolved.settings as Record<string, Record<string, unknown> | undefined>;
  const memory = formatSize(measuredMemory(limits?.["memory"]));
  const lines = limits === undefined ? [] : [`# Shares are of ${memory} of memory.`];
  for (const [section, rows] of Object.entries(table)) {
    lines.push(`${section}:`);
    const written = Object.entries(rows).map(([key, row]) => {
      const value = (resolved.settings as Record<string, Record<string, unknown>>)[section]![key];
      const hidden = row.secret === true && value !== row.default;
      const text = row.type === "string" ? JSON.stringify(value) : formatSettingValue(row, value);
      const origin = resolved.origins.get(`${section}.${key}`)!;
      const isMeasured = origin === "default" && row.ofMemory !== undefined;
      return [
        hidden ? `# ${key}: (hidden)` : `${key}: ${text}`,
        isMeasured ? `${origin}: ${shareText(row)}` : origin,
      ] as const;
    });
    const width = Math.max(...written.map(([text]) => text.length));
    for (const [text, origin] of written) lines.push(`  ${text.padEnd(width)}  # ${origin}`);
  }
  return `${lines.join("\n")}\n`;
}

/**
 * A list as it stands in a config file; empty where there is none. Secrets are left out.
 *
 * @param rows  Of each key, in the order in which they are printed.
 */
export function printList<K extends string>(
  name: string,
  rows: Readonly<Record<K, SettingRow>>,
  items: readonly Pick<ReadItem<K>, "place" | "values">[],
): string {
  if (items.length === 0) return "";
  const lines = [`${name}:`];
  for (const { place, values } of items) {
    lines.push(`  - # ${place}`);
    let section = "";
    for (const key of Object.keys(rows) as K[]) {
      if (!values.has(key)) continue;
      const row = rows[key];
      const [first, last] = key.split(".") as [string, string?];
      if (last !== undefined && first !== section) lines.push(`    ${first}:`);
      section = first;
      const text =
        row.type === "string"
          ? JSON.stringify(values.get(key))
          : formatSettingValue(row, values.get(key));
      const indent = last === undefined ? "    " : "      ";
      lines.push(
        row.secret === true
          ? `${indent}# ${last ?? first}: (hidden)`
          : `${indent}${last ?? first}: ${text}`,
      );
    }
  }
  return `${lines.join("\n")}\n`;
}

/** As many MiB as fit, in words. */
function formatSize(bytes: number): string {
  return `${Math.floor(bytes / 1024 ** 2)} MiB`;
}
