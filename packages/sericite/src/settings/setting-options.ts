import type { SettingRow, SettingTable } from "@sericite/broker";
import type { CommandLine, OptionRow } from "../options/option.ts";
import type { SettingFlag } from "./resolve-settings.ts";
import { settingsIn } from "./setting-name.ts";
import { booleanValues, formatSettingValue, rangeOf, shareText } from "./setting-value.ts";

/** Heading under which help lists the options that matter most. */
export const mainGroup = "Main options";

/**
 * Options of a table: for each setting `--section.key`, and its flag of its own where it has one.
 *
 * @param shorts  One-letter names by the path of the setting.
 */
export function settingOptions(
  table: SettingTable,
  shorts: Readonly<Record<string, string>> = {},
): OptionRow[] {
  return settingsIn(table).flatMap(({ path, section, row }) => {
    const base = {
      value: placeholderOf(row),
      ...(row.type === "boolean" ? { optionalValues: booleanValues } : {}),
    };
    const text = `${row.text} ${defaultText(row)}`;
    const group = `Settings: ${section}`;
    if (row.flag === undefined) return [{ ...base, name: path, text, group }];
    return [
      { ...base, name: row.flag, short: shorts[path], text, group: mainGroup },
      { ...base, name: path, text: `The same as --${row.flag}.`, group },
    ];
  });
}

/** The settings among the options of a command line. */
export function settingFlags(table: SettingTable, line: CommandLine): SettingFlag[] {
  const pathOf = new Map<string, string>();
  for (const { path, row } of settingsIn(table)) {
    pathOf.set(path, path);
    if (row.flag !== undefined) pathOf.set(row.flag, path);
  }
  return line.options.flatMap(({ row, written, words }) => {
    const path = pathOf.get(row.name);
    return path === undefined ? [] : [{ path, written, text: words[0] ?? "true" }];
  });
}

function placeholderOf(row: SettingRow): string {
  switch (row.type) {
    case "boolean":
      return "true|false";
    case "choice":
      return row.choices!.join("|");
    case "bytes":
      return "SIZE";
    case "seconds":
    case "milliseconds":
      return "TIME";
    case "port":
      return "PORT";
    case "integer":
      return "N";
    case "string":
      return row.placeholder ?? "TEXT";
  }
}

function defaultText(row: SettingRow): string {
  const range = rangeOf(row);
  const value =
    row.ofMemory !== undefined
      ? shareText(row)
      : row.type === "string" && row.default === ""
        ? (row.emptyMeans ?? "none")
        : formatSettingValue(row, row.default);
  return range === ""
    ? `Default ${value}.`
    : `${range[0]!.toUpperCase()}${range.slice(1)}; default ${value}.`;
}
