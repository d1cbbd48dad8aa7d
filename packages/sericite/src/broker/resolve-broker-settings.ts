import type { AutoSubscription, ConfiguredBan, RewriteRule } from "@sericite/broker";
import { lastOption } from "../options/option.ts";
import type { CommandLine } from "../options/option.ts";
import { resolveSettings } from "../settings/resolve-settings.ts";
import type { ResolvedSettings } from "../settings/resolve-settings.ts";
import type { ListItem } from "../settings/config-file.ts";
import type { FileList } from "../settings/file-lists.ts";
import { readListeners } from "../settings/listener-list.ts";
import type { ConfiguredListener } from "../settings/listener-list.ts";
import { readBans } from "../settings/ban-list.ts";
import { readAutoSubscribe, readRewrite } from "../settings/topic-lists.ts";
import type { TopicList } from "../settings/topic-lists.ts";
import { portOff } from "../settings/setting-value.ts";
import { settingFlags } from "../settings/setting-options.ts";
import { brokerCommandSettings } from "./broker-options.ts";
import { dataDirectory } from "./durable-settings.ts";

/** All settings of `sericite broker`, with where each comes from. */
export interface ResolvedBrokerSettings extends ResolvedSettings<typeof brokerCommandSettings> {
  /** The list `listeners` of the config file; with it, `listen.port` is off unless it is set. */
  readonly listeners: readonly ConfiguredListener[];
  /** The list `rewrite` of the config file. */
  readonly rewrite: TopicList<RewriteRule>;
  /** The list `autoSubscribe` of the config file. */
  readonly autoSubscribe: TopicList<AutoSubscription>;
  /** The list `bans` of the config file. */
  readonly bans: TopicList<ConfiguredBan>;
}

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
  const problems: string[] = [];
  const listOf = (name: FileList): readonly ListItem[] => file?.lists.get(name) ?? [];
  const listeners = readListeners(listOf("listeners"), problems);
  const rewrite = readRewrite(listOf("rewrite"), problems);
  const bans = readBans(listOf("bans"), problems);
  const autoSubscribe = readAutoSubscribe(listOf("autoSubscribe"), problems);
  const resolved = resolveSettings(brokerCommandSettings, {
    flags: settingFlags(brokerCommandSettings, line),
    environment: process.env,
    file: file && { ...file, problems: [...file.problems, ...problems] },
  });
  const { listen, store } = resolved.settings;
  const isPortOff = listeners.length > 0 && resolved.origins.get("listen.port") === "default";
  return {
    ...resolved,
    settings: {
      ...resolved.settings,
      listen: isPortOff ? { ...listen, port: portOff } : listen,
      store: { ...store, dataDir: dataDirectory(store) },
    },
    listeners,
    rewrite,
    autoSubscribe,
    bans,
  };
}
