import type { HelpText } from "../options/help.ts";
import type { OptionRow } from "../options/option.ts";
import { defaultDataDirectoryText } from "../data-directory.ts";
import { commandSettings } from "../settings/command-settings.ts";
import { joinTables } from "../settings/resolve-settings.ts";
import { mainGroup, settingOptions } from "../settings/setting-options.ts";
import { durableSettings } from "./durable-settings.ts";

/** All settings of `sericite broker`: those of the broker and those of the command. */
export const brokerCommandSettings = joinTables(durableSettings, commandSettings);

const ownOptions: readonly OptionRow[] = [
  {
    name: "config",
    short: "c",
    value: "FILE",
    group: mainGroup,
    text: "Config file, YAML or JSON: sections with their keys. Also SERICITE_CONFIG in the environment.",
  },
  {
    name: "check-config",
    group: mainGroup,
    text: "Check all settings and the files that they name, say what is wrong with them, and start nothing.",
  },
  {
    name: "print-config",
    group: mainGroup,
    text: "Print the settings that would be used, as a config file, each with where it comes from; secrets hidden. Start nothing.",
  },
  { name: "help", group: mainGroup, text: "Print this." },
];

/** Options of `sericite broker`. */
export function brokerOptions(): OptionRow[] {
  const settings = settingOptions(brokerCommandSettings, { "listen.port": "p" });
  const isMain = (row: OptionRow): boolean => row.group === mainGroup;
  return [...settings.filter(isMain), ...ownOptions, ...settings.filter((row) => !isMain(row))];
}

/** Help of `sericite broker` besides its options. */
export const brokerHelp: HelpText = {
  usage: ["sericite broker [options]"],
  summary:
    "Runs an MQTT broker (3.1, 3.1.1 and 5.0) until SIGTERM or SIGINT. It listens on loopback only, until you say who may enter. " +
    "Every setting can be a flag (--section.key), an environment variable (SERICITE_SECTION_KEY) or a key in the config file; " +
    "a flag wins over the environment, the environment over the file.",
  examples: [
    ["sericite broker", "on 127.0.0.1, port 1883, everybody on this machine may enter"],
    [
      "sericite broker --port 0 --log-level warn",
      "on a free port, which is printed; with a quiet log",
    ],
    [
      "sericite broker --data-dir ./data --port 2883",
      "a second broker, with a directory and a port of its own",
    ],
    ["sericite broker --durability memory", "nothing outlives the process, no directory is used"],
    ["sericite broker --host 0.0.0.0 --allow-anonymous", "on all interfaces, everybody may enter"],
    [
      "sericite broker --config sericite.yaml --print-config",
      "what this file, the environment and the flags give together",
    ],
  ],
  notes: [
    `What is acknowledged outlives the process: sessions, subscriptions, messages that wait, retained and delayed messages, wills. It is kept in --data-dir; default ${defaultDataDirectoryText}.`,
    "Sizes take units: B, KB, MB, GB (1000), KiB, MiB, GiB (1024). Times take ms, s, m, h, d, w.",
    "SIGHUP reads the config file again, and the files that it names: certificates, users, access rules. All of it is taken or none, no connection drops, and the log says what changed and what waits for a restart.",
    "SIGTERM or SIGINT drains: no new connections, clients are told to leave, what was sent gets out. A second one stops at once. " +
      "Exit codes: 0 after a drain, 1 failed, 2 wrong options or settings, 6 a store that this version cannot take: damaged or newer.",
  ],
};
