import type { QoS, SubscriptionRequest } from "@sericite/protocol";
import { ProtocolError, ReasonCode, UsageError, parseTopicFilter } from "@sericite/protocol";
import { RequestError } from "./errors.ts";
import type { Mailbox } from "./mailbox.ts";
import type { ServerLimits } from "./server-limits.ts";

/** A Topic Filter with how it is subscribed to (§3.8.3.1). */
export interface TopicFilterRequest {
  readonly topicFilter: string;
  /** Highest QoS of its messages. Default: that of the call, or 0. */
  readonly qos?: QoS | undefined;
  /** 5.0: not the client's own messages. Default false. */
  readonly noLocal?: boolean | undefined;
  /** 5.0: `retain` as the publisher set it. Default false. */
  readonly retainAsPublished?: boolean | undefined;
  /** 5.0: 0 send retained messages, 1 only if the subscription is new, 2 never. Default 0. */
  readonly retainHandling?: 0 | 1 | 2 | undefined;
}

/** Who waits for the server's answer to a revision of an entry. */
export interface AnswerWaiter {
  readonly revision: number;
  /** Reason Code of the server, or why there is none. */
  readonly settle: (reasonCode: number, error?: RequestError) => void;
}

/** One Topic Filter: what is wanted of it, and what the server is known to have. */
export class FilterEntry {
  readonly topicFilter: string;
  /** What Topic Names are matched with: without a share prefix. */
  readonly matchFilter: string;
  readonly isShared: boolean;
  readonly hasWildcard: boolean;
  /** Whose messages it brings. */
  readonly mailboxes = new Set<Mailbox>();
  request: SubscriptionRequest;
  /** Subscription Identifier, 0: none. */
  identifier = 0;
  /** The identifier that the server confirmed last. */
  confirmedIdentifier = 0;
  isWanted = true;
  /** Rises with each change of what is wanted. */
  revision = 0;
  /** A SUBSCRIBE or UNSUBSCRIBE for it is not answered yet: one at a time. */
  isOutstanding = false;
  /** Whether the server has the subscription; `undefined`: not known. */
  serverHas: boolean | undefined = false;
  /** The next SUBSCRIBE changes the identifier alone: no retained messages come again. */
  isRenumbering = false;
  /** Connections in a row that the server closed while a request for it was not answered. */
  closings = 0;
  /** Time of the first of them. Milliseconds. */
  firstClosedAt = 0;
  waiters: AnswerWaiter[] = [];

  /** @throws UsageError ERR_TOPIC_FILTER */
  constructor(request: SubscriptionRequest) {
    const parsed = parsedFilter(request.topicFilter);
    this.topicFilter = request.topicFilter;
    this.matchFilter = parsed.topicFilter;
    this.isShared = parsed.shareName !== undefined;
    this.hasWildcard = parsed.hasWildcard;
    this.request = request;
  }

  /** Settles the waiters of `revision` and before. */
  answer(revision: number, reasonCode: number, error?: RequestError): void {
    const settled = this.waiters.filter((waiter) => waiter.revision <= revision);
    this.waiters = this.waiters.filter((waiter) => waiter.revision > revision);
    for (const waiter of settled) waiter.settle(reasonCode, error);
  }
}

/**
 * Makes a full request of a string or a part of one.
 *
 * @throws UsageError where it is not one, ERR_TOPIC_FILTER where the Topic Filter is none.
 */
export function subscriptionRequest(
  filter: string | TopicFilterRequest,
  defaults: Omit<TopicFilterRequest, "topicFilter">,
): SubscriptionRequest {
  const own = typeof filter === "string" ? { topicFilter: filter } : filter;
  const request = {
    topicFilter: own.topicFilter,
    qos: own.qos ?? defaults.qos ?? 0,
    noLocal: own.noLocal ?? defaults.noLocal ?? false,
    retainAsPublished: own.retainAsPublished ?? defaults.retainAsPublished ?? false,
    retainHandling: own.retainHandling ?? defaults.retainHandling ?? 0,
  };
  if (![0, 1, 2].includes(request.qos)) {
    throw new UsageError("ERR_USAGE", `qos is ${String(request.qos)}, expected 0, 1 or 2`);
  }
  if (![0, 1, 2].includes(request.retainHandling)) {
    throw new UsageError(
      "ERR_USAGE",
      `retainHandling is ${String(request.retainHandling)}, expected 0, 1 or 2`,
    );
  }
  if (parsedFilter(request.topicFilter).shareName !== undefined && request.noLocal) {
    throw new UsageError("ERR_USAGE", "noLocal cannot be had with a Shared Subscription"); // [MQTT5-3.8.3-4]
  }
  return request;
}

/** Takes a Topic Filter apart. @throws UsageError ERR_TOPIC_FILTER */
export function parsedFilter(topicFilter: string): ReturnType<typeof parseTopicFilter> {
  try {
    return parseTopicFilter(topicFilter); // [MQTT5-4.7.1-1] [MQTT5-4.8.2-1] [MQTT5-4.8.2-2]
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
    throw new UsageError(cause.code, cause.message, { cause });
  }
}

/** Why the server would refuse the entry, by what it announced; or `undefined`. */
export function subscribeRefusal(
  entry: FilterEntry,
  limits: ServerLimits,
): RequestError | undefined {
  if (entry.hasWildcard && !limits.wildcardSubscriptionAvailable) {
    return notSupported(
      "the server has no wildcard subscriptions",
      ReasonCode.wildcardSubscriptionsNotSupported,
    );
  }
  if (entry.isShared && !limits.sharedSubscriptionAvailable) {
    return notSupported(
      "the server has no Shared Subscriptions",
      ReasonCode.sharedSubscriptionsNotSupported,
    );
  }
  return undefined;
}

function notSupported(message: string, reasonCode: number): RequestError {
  return new RequestError("ERR_NOT_SUPPORTED", message, { reasonCode });
}

/** Whether a Topic Name can be matched by both. Share prefixes do not count. */
export function filtersOverlap(one: string, other: string): boolean {
  if (one === other) return true;
  const levels = one.split("/");
  const otherLevels = other.split("/");
  const shared = Math.min(levels.length, otherLevels.length);
  for (let depth = 0; depth < shared; depth++) {
    const level = levels[depth];
    const otherLevel = otherLevels[depth];
    if (level === "#" || otherLevel === "#") return true;
    if (level !== otherLevel && level !== "+" && otherLevel !== "+") return false;
  }
  if (levels.length === otherLevels.length) return true;
  // `a/#` matches `a` too.
  const longer = levels.length > shared ? levels : otherLevels;
  return longer.length === shared + 1 && longer[shared] === "#";
}
