import { defaultOf, usableMemory } from "@sericite/broker";
import { UsageError } from "@sericite/protocol";
import type { SettingRow, SettingsOf, SettingTable } from "@sericite/broker";
import { usageError } from "../errors.ts";
import { nearestName } from "../options/nearest-name.ts";
import type { ConfigFile } from "./config-file.ts";
import { fileLists } from "./file-lists.ts";
import { environmentName, environmentPrefix, nearestSetting, settingsIn } from "./setting-name.ts";
import type { NamedSetting } from "./setting-name.ts";
import { expectedOf, readSettingValue, seenValue } from "./setting-value.ts";

/** A setting that was given on the command line. */
export interface SettingFlag {
  readonly path: string;
  /** As it was written: `--port` or `--listen.port`. */
  readonly written: string;
  readonly text: string;
}

/** Where values come from besides the table's defaults. A flag wins over the environment, that over the file. */
export interface SettingSources {
  readonly flags?: readonly SettingFlag[] | undefined;
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined;
  readonly file?: ConfigFile | undefined;
}

/** Settings with, for each `section.key`, where its value comes from. */
export interface ResolvedSettings<T extends SettingTable> {
  /** Frozen. */
  readonly settings: SettingsOf<T>;
  /** `default`, `file:line:column`, name of the environment variable, or the flag. */
  readonly origins: ReadonlyMap<string, string>;
  /** Environment variables that begin like settings and look like none: perhaps another program's. */
  readonly ignored: readonly string[];
}

/** Names that are no settings, though they begin like those. */
export const otherEnvironmentNames: readonly string[] = ["SERICITE_CONFIG"];

/**
 * Join the tables of several parts into one.
 *
 * @throws UsageError where two of them have a section of the same name.
 */
export function joinTables<A extends SettingTable, B extends SettingTable>(
  first: A,
  second: B,
): A & B {
  const twice = Object.keys(second).find((section) => Object.hasOwn(first, section));
  if (twice !== undefined) throw usageError("ERR_TABLE", `section ${twice} is described twice`);
  return { ...first, ...second };
}

/**
 * The settings that a table describes, from all sources.
 *
 * @throws UsageError ERR_SETTING that lists every unknown name and every wrong value, a line for each.
 */
export function resolveSettings<T extends SettingTable>(
  table: T,
  sources: SettingSources,
): ResolvedSettings<T> {
  const problems: string[] = [...(sources.file?.problems ?? [])];
  const values = new Map<string, unknown>();
  const origins = new Map<string, string>();
  const settings = settingsIn(table);
  const rows = new Map<string, SettingRow>();
  for (const { path, row } of settings) {
    rows.set(path, row);
    values.set(path, row.default);
    origins.set(path, "default");
  }

  const take = (path: string, written: unknown, origin: string): void => {
    const row = rows.get(path)!;
    const reading = readSettingValue(row, written);
    if (reading.ok) {
      values.set(path, reading.value);
      origins.set(path, origin);
    } else {
      problems.push(
        `${origin}: ${path} is ${seenValue(row, written)}; expected ${reading.expected}`,
      );
    }
  };

  if (sources.file) problems.push(...unknownSections(sources.file, table));
  for (const entry of sources.file?.entries ?? []) {
    const path = `${entry.section}.${entry.key}`;
    if (rows.has(path)) take(path, entry.value, entry.valuePlace);
    else if (Object.hasOwn(table, entry.section))
      problems.push(`${entry.keyPlace}: ${unknown(path, table)}`);
  }

  const environment = sources.environment ?? {};
  const strangers = unknownEnvironment(environment, table);
  problems.push(
    ...strangers.filter((stranger) => stranger.isMistake).map((stranger) => stranger.message),
  );
  for (const { path } of settings) {
    const name = environmentName(path);
    const text = environment[name];
    if (text !== undefined) take(path, text, name);
  }

  for (const flag of sources.flags ?? []) take(flag.path, flag.text, flag.written);
  const memory = measuredMemory(values.get("limits.memory"));
  for (const { path, row } of settings)
    if (origins.get(path) === "default") values.set(path, defaultOf(row, memory));

  if (problems.length > 0) throw new UsageError("ERR_SETTING", problems.join("\n"));
  const result = Object.fromEntries(
    Object.entries(table).map(([section, keys]) => [
      section,
      Object.freeze(
        Object.fromEntries(Object.keys(keys).map((key) => [key, values.get(`${section}.${key}`)])),
      ),
    ]),
  );
  const ignored = strangers.map((stranger) => stranger.name);
  return { settings: Object.freeze(result) as unknown as SettingsOf<T>, origins, ignored };
}

/** Memory by which defaults are measured. Bytes. */
export function measuredMemory(setting: unknown): number {
  return typeof setting === "number" && setting > 0 ? setting : usableMemory();
}

function unknownSections(file: ConfigFile, table: SettingTable): string[] {
  return [...file.sections]
    .filter(([section]) => !Object.hasOwn(table, section))
    .map(([section, place]) => {
      const sections = [...Object.keys(table), ...Object.keys(fileLists)];
      const nearest = nearestName(section, sections);
      const hint =
        nearest === undefined ? `sections are ${sections.join(", ")}` : `did you mean ${nearest}?`;
      return `${place}: there is no section ${section}; ${hint}`;
    });
}

function unknown(path: string, table: SettingTable): string {
  const nearest = nearestSetting(path, table);
  if (nearest === undefined) {
    const [section] = path.split(".");
    return `there is no setting ${path}; ${section} has ${Object.keys(table[section!]!).join(", ")}`;
  }
  const row = settingsIn(table).find((setting) => setting.path === nearest)!.row;
  return `there is no setting ${path}; did you mean ${nearest} (${expectedOf(row)})?`;
}

/**
 * Kubernetes gives every container such variables for each service of its namespace; a service
 * that is called `sericite` must not keep the broker from starting.
 */
const ofKubernetes =
  /_(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)$/;

function isOfKubernetes(name: string, text: string): boolean {
  return ofKubernetes.test(name) || (name.endsWith("_PORT") && /^(?:tcp|udp|sctp):\/\//.test(text));
}

function unknownEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  table: SettingTable,
): UnknownName[] {
  const settings = settingsIn(table);
  const known = new Set([
    ...settings.map((setting) => environmentName(setting.path)),
    ...otherEnvironmentNames,
  ]);
  const sections = Object.keys(table).map((section) => `${environmentName(section)}_`);
  const unknownNames: UnknownName[] = [];
  for (const [name, text] of Object.entries(environment)) {
    if (
      text === undefined ||
      !name.startsWith(environmentPrefix) ||
      known.has(name) ||
      isOfKubernetes(name, text)
    )
      continue;
    const nearest = nearestEnvironmentName(name, settings, [...known]);
    const hint =
      nearest === undefined ? "names are SERICITE_SECTION_KEY" : `did you mean ${nearest}?`;
    const isMistake = nearest !== undefined || sections.some((section) => name.startsWith(section));
    unknownNames.push({ name, isMistake, message: `${name}: there is no such setting; ${hint}` });
  }
  return unknownNames;
}

interface UnknownName {
  readonly name: string;
  /** It looks like a setting. Else it may be another program's. */
  readonly isMistake: boolean;
  readonly message: string;
}

function nearestEnvironmentName(
  name: string,
  settings: readonly NamedSetting[],
  known: readonly string[],
): string | undefined {
  const rest = (whole: string): string => whole.slice(environmentPrefix.length);
  const own = settings.find(
    ({ row }) =>
      row.flag !== undefined && row.flag.replaceAll("-", "_").toUpperCase() === rest(name),
  );
  if (own) return environmentName(own.path);
  const nearest = nearestName(rest(name), known.map(rest));
  return nearest === undefined ? undefined : environmentPrefix + nearest;
}
