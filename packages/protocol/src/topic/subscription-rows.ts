import { IntegerRows } from "./integer-rows.ts";
import { IntegerTable } from "./integer-table.ts";
import { hashPair } from "./topic-hash.ts";

// Columns of a subscription. 32 bytes: it never needs two lines of the processor's cache.
const nodeColumn = 0;
const subscriberColumn = 1;
const optionsColumn = 2;
const identifierColumn = 3;
const nextAtNodeColumn = 4;
const previousAtNodeColumn = 5;
const nextOfSubscriberColumn = 6;
const previousOfSubscriberColumn = 7;
const columns = 8;

/** Subscriptions of one node that are looked through for a subscriber; more are found by a table. */
const lookedThrough = 8;
const none = -1;

/**
 * The subscriptions of a `TopicTree`, as rows of integers. Those of a node form a ring, as do those
 * of a subscriber, oldest first. The tree keeps where a node's ring begins.
 */
export class SubscriptionRows {
  readonly #rows = new IntegerRows(columns);
  readonly #seed: number;
  /** By node and subscriber, of nodes that have more than are looked through. */
  readonly #pairs = new IntegerTable();
  /** For each subscriber where its ring begins, and how many there are. */
  #subscribers = noSubscribers();

  constructor(seed: number) {
    this.#seed = seed;
  }

  node(id: number): number {
    return this.#rows.get(id, nodeColumn);
  }

  subscriber(id: number): number {
    return this.#rows.get(id, subscriberColumn);
  }

  options(id: number): number {
    return this.#rows.get(id, optionsColumn);
  }

  identifier(id: number): number {
    return this.#rows.get(id, identifierColumn);
  }

  nextAtNode(id: number): number {
    return this.#rows.get(id, nextAtNodeColumn);
  }

  /** Oldest subscription of a subscriber, or -1. */
  firstOf(subscriber: number): number {
    return this.#subscribers[subscriber * 2] ?? none;
  }

  /** The subscription of the same subscriber that follows, or -1 after the last. */
  nextOf(id: number): number {
    const next = this.#rows.get(id, nextOfSubscriberColumn);
    return next === this.firstOf(this.subscriber(id)) ? none : next;
  }

  countOf(subscriber: number): number {
    return this.#subscribers[subscriber * 2 + 1] ?? 0;
  }

  /** The subscription of a subscriber in the ring of a node, or -1. `first` is where the ring begins, -1 where there is none. */
  find(node: number, first: number, subscriber: number): number {
    if (first < 0) return none;
    let id = first;
    for (let looked = 0; looked < lookedThrough; looked++) {
      if (this.subscriber(id) === subscriber) return id;
      id = this.nextAtNode(id);
      if (id === first) return none;
    }
    const hash = hashPair(node, subscriber, this.#seed);
    for (let found = this.#pairs.first(hash); found >= 0; found = this.#pairs.next(hash)) {
      if (this.node(found) === node && this.subscriber(found) === subscriber) return found;
    }
    return none;
  }

  setOptions(id: number, options: number, identifier: number): void {
    this.#rows.set(id, optionsColumn, options);
    this.#rows.set(id, identifierColumn, identifier);
  }

  /** Makes a subscription, last in the ring of its node, which begins at `first` (-1: a new ring, which begins with it). */
  add(
    node: number,
    first: number,
    subscriber: number,
    options: number,
    identifier: number,
  ): number {
    const id = this.#rows.allocate();
    this.#rows.set(id, nodeColumn, node);
    this.#rows.set(id, subscriberColumn, subscriber);
    this.setOptions(id, options, identifier);
    this.#addToNode(id, first);
    this.#addToSubscriber(id, subscriber);
    return id;
  }

  /** Takes a subscription out; gives where the ring of its node begins now, -1 where nothing is left of it. */
  remove(id: number, first: number): number {
    const newFirst = this.#removeFromNode(id, first);
    this.#removeFromSubscriber(id);
    this.#rows.free(id);
    if (this.#rows.size === 0) this.#subscribers = noSubscribers();
    return newFirst;
  }

  #addToNode(id: number, first: number): void {
    const before = this.#countAtNode(first);
    this.#insert(id, first, nextAtNodeColumn, previousAtNodeColumn);
    if (before > lookedThrough) this.#pairs.insert(this.#pairHash(id), id);
    else if (before === lookedThrough)
      this.#forEachAtNode(first, (each) => this.#pairs.insert(this.#pairHash(each), each));
  }

  #removeFromNode(id: number, first: number): number {
    const before = this.#countAtNode(first);
    const next = this.nextAtNode(id);
    this.#takeOut(id, nextAtNodeColumn, previousAtNodeColumn);
    const newFirst = next === id ? none : first === id ? next : first;
    if (before > lookedThrough) {
      this.#pairs.remove(this.#pairHash(id), id);
      if (this.#countAtNode(newFirst) === lookedThrough)
        this.#forEachAtNode(newFirst, (each) => this.#pairs.remove(this.#pairHash(each), each));
    }
    return newFirst;
  }

  #addToSubscriber(id: number, subscriber: number): void {
    const length = this.#subscribers.length;
    if (subscriber * 2 >= length) {
      const longer = new Int32Array(
        Math.max((subscriber + 1) * 2, length + (length >> 2) * 2),
      ).fill(none, length);
      longer.set(this.#subscribers);
      this.#subscribers = longer;
    }
    const first = this.firstOf(subscriber);
    this.#insert(id, first, nextOfSubscriberColumn, previousOfSubscriberColumn);
    if (first < 0) {
      this.#subscribers[subscriber * 2] = id;
      this.#subscribers[subscriber * 2 + 1] = 1;
    } else this.#subscribers[subscriber * 2 + 1]! += 1;
  }

  #removeFromSubscriber(id: number): void {
    const subscriber = this.subscriber(id);
    const next = this.#rows.get(id, nextOfSubscriberColumn);
    this.#takeOut(id, nextOfSubscriberColumn, previousOfSubscriberColumn);
    if (this.firstOf(subscriber) === id)
      this.#subscribers[subscriber * 2] = next === id ? none : next;
    this.#subscribers[subscriber * 2 + 1]! -= 1;
  }

  /** Counts a node's subscriptions, up to one more than are looked through. */
  #countAtNode(first: number): number {
    if (first < 0) return 0;
    let count = 1;
    for (
      let id = this.nextAtNode(first);
      id !== first && count <= lookedThrough;
      id = this.nextAtNode(id)
    )
      count += 1;
    return count;
  }

  #forEachAtNode(first: number, each: (id: number) => void): void {
    let id = first;
    do {
      each(id);
      id = this.nextAtNode(id);
    } while (id !== first);
  }

  #pairHash(id: number): number {
    return hashPair(this.node(id), this.subscriber(id), this.#seed);
  }

  /** Puts `id` at the end of the ring that begins at `first`, or makes it a ring of its own. */
  #insert(id: number, first: number, nextColumn: number, previousColumn: number): void {
    const next = first < 0 ? id : first;
    const last = first < 0 ? id : this.#rows.get(first, previousColumn);
    this.#rows.set(id, nextColumn, next);
    this.#rows.set(id, previousColumn, last);
    this.#rows.set(last, nextColumn, id);
    this.#rows.set(next, previousColumn, id);
  }

  #takeOut(id: number, nextColumn: number, previousColumn: number): void {
    const next = this.#rows.get(id, nextColumn);
    const previous = this.#rows.get(id, previousColumn);
    this.#rows.set(previous, nextColumn, next);
    this.#rows.set(next, previousColumn, previous);
  }
}

function noSubscribers(): Int32Array<ArrayBuffer> {
  return new Int32Array(32).fill(none);
}
