import type { QoS, SubscriptionRequest } from "@sericite/protocol";
import type { Connection } from "./connection.ts";
import { entryError, fillNames, topicFilterFault } from "./rewrite.ts";
import type { EntryFault } from "./rewrite.ts";
import { subscribeUnasked } from "./subscribe.ts";

/** A subscription that each client gets when it connects, without asking. */
export interface AutoSubscription {
  /** `%c` stands for the Client Identifier, `%u` for the username. */
  readonly topicFilter: string;
  /** Default 0. */
  readonly qos?: QoS;
  /** Default false. */
  readonly noLocal?: boolean;
  /** Default false. */
  readonly retainAsPublished?: boolean;
  /** Default 0: retained messages are sent when the subscription is made. */
  readonly retainHandling?: 0 | 1 | 2;
}

const KEYS = ["topicFilter", "qos", "noLocal", "retainAsPublished", "retainHandling"];

/**
 * Subscribes clients when they connect, behind CONNACK and before their first packet. It is
 * authorized as if the client had asked; what is refused is told by the event `subscriptionRefused`.
 * A subscription that the session has already stays as it is.
 */
export class AutoSubscriptions {
  readonly #subscriptions: readonly SubscriptionRequest[];

  /** @throws UsageError ERR_AUTO_SUBSCRIBE says which one is wrong, and why. */
  constructor(subscriptions: readonly AutoSubscription[]) {
    this.#subscriptions = subscriptions.map(check);
  }

  /** Gives the client's session those that it does not have. */
  subscribe(connection: Connection): void {
    const { engine } = connection;
    const session = connection.session!;
    const requests: SubscriptionRequest[] = [];
    for (const subscription of this.#subscriptions) {
      const topicFilter = fillNames(subscription.topicFilter, connection);
      // A client without such a name gets nothing; one whose name is no part of a level neither.
      if (topicFilter === undefined) {
        engine.log.write("debug", "auto-subscribe-skipped", {
          clientId: connection.clientId,
          topicFilter: subscription.topicFilter,
        });
      } else if (!engine.hasSubscription(session, topicFilter))
        requests.push({ ...subscription, topicFilter });
    }
    if (requests.length > 0) subscribeUnasked(connection, requests);
  }
}

/** For these subscriptions, or `undefined` where there are none. @throws UsageError ERR_AUTO_SUBSCRIBE. */
export function autoSubscriptionsOf(
  subscriptions: readonly AutoSubscription[] | undefined,
): AutoSubscriptions | undefined {
  return subscriptions === undefined || subscriptions.length === 0
    ? undefined
    : new AutoSubscriptions(subscriptions);
}

/** Why clients cannot be subscribed by it, or `undefined`. */
export function autoSubscriptionFault(subscription: AutoSubscription): EntryFault | undefined {
  const { topicFilter, qos = 0, noLocal, retainHandling } = subscription;
  for (const key of Object.keys(subscription)) {
    if (!KEYS.includes(key))
      return { key: "", text: `there is no ${key}; there are ${KEYS.join(", ")}` };
  }
  const names = { clientId: "c", username: "u" };
  const filterFault = topicFilterFault(
    typeof topicFilter === "string" ? fillNames(topicFilter, names) : topicFilter,
  );
  if (filterFault !== undefined) return { key: "topicFilter", text: filterFault };
  for (const [key, value] of Object.entries({ qos, retainHandling: retainHandling ?? 0 })) {
    if (value !== 0 && value !== 1 && value !== 2)
      return { key, text: `expected 0, 1 or 2, got ${JSON.stringify(value)}` };
  }
  if (noLocal === true && /^\$(share|queue)\//.test(topicFilter))
    return { key: "noLocal", text: "a Shared Subscription has none" }; // [MQTT5-3.8.3-4]
  return undefined;
}

function check(subscription: AutoSubscription, index: number): SubscriptionRequest {
  const fault = autoSubscriptionFault(subscription);
  if (fault !== undefined) throw entryError("ERR_AUTO_SUBSCRIBE", `autoSubscribe[${index}]`, fault);
  const { topicFilter, qos = 0, noLocal, retainAsPublished, retainHandling } = subscription;
  return { topicFilter, qos, noLocal, retainAsPublished, retainHandling };
}
