import { parseTopicFilter, UsageError } from "@sericite/protocol";
import type { QoS, TopicFilter } from "@sericite/protocol";
import type { TraceOptions } from "./engine/packet-trace.ts";
import { banKinds, configuredBanFault } from "./engine/bans.ts";
import type { ConfiguredBan } from "./engine/bans.ts";
import { eventNames } from "./engine/events.ts";
import { hookNames } from "./engine/hooks.ts";

/** Names that `createBroker` takes. */
const optionNames = [
  "settings",
  "authenticator",
  "authenticators",
  "hooks",
  "rewrite",
  "autoSubscribe",
  "bans",
  "log",
  "store",
  "ownership",
  "bus",
  "clock",
  "scheduler",
  "random",
];

/**
 * Refuses options that do not exist: a misspelt hook would otherwise mean that nobody is asked.
 *
 * @throws UsageError ERR_USAGE names the option and what there is.
 */
export function checkBrokerOptions(options: object): void {
  checkNames("createBroker", options, optionNames);
  const { hooks } = options as { hooks?: object | readonly object[] };
  if (hooks === undefined) return;
  for (const set of [hooks].flat() as object[]) checkNames("hooks", set, hookNames);
}

/** @throws UsageError ERR_USAGE for an event that there is not. */
export function checkEventName(name: string): void {
  if ((eventNames as readonly string[]).includes(name)) return;
  throw new UsageError(
    "ERR_USAGE",
    `there is no event ${name}; there are ${eventNames.join(", ")}`,
  );
}

/** @throws UsageError ERR_USAGE where a message could not be made of it. */
export function checkPublish(payload: unknown, qos: unknown): asserts qos is QoS {
  if (typeof payload !== "string" && !(payload instanceof Uint8Array)) {
    throw new UsageError(
      "ERR_USAGE",
      `the payload is a ${typeof payload}, expected a text or bytes (Uint8Array)`,
    );
  }
  if (qos !== 0 && qos !== 1 && qos !== 2)
    throw new UsageError("ERR_USAGE", `qos is ${String(qos)}, expected 0, 1 or 2`);
}

/** @throws UsageError ERR_USAGE where a ban could not be made of it. */
export function checkBan(kind: string, value: unknown, expiresInMs: unknown): void {
  if (!(banKinds as readonly string[]).includes(kind))
    throw new UsageError("ERR_USAGE", `bans are about ${banKinds.join(", ")}, not ${kind}`);
  if (typeof value !== "string" || value === "")
    throw new UsageError("ERR_USAGE", `a ban's ${kind} is empty or no text`);
  if (!(typeof expiresInMs === "number" && expiresInMs > 0))
    throw new UsageError("ERR_USAGE", `expiresInMs is ${String(expiresInMs)}, expected above 0`);
}

/** @throws UsageError ERR_USAGE names the first of them by which nobody could be kept out. */
export function checkConfiguredBans(bans: readonly ConfiguredBan[]): void {
  for (const [index, ban] of bans.entries()) {
    const fault = configuredBanFault(ban);
    if (fault === undefined) continue;
    throw new UsageError("ERR_USAGE", `bans[${index}].${fault.key}: ${fault.text}`);
  }
}

/** @throws UsageError ERR_USAGE, ERR_TOPIC_FILTER where nothing could be traced by it. */
export function checkTrace(options: TraceOptions): void {
  checkNames("trace", options, ["clientId", "topicFilter"]);
  const { clientId, topicFilter } = options;
  if (clientId === undefined && topicFilter === undefined)
    throw new UsageError("ERR_USAGE", "trace: expected clientId, topicFilter, or both");
  if (topicFilter === undefined) return;
  const { shareName } = traceFilter(topicFilter);
  if (shareName !== undefined)
    throw new UsageError(
      "ERR_TOPIC_FILTER",
      `${topicFilter}: expected a filter that is not shared`,
    );
}

function traceFilter(topicFilter: string): TopicFilter {
  try {
    return parseTopicFilter(topicFilter);
  } catch (cause) {
    throw new UsageError("ERR_TOPIC_FILTER", (cause as Error).message, { cause });
  }
}

function checkNames(where: string, given: object, known: readonly string[]): void {
  for (const name of Object.keys(given)) {
    if (!known.includes(name))
      throw new UsageError(
        "ERR_USAGE",
        `${where}: there is no ${name}; there are ${known.join(", ")}`,
      );
  }
}
