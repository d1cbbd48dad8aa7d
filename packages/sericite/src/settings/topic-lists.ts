import { autoSubscriptionFault, rewriteActions, rewriteRuleFault } from "@sericite/broker";
import type { AutoSubscription, EntryFault, RewriteRule, SettingRow } from "@sericite/broker";
import type { ListItem } from "./config-file.ts";
import { readItem } from "./list-item.ts";
import type { ItemChecks, ListRows, ReadItem } from "./list-item.ts";

const topic = { type: "string", default: "", live: true } as const;

/** Keys of one entry of the list `rewrite` in a config file. */
export const rewriteRows = {
  action: {
    type: "choice",
    default: "all",
    choices: rewriteActions,
    live: true,
    text: "What is rewritten: what clients publish to (Wills too), what they subscribe to, or both. Left out: all.",
  },
  from: { ...topic, text: "a Topic Filter of the topics that the rule is for, such as old/#" },
  pattern: {
    ...topic,
    text: "a regular expression that the topic has to match as well, such as '^old/(.+)$'",
  },
  to: {
    ...topic,
    text: "what comes in place of the whole topic: $1 to $9 are the groups of the pattern, %c the Client Identifier, %u the username",
  },
} as const satisfies Readonly<Record<string, SettingRow>>;

/** Keys of one entry of the list `autoSubscribe` in a config file. */
export const autoSubscribeRows = {
  topicFilter: {
    ...topic,
    text: "a Topic Filter, in which %c stands for the Client Identifier and %u for the username",
  },
  qos: {
    type: "integer",
    default: 0,
    minimum: 0,
    maximum: 2,
    live: true,
    text: "Highest QoS of its messages.",
  },
  noLocal: {
    type: "boolean",
    default: false,
    live: true,
    text: "Whether the client's own messages are left out.",
  },
  retainAsPublished: {
    type: "boolean",
    default: false,
    live: true,
    text: "Whether RETAIN stays as the publisher set it.",
  },
  retainHandling: {
    type: "integer",
    default: 0,
    minimum: 0,
    maximum: 2,
    live: true,
    text: "Retained messages: 0 and 1 send them when the subscription is made, 2 never does.",
  },
} as const satisfies Readonly<Record<string, SettingRow>>;

/** A list of a config file with what the broker is given of it. */
export interface TopicList<E> {
  readonly items: readonly Pick<ReadItem<string>, "place" | "values">[];
  /** As many as `items`. */
  readonly entries: readonly E[];
}

/**
 * Reads the list `rewrite`.
 *
 * @param problems  Gets what is wrong, each with its place and the path of the key: `rewrite[1].pattern`.
 */
export function readRewrite(
  items: readonly ListItem[],
  problems: string[],
): TopicList<RewriteRule> {
  return readList(
    "rewrite",
    rewriteRows,
    {
      required: ["from", "pattern", "to"],
      otherNames: { source_topic: "from", re: "pattern", dest_topic: "to" },
    },
    items,
    problems,
    (values) => ({ action: "all", ...values }) as RewriteRule,
    rewriteRuleFault,
  );
}

/** Reads the list `autoSubscribe`, as `readRewrite` does. */
export function readAutoSubscribe(
  items: readonly ListItem[],
  problems: string[],
): TopicList<AutoSubscription> {
  return readList(
    "autoSubscribe",
    autoSubscribeRows,
    {
      required: ["topicFilter"],
      otherNames: {
        topic: "topicFilter",
        rh: "retainHandling",
        rap: "retainAsPublished",
        nl: "noLocal",
      },
    },
    items,
    problems,
    (values) => values as unknown as AutoSubscription,
    autoSubscriptionFault,
  );
}

/**
 * Reads a list by the table of its keys, entry by entry.
 *
 * @param problems  As of `readRewrite`.
 * @param faultOf  What no key alone can tell.
 */
export function readList<E>(
  name: string,
  rows: ListRows,
  checks: ItemChecks<string>,
  items: readonly ListItem[],
  problems: string[],
  entryOf: (values: Readonly<Record<string, unknown>>) => E,
  faultOf: (entry: E) => EntryFault | undefined,
): TopicList<E> {
  const read = items.map((item, index) => {
    const path = `${name}[${index}]`;
    const problemsBefore = problems.length;
    const one = readItem(rows, item, path, problems, checks);
    const entry = entryOf(Object.fromEntries(one.values));
    // What is missing or of another type was told.
    const fault = problems.length === problemsBefore ? faultOf(entry) : undefined;
    if (fault !== undefined) {
      const { key, text } = fault;
      const place = one.keyPlaces.get(key) ?? one.place;
      problems.push(`${place}: ${path}.${key} is ${JSON.stringify(one.values.get(key))}: ${text}`);
    }
    return { item: one, entry };
  });
  return { items: read.map(({ item }) => item), entries: read.map(({ entry }) => entry) };
}
