import { UsageError } from "../errors.ts";
import { IntegerTable } from "./integer-table.ts";
import { MatchGenerations } from "./match-generations.ts";
import { hashPair } from "./topic-hash.ts";
import { grown } from "./topic-levels.ts";
import { levelEnd, rootNode, TopicNodes } from "./topic-nodes.ts";

/** Number of a subscription in a `TopicTree`; given again once the subscription was removed. */
export type SubscriptionId = number;

// Columns of a subscription.
const width = 8;
const nodeColumn = 0;
const subscriberColumn = 1;
const optionsColumn = 2;
const identifierColumn = 3;
/** The subscriptions of a node are a ring, as are those of a subscriber; oldest first. */
const nextAtNodeColumn = 4;
const previousAtNodeColumn = 5;
const nextOfSubscriberColumn = 6;
const previousOfSubscriberColumn = 7;

// Columns of a subscriber.
const subscriberWidth = 2;
const firstColumn = 0;
const countColumn = 1;

const none = -1;

/** Subscriptions of one node that are looked through; more are found by a table. */
const lookedThrough = 8;
/** Subscriptions of one subscriber that `removeSubscriber` clears out at once. */
const removedAtOnce = 64;

/**
 * Which subscriptions match a Topic Name. The work of a match grows with the levels of the Topic
 * Name and with what matches, not with the Topic Filters that do not.
 *
 * Subscribers and subscriptions are numbers. A subscriber is what the caller makes it: a session, a
 * group of a Shared Subscription, another node.
 */
export class TopicTree {
  /** When a Topic Name's matches last changed: what `MatchCache` asks. */
  readonly generations = new MatchGenerations();
  readonly #seed: number;
  readonly #nodes: TopicNodes;
  /** Subscriptions by node and subscriber, of nodes that have more than `lookedThrough`. */
  #pairs = new IntegerTable();
  #columns = new Int32Array(16 * width);
  #length = 0;
  /** Subscriptions that are free again, linked by their node column. */
  #free = none;
  #size = 0;
  #subscribers = new Int32Array(16 * subscriberWidth).fill(none);
  /** Subscribers that were removed and not yet cleared out, oldest first. */
  readonly #removed = new Set<number>();
  /** Nodes that the levels so far lead to, and those of the next level. */
  #reached = new Int32Array(16);
  #following = new Int32Array(16);
  #isMatching = false;

  /** @param options.seed  A number that no client can guess, so that none can choose texts with equal hashes. */
  constructor(options?: { readonly seed?: number | undefined }) {
    this.#seed = (options?.seed ?? 0) | 0;
    this.#nodes = new TopicNodes(this.#seed);
  }

  /** Subscriptions, without those of removed subscribers that are not swept yet. */
  get size(): number {
    return this.#size;
  }

  /** Nodes of the tree, for tests and metrics. 0 where nothing is subscribed. */
  get nodeCount(): number {
    return this.#nodes.size;
  }

  /**
   * Adds a subscription. One of the same subscriber with an equal Topic Filter is replaced and
   * keeps its number; `find` tells beforehand.
   *
   * @param topicFilter  Valid, without a share prefix.
   * @param subscriber   A number from 0 on; keep them dense.
   * @param options      0…255, what the caller packs into it.
   * @param identifier   Subscription Identifier; 0: none.
   */
  add(topicFilter: string, subscriber: number, options: number, identifier: number): SubscriptionId {
    this.#refuseWhileMatching();
    if (!Number.isInteger(subscriber) || subscriber < 0) throw new UsageError("ERR_USAGE", `subscriber is ${subscriber}, expected a whole number from 0 on`);
    if (this.#removed.has(subscriber)) throw new UsageError("ERR_USAGE", `subscriber ${subscriber} was removed and is not swept yet`);
    const node = this.#nodes.open(topicFilter);
    const known = this.#findAt(node, subscriber);
    if (known >= 0) {
      this.update(known, options, identifier);
      return known;
    }
    const id = this.#allocate();
    const columns = this.#columns;
    columns[id * width + nodeColumn] = node;
    columns[id * width + subscriberColumn] = subscriber;
    columns[id * width + optionsColumn] = options;
    columns[id * width + identifierColumn] = identifier;
    this.#linkAtNode(id, node);
    this.#linkOfSubscriber(id, subscriber);
    this.#size += 1;
    this.generations.reserve(this.#size);
    this.generations.raise(topicFilter);
    return id;
  }

  /** Gives a subscription new options and Subscription Identifier. */
  update(id: SubscriptionId, options: number, identifier: number): void {
    this.#columns[id * width + optionsColumn] = options;
    this.#columns[id * width + identifierColumn] = identifier;
    this.generations.raise(this.topicFilterOf(id));
  }

  /** The subscription of a subscriber with this Topic Filter, or -1. */
  find(topicFilter: string, subscriber: number): SubscriptionId | -1 {
    const node = this.#nodes.find(topicFilter);
    if (node < 0 || this.#removed.has(subscriber)) return none;
    return this.#findAt(node, subscriber);
  }

  /** Removes a subscription; `id` is free to be given again. */
  remove(id: SubscriptionId): void {
    this.#refuseWhileMatching();
    this.generations.raise(this.topicFilterOf(id));
    this.#size -= 1;
    this.#clearOut(id);
  }

  /**
   * Calls `visit` with every subscription that matches, in no order that means anything. A
   * subscriber with several that overlap comes once for each. `visit` must not change the tree, nor
   * match.
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
    return this.#columns[id * width + subscriberColumn] as number;
  }

  optionsOf(id: SubscriptionId): number {
    return this.#columns[id * width + optionsColumn] as number;
  }

  identifierOf(id: SubscriptionId): number {
    return this.#columns[id * width + identifierColumn] as number;
  }

  /** Made anew at each call. */
  topicFilterOf(id: SubscriptionId): string {
    return this.#nodes.topic(this.#columns[id * width + nodeColumn] as number);
  }

  /** The oldest subscription of a subscriber, or -1. */
  firstOf(subscriber: number): SubscriptionId | -1 {
    return this.#removed.has(subscriber) ? none : this.#firstOf(subscriber);
  }

  /** The subscription of the same subscriber that follows, or -1. */
  nextOf(id: SubscriptionId): SubscriptionId | -1 {
    const next = this.#columns[id * width + nextOfSubscriberColumn] as number;
    return next === this.#firstOf(this.subscriberOf(id)) ? none : next;
  }

  /** How many subscriptions a subscriber has. */
  countOf(subscriber: number): number {
    return this.#removed.has(subscriber) ? 0 : this.#countOf(subscriber);
  }

  /**
   * Removes all subscriptions of a subscriber: none of them is matched again. Many are cleared out
   * by `sweep`; until then the number must not be used again.
   */
  removeSubscriber(subscriber: number): void {
    this.#refuseWhileMatching();
    if (this.#removed.has(subscriber)) return;
    const count = this.#countOf(subscriber);
    if (count > removedAtOnce) {
      this.#removed.add(subscriber);
      this.#size -= count;
      this.generations.raiseAll();
      return;
    }
    for (let id = this.#firstOf(subscriber); id >= 0; id = this.#firstOf(subscriber)) this.remove(id);
  }

  /** Whether a subscriber's number may be used: it is not removed, or all of it was cleared out. */
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
      for (let id = this.#firstOf(subscriber); id >= 0; id = this.#firstOf(subscriber)) {
        if (steps <= 0) return true;
        steps -= 1;
        this.#clearOut(id);
      }
      this.#removed.delete(subscriber);
    }
    return false;
  }

  #refuseWhileMatching(): void {
    if (this.#isMatching) throw new UsageError("ERR_USAGE", "the tree was used from inside the visitor of match");
  }

  #match(topicName: string, visit: (id: SubscriptionId) => void): void {
    const nodes = this.#nodes;
    let count = 1;
    this.#reached[0] = rootNode;
    // [MQTT5-4.7.2-1] [MQTT3-4.7.2-1]: a wildcard at the first level does not match a `$`.
    let wildcards = topicName.charCodeAt(0) !== 0x24;
    for (let start = 0; ; ) {
      const end = levelEnd(topicName, start);
      const level = nodes.levels.find(topicName, start, end);
      if (this.#following.length < count * 2) this.#following = new Int32Array(count * 4);
      const reached = this.#reached;
      const following = this.#following;
      let followingCount = 0;
      for (let index = 0; index < count; index++) {
        const node = reached[index] as number;
        if (wildcards) {
          const below = nodes.hashChild(node);
          if (below >= 0) this.#visit(below, visit);
          const plus = nodes.plusChild(node);
          if (plus >= 0) following[followingCount++] = plus;
        }
        if (level >= 0 && nodes.hasExactChild(node)) {
          const child = nodes.child(node, level);
          if (child >= 0) following[followingCount++] = child;
        }
      }
      this.#reached = following;
      this.#following = reached;
      count = followingCount;
      if (count === 0) return;
      if (end === topicName.length) break;
      start = end + 1;
      wildcards = true;
    }
    for (let index = 0; index < count; index++) {
      const node = this.#reached[index] as number;
      this.#visit(node, visit);
      const below = nodes.hashChild(node); // `a/#` matches `a`
      if (below >= 0) this.#visit(below, visit);
    }
  }

  #visit(node: number, visit: (id: SubscriptionId) => void): void {
    const first = this.#nodes.first(node);
    if (first < 0) return;
    let id = first;
    do {
      if (this.#removed.size === 0 || !this.#removed.has(this.subscriberOf(id))) visit(id);
      id = this.#columns[id * width + nextAtNodeColumn] as number;
    } while (id !== first);
  }

  #findAt(node: number, subscriber: number): SubscriptionId | -1 {
    const columns = this.#columns;
    const first = this.#nodes.first(node);
    if (first < 0) return none;
    let id = first;
    for (let looked = 0; looked < lookedThrough; looked++) {
      if (columns[id * width + subscriberColumn] === subscriber) return id;
      id = columns[id * width + nextAtNodeColumn] as number;
      if (id === first) return none;
    }
    const hash = hashPair(node, subscriber, this.#seed);
    for (let at = this.#pairs.seek(hash, -1); at >= 0; at = this.#pairs.seek(hash, at)) {
      const found = this.#pairs.at(hash, at);
      if (columns[found * width + nodeColumn] === node && columns[found * width + subscriberColumn] === subscriber) return found;
    }
    return none;
  }

  /** How many subscriptions a node has, counted to `lookedThrough + 1` at most. */
  #countAtNode(first: number): number {
    if (first < 0) return 0;
    let count = 1;
    for (let id = this.#columns[first * width + nextAtNodeColumn]; id !== first && count <= lookedThrough; id = this.#columns[(id as number) * width + nextAtNodeColumn]) count += 1;
    return count;
  }

  #linkAtNode(id: SubscriptionId, node: number): void {
    const first = this.#nodes.first(node);
    const before = this.#countAtNode(first);
    if (first < 0) {
      this.#nodes.setFirst(node, id);
      this.#columns[id * width + nextAtNodeColumn] = id;
      this.#columns[id * width + previousAtNodeColumn] = id;
      return;
    }
    insertBefore(this.#columns, id, first, nextAtNodeColumn, previousAtNodeColumn);
    if (before > lookedThrough) this.#pairs.insert(this.#pairHash(id), id);
    else if (before === lookedThrough) this.#forEachAtNode(first, (each) => this.#pairs.insert(this.#pairHash(each), each));
  }

  #unlinkAtNode(id: SubscriptionId, node: number): void {
    const columns = this.#columns;
    const first = this.#nodes.first(node);
    const before = this.#countAtNode(first);
    const next = columns[id * width + nextAtNodeColumn] as number;
    if (before > lookedThrough) this.#pairs.remove(this.#pairHash(id), id);
    takeOut(columns, id, nextAtNodeColumn, previousAtNodeColumn);
    const newFirst = next === id ? none : first === id ? next : first;
    this.#nodes.setFirst(node, newFirst);
    if (before > lookedThrough && this.#countAtNode(newFirst) === lookedThrough) {
      this.#forEachAtNode(newFirst, (each) => this.#pairs.remove(this.#pairHash(each), each));
    }
  }

  #forEachAtNode(first: number, each: (id: SubscriptionId) => void): void {
    let id = first;
    do {
      each(id);
      id = this.#columns[id * width + nextAtNodeColumn] as number;
    } while (id !== first);
  }

  #pairHash(id: SubscriptionId): number {
    return hashPair(this.#columns[id * width + nodeColumn] as number, this.#columns[id * width + subscriberColumn] as number, this.#seed);
  }

  #firstOf(subscriber: number): number {
    return this.#subscribers[subscriber * subscriberWidth + firstColumn] ?? none;
  }

  #countOf(subscriber: number): number {
    return this.#firstOf(subscriber) < 0 ? 0 : (this.#subscribers[subscriber * subscriberWidth + countColumn] as number);
  }

  #linkOfSubscriber(id: SubscriptionId, subscriber: number): void {
    const needed = (subscriber + 1) * subscriberWidth;
    if (needed > this.#subscribers.length) {
      const length = this.#subscribers.length;
      this.#subscribers = grown(this.#subscribers, needed).fill(none, length);
    }
    const first = this.#firstOf(subscriber);
    const at = subscriber * subscriberWidth;
    if (first < 0) {
      this.#subscribers[at + firstColumn] = id;
      this.#subscribers[at + countColumn] = 1;
      this.#columns[id * width + nextOfSubscriberColumn] = id;
      this.#columns[id * width + previousOfSubscriberColumn] = id;
    } else {
      insertBefore(this.#columns, id, first, nextOfSubscriberColumn, previousOfSubscriberColumn);
      this.#subscribers[at + countColumn]! += 1;
    }
  }

  #unlinkOfSubscriber(id: SubscriptionId, subscriber: number): void {
    const at = subscriber * subscriberWidth;
    const next = this.#columns[id * width + nextOfSubscriberColumn] as number;
    takeOut(this.#columns, id, nextOfSubscriberColumn, previousOfSubscriberColumn);
    if (this.#subscribers[at + firstColumn] === id) this.#subscribers[at + firstColumn] = next === id ? none : next;
    this.#subscribers[at + countColumn]! -= 1;
  }

  #allocate(): SubscriptionId {
    const id = this.#free;
    if (id >= 0) {
      this.#free = this.#columns[id * width + nodeColumn] as number;
      return id;
    }
    if ((this.#length + 1) * width > this.#columns.length) this.#columns = grown(this.#columns, (this.#length + 1) * width);
    return this.#length++;
  }

  #clearOut(id: SubscriptionId): void {
    const node = this.#columns[id * width + nodeColumn] as number;
    this.#unlinkAtNode(id, node);
    this.#unlinkOfSubscriber(id, this.subscriberOf(id));
    this.#nodes.prune(node);
    this.#columns[id * width + nodeColumn] = this.#free;
    this.#free = id;
    if (this.#nodes.size === 0) {
      // Nothing is left: give back what the most that ever was needed.
      this.#columns = new Int32Array(16 * width);
      this.#length = 0;
      this.#free = none;
      this.#subscribers = new Int32Array(16 * subscriberWidth).fill(none);
    }
  }
}

/** Puts `id` into a ring, before `first`: at its end. */
function insertBefore(columns: Int32Array, id: number, first: number, nextColumn: number, previousColumn: number): void {
  const last = columns[first * width + previousColumn] as number;
  columns[id * width + nextColumn] = first;
  columns[id * width + previousColumn] = last;
  columns[last * width + nextColumn] = id;
  columns[first * width + previousColumn] = id;
}

function takeOut(columns: Int32Array, id: number, nextColumn: number, previousColumn: number): void {
  const next = columns[id * width + nextColumn] as number;
  const previous = columns[id * width + previousColumn] as number;
  columns[previous * width + nextColumn] = next;
  columns[next * width + previousColumn] = previous;
}
