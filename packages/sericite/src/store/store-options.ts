import { defaultDataDirectoryText } from "../data-directory.ts";
import type { HelpText } from "../options/help.ts";
import type { OptionRow } from "../options/option.ts";

const shared: readonly OptionRow[] = [
  {
    name: "data-dir",
    value: "DIR",
    text: `Directory of the store. Default: the one that a broker with the same environment and --config would have; where they name none, ${defaultDataDirectoryText}.`,
  },
  {
    name: "config",
    short: "c",
    value: "FILE",
    text: "Config file of the broker. Also SERICITE_CONFIG in the environment.",
  },
  {
    name: "quiet",
    text: "No progress, and no word of what went well. Progress shows on a terminal only, after a second.",
  },
  { name: "help", text: "Print this." },
];

const jsonOption: OptionRow = { name: "json", text: "Print all of it as one JSON object." };

/** Options of each action of `sericite store`. */
export const storeOptions = {
  check: [jsonOption, ...shared],
  stat: [
    jsonOption,
    { name: "largest", value: "N", text: "Queues to list, those that take most. Default 10." },
    ...shared,
  ],
  export: [
    {
      name: "output",
      short: "o",
      value: "FILE",
      text: "File to write, for its owner alone to read. It appears when it is whole. Default: standard output.",
    },
    {
      name: "salvage",
      text: "Take what can be saved of a damaged store, and say what is lost.",
    },
    ...shared,
  ],
  import: [
    {
      name: "input",
      short: "i",
      value: "FILE",
      text: "File to read. Default: standard input.",
    },
    ...shared,
  ],
  compact: [...shared],
} as const satisfies Record<string, readonly OptionRow[]>;

/** An action of `sericite store`. */
export type StoreAction = keyof typeof storeOptions;

/** Names of the actions, in the order of help. */
export const storeActions = Object.keys(storeOptions) as StoreAction[];

const stopped = "The broker must not run meanwhile: a directory that a process has is refused.";

/** Help of each action, besides its options. */
export const storeActionHelp: Readonly<Record<StoreAction, HelpText>> = {
  check: {
    usage: ["sericite store check [options]"],
    summary: `Reads all of a store, every message too, and says what is damaged, what is lost and what can be saved. It changes nothing. ${stopped}`,
    examples: [
      ["sericite store check", "the default directory"],
      ["sericite store check --data-dir /srv/mqtt --json", "for a program to read"],
    ],
    notes: [
      "Exit codes: 0 whole, 1 damaged or failed, 2 wrong options, 6 of a version that this one does not read.",
    ],
  },
  stat: {
    usage: ["sericite store stat [options]"],
    summary: `Says how much a store keeps and what that takes: sessions, messages, the largest queues, segments and the share of them that is still wanted. It changes nothing. ${stopped}`,
    examples: [
      ["sericite store stat", "the default directory"],
      ["sericite store stat --largest 3", "with the three largest queues"],
    ],
  },
  export: {
    usage: ["sericite store export [-o FILE] [options]"],
    summary: `Writes all that a store keeps as lines of JSON: sessions, subscriptions, queues, retained and delayed messages, Wills and bans. It changes nothing. ${stopped}`,
    examples: [
      ["sericite store export -o store.ndjson", "to a file"],
      ["sericite store export | gzip > store.ndjson.gz", "compressed"],
      ["sericite store export --salvage -o saved.ndjson", "what can be saved of a damaged store"],
    ],
    notes: ["The messages are in it as they were published: treat it like the store itself."],
  },
  import: {
    usage: ["sericite store import [-i FILE] [options]"],
    summary:
      "Makes a store from the lines that `sericite store export` wrote, in a directory that is empty or missing. The store is there when all of it is; until then the directory holds none.",
    examples: [
      ["sericite store import -i store.ndjson --data-dir /srv/mqtt", "from a file"],
      ["gunzip -c store.ndjson.gz | sericite store import", "from a compressed file"],
    ],
  },
  compact: {
    usage: ["sericite store compact [options]"],
    summary: `Makes a store as small as it can be: writes a checkpoint, copies together what is still wanted, removes the rest, and says how many bytes it took before and after. A broker does the same little by little. ${stopped}`,
    examples: [["sericite store compact", "the default directory"]],
  },
};

/** Help of `sericite store` as a whole. */
export const storeHelp: HelpText = {
  usage: [`sericite store {${storeActions.join(" | ")}} [options]`],
  summary:
    "Checks, shows, copies and compacts the store of a broker that does not run: what `sericite broker` keeps on the disk.",
  examples: [
    ["sericite store check", "is it whole, and what can be saved?"],
    ["sericite store stat", "what is in it, and what does it take?"],
    ["sericite store export -o store.ndjson", "all of it, as lines of JSON"],
    ["sericite store import -i store.ndjson --data-dir /srv/mqtt", "a store from such lines"],
    ["sericite store compact", "make it as small as it can be"],
  ],
  notes: [
    "`sericite store ACTION --help` tells the options of an action. Ctrl-C stops any of them without harm.",
    "Exit codes: 0 done, and for check: whole; 1 failed, or for check: damaged; 2 wrong options; 6 not done because the store is damaged, or of a newer version.",
  ],
};
