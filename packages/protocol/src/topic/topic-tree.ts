import { UsageError } from "../errors.ts";
import { MatchGenerations } from "./match-generations.ts";
import { SubscriptionRows } from "./subscription-rows.ts";
import { rootNode, TopicNodes } from "./topic-nodes.ts";

/** Number of a subscription in a `TopicTree`; given again once the subscription was removed. */
export type SubscriptionId = number;

/** Subscriptions of one subscriber that `removeSubscriber` clears out at once. */
const removedAtOnce = 64;
const dollar = 0x24;
const none = -1;

/**
 * Which subscriptions match a Topic Name. The work of a match grows with the levels of the Topic
 * Name and with what matches, not with the Topic Filters that do not.
 *
 * Subscribers and subscriptions are numbers. A subscriber is what the caller makes it: a session, a
 * group of a Shared Subscription, another node of a cluster.
 */
export class TopicTree {
  /** When the matches of a Topic Name last changed: what `MatchCache` asks. */
  readonly generations = new MatchGenerations();
  readonly #nodes: TopicNodes;
  /** A node's number in `#nodes` is where its ring of subscriptions begins. */
  readonly #subscriptions: SubscriptionRows;
  #size = 0;
  /** Subscribers that were removed and not yet cleared out, oldest first. */
  readonly #removed = new Set<number>();
  /** Nodes that the levels so far lead to, and those that one level more leads to. */
  #reached = new Int32Array(16);
  #following = new Int32Array(16);
  #isMatching = false;

  /** @param options.seed  An integer that no client can guess, so that none can choose texts with equal hashes. */
  constructor(options?: { readonly seed?: number | undefined }) {
    const seed = (options?.seed ?? 0) | 0;
    this.#nodes = new TopicNodes(seed);
    this.#subscriptions = new SubscriptionRows(seed);
  }

  /** Subscriptions, without those of removed subscribers that are not swept yet. */
  get size(): number {
    return this.#size;
  }

  /** Nodes of the tree, for tests and metrics; 0 where nothing is subscribed. */
  get nodeCount(): number {
    return this.#nodes.size;
  }

  /**
   * Adds a subscription. One of the same subscriber with an equal Topic Filter is replaced and
   * keeps its number; `find` tells beforehand.
   *
   * @param topicFilter  Valid, without a share prefix.
   * @param subscriber   A number from 0 on; there is memory for all below it, so keep them dense.
   * @param options      0…255: what the caller packs into it.
   * @param identifier   Subscription Identifier; 0: none.
   * @throws UsageError ERR_USAGE where the subscriber was removed and is not swept yet.
   */
  add(
    topicFilter: string,
    subscriber: number,
    options: number,
    identifier: number,
  ): SubscriptionId {
    this.#refuseWhileMatching();
    if (!Number.isSafeInteger(subscriber) || subscriber < 0)
      throw new UsageError(
        "ERR_USAGE",
        `subscriber is ${subscriber}, expected a whole number from 0 on`,
      );
    if (this.#removed.has(subscriber))
      throw new UsageError(
        "ERR_USAGE",
        `subscriber ${subscriber} was removed and is not swept yet`,
      );
    const node = this.#nodes.open(topicFilter);
    const first = this.#nodes.first(node);
    let id = this.#subscriptions.find(node, first, subscriber);
    if (id >= 0) this.#subscriptions.setOptions(id, options, identifier);
    else {
      id = this.#subscriptions.add(node, first, subscriber, options, identifier);
      if (first < 0) this.#nodes.setFirst(node, id);
      this.#size += 1;
      this.generations.reserve(this.#size);
    }
    this.generations.raise(topicFilter);
    return id;
  }

  /** Gives a subscription new options and Subscription Identifier. */
  update(id: SubscriptionId, options: number, identifier: number): void {
    this.#subscriptions.setOptions(id, options, identifier);
    this.generations.raise(this.topicFilterOf(id));
  }

  /** The subscription of a subscriber with this Topic Filter, or -1. */
  find(topicFilter: string, subscriber: number): SubscriptionId {
    const node = this.#nodes.find(topicFilter);
    if (node < 0 || this.#removed.has(subscriber)) return none;
    return this.#subscriptions.find(node, this.#nodes.first(node), subscriber);
  }

  /** Removes a subscription; its number is free to be given again. */
  remove(id: SubscriptionId): void {
    this.#refuseWhileMatching();
    this.generations.raise(this.topicFilterOf(id));
    this.#size -= 1;
    this.#clearOut(id);
  }

  /**
   * Calls `visit` with every subscription that matches. A subscriber with several that overlap
   * comes once for each. `visit` must not change the tree, nor match.
   *
   * @param topicName  Valid.
   */
  match(topicName: string, visit: (id: SubscriptionId) => void): void {
    this.#refuseWhileMatching();
    this.#isMatching = true;
    try {
      this.#match(topicName, visit);
    } finally {
      this.#isMatching = false;
    }
  }

  subscriberOf(id: SubscriptionId): number {
    return this.#subscriptions.subscriber(id);
  }

  optionsOf(id: SubscriptionId): number {
    return this.#subscriptions.options(id);
  }

  identifierOf(id: SubscriptionId): number {
    return this.#subscriptions.identifier(id);
  }

  /** Made anew at each call. */
  topicFilterOf(id: SubscriptionId): string {
    return this.#nodes.topic(this.#subscriptions.node(id));
  }

  /** The oldest subscription of a subscriber, or -1. */
  firstOf(subscriber: number): SubscriptionId {
    return this.#removed.has(subscriber) ? none : this.#subscriptions.firstOf(subscriber);
  }

  /** The subscription of the same subscriber that follows, or -1. Look it up before you remove `id`. */
  nextOf(id: SubscriptionId): SubscriptionId {
    return this.#subscriptions.nextOf(id);
  }

  /** How many subscriptions a subscriber has. */
  countOf(subscriber: number): number {
    return this.#removed.has(subscriber) ? 0 : Math.max(this.#subscriptions.countOf(subscriber), 0);
  }

  /**
   * Removes all subscriptions of a subscriber: from now on none of them matches. Many are left for
   * `sweep` to clear out; the subscriber's number must not be used again before `isSwept`.
   */
  removeSubscriber(subscriber: number): void {
    this.#refuseWhileMatching();
    const count = this.countOf(subscriber);
    if (count > removedAtOnce) {
      this.#removed.add(subscriber);
      this.#size -= count;
      this.generations.raiseAll();
      return;
    }
    for (let id = this.firstOf(subscriber); id >= 0; id = this.firstOf(subscriber)) this.remove(id);
  }

  /** Whether a subscriber's number may be used: nothing is left of one that was removed. */
  isSwept(subscriber: number): boolean {
    return !this.#removed.has(subscriber);
  }

  /**
   * Clears out subscriptions of removed subscribers.
   *
   * @param maximumSteps  Subscriptions to clear out at most.
   * @returns whether some are left.
   */
  sweep(maximumSteps: number): boolean {
    this.#refuseWhileMatching();
    let steps = maximumSteps;
    for (const subscriber of this.#removed) {
      for (
        let id = this.#subscriptions.firstOf(subscriber);
        id >= 0;
        id = this.#subscriptions.firstOf(subscriber)
      ) {
        if (steps <= 0) return true;
        steps -= 1;
        this.#clearOut(id);
      }
      this.#removed.delete(subscriber);
    }
    return false;
  }

  #clearOut(id: SubscriptionId): void {
    const node = this.#subscriptions.node(id);
    const first = this.#nodes.first(node);
    const newFirst = this.#subscriptions.remove(id, first);
    if (newFirst !== first) this.#nodes.setFirst(node, newFirst);
    if (newFirst < 0) this.#nodes.prune(node);
  }

  #refuseWhileMatching(): void {
    if (this.#isMatching)
      throw new UsageError("ERR_USAGE", "the tree was used from inside the visitor of match");
  }

  #match(topicName: string, visit: (id: SubscriptionId) => void): void {
    const nodes = this.#nodes;
    const levels = nodes.levels;
    let count = 1;
    this.#reached[0] = rootNode;
    for (let start = 0; start <= topicName.length; start = levels.end + 1) {
      const level = levels.find(topicName, start);
      // [MQTT5-4.7.2-1] [MQTT3-4.7.2-1]: a wildcard at the first level does not match a `$`.
      const matchesWildcard = start > 0 || topicName.charCodeAt(0) !== dollar;
      if (this.#following.length < count * 2) this.#following = new Int32Array(count * 4);
      const reached = this.#reached;
      const following = this.#following;
      let followingCount = 0;
      for (let index = 0; index < count; index++) {
        const node = reached[index] as number;
        if (matchesWildcard) {
          const rest = nodes.hashChild(node);
          if (rest >= 0) this.#visit(rest, visit);
          const any = nodes.plusChild(node);
          if (any >= 0) following[followingCount++] = any;
        }
        if (level >= 0 && nodes.hasExactChild(node)) {
          const child = nodes.child(node, level);
          if (child >= 0) following[followingCount++] = child;
        }
      }
      if (followingCount === 0) return;
      this.#reached = following;
      this.#following = reached;
      count = followingCount;
    }
    for (let index = 0; index < count; index++) {
      const node = this.#reached[index] as number;
      this.#visit(node, visit);
      const rest = nodes.hashChild(node); // `sport/#` matches `sport`
      if (rest >= 0) this.#visit(rest, visit);
    }
  }

  #visit(node: number, visit: (id: SubscriptionId) => void): void {
    const first = this.#nodes.first(node);
    if (first < 0) return;
    let id = first;
    do {
      if (this.#removed.size === 0 || !this.#removed.has(this.#subscriptions.subscriber(id)))
        visit(id);
      id = this.#subscriptions.nextAtNode(id);
    } while (id !== first);
  }
}
