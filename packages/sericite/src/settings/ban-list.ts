import { banKinds, configuredBanFault } from "@sericite/broker";
import type { ConfiguredBan, SettingRow } from "@sericite/broker";
import type { ListItem } from "./config-file.ts";
import { readList } from "./topic-lists.ts";
import type { TopicList } from "./topic-lists.ts";

/** Keys of one entry of the list `bans` in a config file. */
export const banRows = {
  kind: {
    type: "choice",
    default: "clientId",
    choices: banKinds,
    live: true,
    text: "what the client is known by: one of clientId, username, address",
  },
  value: {
    type: "string",
    default: "",
    live: true,
    text: "the Client Identifier, the username, or an address or a range such as 192.0.2.0/24",
  },
  reason: {
    type: "string",
    default: "",
    live: true,
    text: "For the log and, of 5.0, the Reason String.",
  },
} as const satisfies Readonly<Record<string, SettingRow>>;

/** Reads the list `bans`. @param problems  Gets what is wrong, each with its place and the path of the key. */
export function readBans(items: readonly ListItem[], problems: string[]): TopicList<ConfiguredBan> {
  return readList(
    "bans",
    banRows,
    { required: ["kind", "value"] },
    items,
    problems,
    (values) => values as unknown as ConfiguredBan,
    configuredBanFault,
  );
}
