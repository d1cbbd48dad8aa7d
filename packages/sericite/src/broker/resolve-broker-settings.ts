import { lastOption } from "../options/option.ts";
import type { CommandLine } from "../options/option.ts";
import { resolveSettings } from "../settings/resolve-settings.ts";
import type { ResolvedSettings } from "../settings/resolve-settings.ts";
import { settingFlags } from "../settings/setting-options.ts";
import { brokerCommandSettings } from "./broker-options.ts";
import { dataDirectory } from "./durable-settings.ts";

/** All settings of `sericite broker`, with where each comes from. */
export type ResolvedBrokerSettings = ResolvedSettings<typeof brokerCommandSettings>;

/**
 * Settings of a broker from flags, environment, config file and defaults. The data directory is an
 * absolute path; empty where nothing is kept on a disk.
 *
 * @param line  `--config`, and flags of the settings where it has any.
 * @throws UsageError that lists what is unknown or wrong.
 */
export async function resolveBrokerSettings(line: CommandLine): Promise<ResolvedBrokerSettings> {
  const fileName = lastOption(line, "config")?.words[0] ?? process.env["SERICITE_CONFIG"];
  // Reading YAML costs 20 ms of start-up, and most starts have no file.
  const file =
    fileName === undefined || fileName === ""
      ? undefined
      : (await import("../settings/config-file.ts")).readConfigFile(fileName);
  const resolved = resolveSettings(brokerCommandSettings, {
    flags: settingFlags(brokerCommandSettings, line),
    environment: process.env,
    file,
  });
  const { store } = resolved.settings;
  return {
    ...resolved,
    settings: { ...resolved.settings, store: { ...store, dataDir: dataDirectory(store) } },
  };
}
