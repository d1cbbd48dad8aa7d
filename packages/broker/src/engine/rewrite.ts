import {
  parseTopicFilter,
  topicFilterMatches,
  topicNameFault,
  UsageError,
} from "@sericite/protocol";
import { isDelayTopic } from "./delayed.ts";

/** What a rule is for: what clients publish to (Wills too), what they subscribe to, or both. */
export type RewriteAction = "publish" | "subscribe" | "all";

/** All actions there are. */
export const rewriteActions: readonly RewriteAction[] = ["publish", "subscribe", "all"];

/** Puts another topic in place of the one that a client named. */
export interface RewriteRule {
  readonly action: RewriteAction;
  /** Topic Filter of the topics that it is for. A client's Topic Filter is compared as if it were a Topic Name. */
  readonly from: string;
  /** Regular expression that the topic has to match as well. Anchor it with `^` and `$` to mean the whole topic. */
  readonly pattern: string | RegExp;
  /** What comes in place of the whole topic: `$1`…`$9` are the groups of `pattern`, `%c` the Client Identifier, `%u` the username. */
  readonly to: string;
}

/** The names that `%c` and `%u` stand for. */
export interface ClientNames {
  readonly clientId: string;
  readonly username: string | undefined;
}

interface Rule {
  readonly from: string;
  readonly pattern: RegExp;
  readonly to: string;
}

const SHARE = "$share/";
const QUEUE = "$queue/";

/**
 * Rewrites what clients publish and subscribe to. The first rule whose filter and pattern fit is
 * used, and no other one after it. Whoever asks goes on with the result alone: that is what is
 * authorized. A client for which no valid topic can be made is refused.
 */
export class TopicRewriter {
  readonly #publish: readonly Rule[];
  readonly #subscribe: readonly Rule[];

  /** @throws UsageError ERR_REWRITE_RULE says which rule is wrong, and why. */
  constructor(rules: readonly RewriteRule[]) {
    const compiled = rules.map(compile);
    const of = (action: RewriteAction): Rule[] =>
      compiled.filter(
        (_, index) => rules[index]!.action === action || rules[index]!.action === "all",
      );
    this.#publish = of("publish");
    this.#subscribe = of("subscribe");
  }

  /**
   * The Topic Name to go on with.
   *
   * @param maximumLevels  Levels that it may have.
   * @returns `undefined` where the rule makes no valid Topic Name for this client.
   */
  topicName(client: ClientNames, topicName: string, maximumLevels: number): string | undefined {
    const result = rewrite(this.#publish, client, topicName);
    if (result === topicName || result === undefined) return result;
    return topicNameFault(result, maximumLevels) === undefined && !isDelayTopic(result)
      ? result
      : undefined;
  }

  /**
   * The Topic Filter to go on with: of a Shared Subscription, what stands behind its ShareName is rewritten.
   *
   * @returns `undefined` where the rule makes no valid Topic Filter for this client.
   */
  topicFilter(client: ClientNames, topicFilter: string): string | undefined {
    const at = shareLength(topicFilter);
    const inner = at === 0 ? topicFilter : topicFilter.slice(at);
    const result = rewrite(this.#subscribe, client, inner);
    if (result === inner) return topicFilter;
    if (result === undefined || shareLength(result) > 0) return undefined;
    return topicFilterFault(result) === undefined ? topicFilter.slice(0, at) + result : undefined;
  }
}

/** A rewriter for these rules, or `undefined` where there are none. @throws UsageError ERR_REWRITE_RULE. */
export function rewriterOf(rules: readonly RewriteRule[] | undefined): TopicRewriter | undefined {
  return rules === undefined || rules.length === 0 ? undefined : new TopicRewriter(rules);
}

/**
 * Fills `%c` and `%u`.
 *
 * @returns `undefined` where the client has no such name, or it would be more than a part of one
 * level: a client that may choose its name must not reach beyond its own.
 */
export function fillNames(text: string, { clientId, username }: ClientNames): string | undefined {
  let isUsable = true;
  const filled = text.replaceAll(/%[cu]/g, (mark) => {
    const name = mark === "%c" ? clientId : username;
    if (name !== undefined && isPartOfLevel(name)) return name;
    isUsable = false;
    return "";
  });
  return isUsable ? filled : undefined;
}

/** Why it is no Topic Filter, or `undefined`. */
export function topicFilterFault(text: unknown): string | undefined {
  if (typeof text !== "string") return `is a ${typeof text}`;
  try {
    parseTopicFilter(text);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function isPartOfLevel(name: string): boolean {
  return name !== "" && !/[+#/\0]/.test(name);
}

/** @returns the topic itself where no rule fits, `undefined` where the client's names do not. */
function rewrite(rules: readonly Rule[], client: ClientNames, topic: string): string | undefined {
  for (const { from, pattern, to } of rules) {
    if (!topicFilterMatches(from, topic)) continue;
    const match = pattern.exec(topic);
    if (match === null) continue;
    let isUsable = true;
    // One pass: what a group or a name holds is not looked at again.
    const result = to.replaceAll(/\$[1-9]|%[cu]/g, (mark) => {
      if (mark.startsWith("$")) return match[Number(mark.slice(1))] ?? "";
      const name = fillNames(mark, client);
      if (name === undefined) isUsable = false;
      return name ?? "";
    });
    return isUsable ? result : undefined;
  }
  return topic;
}

/** Characters of `$share/<ShareName>/` or `$queue/` in front of a Topic Filter. */
function shareLength(topicFilter: string): number {
  if (topicFilter.charCodeAt(0) !== 36) return 0;
  if (topicFilter.startsWith(QUEUE)) return QUEUE.length;
  if (!topicFilter.startsWith(SHARE)) return 0;
  return topicFilter.indexOf("/", SHARE.length) + 1;
}

/** What is wrong with one entry of a list. */
export interface EntryFault {
  /** Empty where it is about the entry as a whole. */
  readonly key: string;
  readonly text: string;
}

/** Why it is no rule, or `undefined`. */
export function rewriteRuleFault(rule: RewriteRule): EntryFault | undefined {
  const { action, from, pattern, to } = rule;
  for (const key of Object.keys(rule))
    if (!["action", "from", "pattern", "to"].includes(key))
      return { key: "", text: `there is no ${key}; there are action, from, pattern, to` };
  if (!rewriteActions.includes(action)) {
    const text = `expected one of ${rewriteActions.join(", ")}, got ${JSON.stringify(action)}`;
    return { key: "action", text };
  }
  const filterFault = topicFilterFault(from);
  if (filterFault !== undefined) return { key: "from", text: filterFault };
  if (shareLength(from) > 0) {
    const text = `expected a Topic Filter without ${from.slice(0, shareLength(from))}`;
    return { key: "from", text };
  }
  if (typeof to !== "string" || to === "")
    return { key: "to", text: "expected a text that is not empty" };
  if (typeof pattern !== "string" && !(pattern instanceof RegExp)) {
    const text = `expected a regular expression, got ${JSON.stringify(pattern)}`;
    return { key: "pattern", text };
  }
  try {
    expressionOf(pattern);
    return undefined;
  } catch (error) {
    return { key: "pattern", text: error instanceof Error ? error.message : String(error) };
  }
}

function expressionOf(pattern: string | RegExp): RegExp {
  if (typeof pattern === "string") return new RegExp(pattern, "u");
  // Without `g` and `y`, which would begin where the topic before left off.
  return new RegExp(pattern.source, pattern.flags.replaceAll(/[gy]/g, ""));
}

function compile(rule: RewriteRule, index: number): Rule {
  const fault = rewriteRuleFault(rule);
  if (fault !== undefined) throw entryError("ERR_REWRITE_RULE", `rewrite[${index}]`, fault);
  const { from, pattern, to } = rule;
  return { from, pattern: expressionOf(pattern), to };
}

/** The error that says what is wrong with the entry at `path`. */
export function entryError(
  code: "ERR_REWRITE_RULE" | "ERR_AUTO_SUBSCRIBE",
  path: string,
  { key, text }: EntryFault,
): UsageError {
  return new UsageError(code, `${path}${key === "" ? "" : `.${key}`}: ${text}`);
}
