import type { SettingTable } from "@sericite/broker";
import { formatSettingValue } from "./setting-value.ts";
import type { ResolvedSettings } from "./resolve-settings.ts";

/**
 * Settings as a config file that gives the same settings, each line with where its value comes
 * from. Secrets are left out: their lines say only that there is one.
 */
export function printSettings<T extends SettingTable>(
  table: T,
  resolved: ResolvedSettings<T>,
): string {
  const lines: string[] = [];
  for (const [section, rows] of Object.entries(table)) {
    lines.push(`${section}:`);
    const written = Object.entries(rows).map(([key, row]) => {
      const value = (resolved.settings as Record<string, Record<string, unknown>>)[section]![key];
      const hidden = row.secret === true && value !== row.default;
      const text = row.type === "string" ? JSON.stringify(value) : formatSettingValue(row, value);
      return [
        hidden ? `# ${key}: (hidden)` : `${key}: ${text}`,
        resolved.origins.get(`${section}.${key}`)!,
      ] as const;
    });
    const width = Math.max(...written.map(([text]) => text.length));
    for (const [text, origin] of written) lines.push(`  ${text.padEnd(width)}  # ${origin}`);
  }
  return `${lines.join("\n")}\n`;
}
