import { rootNode, TopicNameNodes } from "./topic-name-nodes.ts";

/** Steps that a cursor takes at most in one call, where nothing else is said. */
const defaultSteps = 1000;
const none = -1;

/**
 * Gives the values of a `TopicNameTree` that a Topic Filter matches, one at a time.
 *
 * ```ts
 * const value = cursor.next(256);
 * if (value >= 0) deliver(value);
 * else if (cursor.done) finish();
 * else goOnInALaterTurn();
 * ```
 */
export interface TopicNameCursor {
  /**
   * The next value. -1: there is no more, where `done` is true then; else `maximumSteps` were not
   * enough to come upon one, and the next call goes on from there.
   *
   * @param maximumSteps  Levels to look at, at most: what one call may cost. Default 1000.
   */
  next(maximumSteps?: number): number;
  /** Whether the end was reached. */
  readonly done: boolean;
  /** Ends it before it is done. Without that the tree keeps what it stands at for ever. */
  close(): void;
}

/**
 * Numbers by Topic Name, searched by Topic Filter: the index of retained messages. It is made of
 * rows of integers, with no object for any name, so that the garbage collector has nothing to do
 * with it.
 */
export class TopicNameTree {
  readonly #nodes: TopicNameNodes;
  #size = 0;

  /** @param options.seed  An integer that no client can guess, so that none can choose texts with equal hashes. */
  constructor(options?: { readonly seed?: number | undefined }) {
    this.#nodes = new TopicNameNodes((options?.seed ?? 0) | 0);
  }

  /** Topic Names that have a value. */
  get size(): number {
    return this.#size;
  }

  /** Levels in the tree, for tests and metrics; 0 where no Topic Name has a value and no cursor is open. */
  get nodeCount(): number {
    return this.#nodes.size;
  }

  /**
   * @param topicName  Valid.
   * @param value      0 or more; 31 bits.
   * @returns the value before, or -1.
   */
  set(topicName: string, value: number): number {
    const node = this.#nodes.open(topicName);
    const before = this.#nodes.value(node);
    this.#nodes.setValue(node, value);
    if (before < 0) this.#size += 1;
    return before;
  }

  /** @returns the value, or -1. */
  get(topicName: string): number {
    const node = this.#nodes.find(topicName);
    return node < 0 ? none : this.#nodes.value(node);
  }

  /** @returns the value that was deleted, or -1. */
  delete(topicName: string): number {
    const node = this.#nodes.find(topicName);
    const before = node < 0 ? none : this.#nodes.value(node);
    if (before < 0) return none;
    this.#nodes.setValue(node, none);
    this.#nodes.prune(node);
    this.#size -= 1;
    return before;
  }

  /**
   * A cursor over the values of all Topic Names that a Topic Filter matches, in no order that means
   * anything. The tree may change between its calls: what stays the whole time is given exactly
   * once, with the value that it has when it is reached; what is deleted before it is reached is
   * not given; what comes meanwhile may be. It holds no list of the matches.
   *
   * @param topicFilter  Valid, without a share prefix.
   */
  cursor(topicFilter: string): TopicNameCursor {
    return new Cursor(this.#nodes, topicFilter);
  }
}

/** Its way through the tree. What it stands at stays there, so that nothing has to tell it of a change. */
class Cursor implements TopicNameCursor {
  readonly #nodes: TopicNameNodes;
  readonly #filter: readonly string[];
  /** Which of its levels are wildcards. */
  readonly #isWild: readonly boolean[];
  /** For each level down to where the cursor stands, the node that is looked at next; each of them is pinned. */
  readonly #places: number[] = [];
  /** For each of them, which level of the Topic Filter it stands under. */
  readonly #depths: number[] = [];

  constructor(nodes: TopicNameNodes, topicFilter: string) {
    this.#nodes = nodes;
    this.#filter = topicFilter.split("/");
    this.#isWild = this.#filter.map((level) => level === "+" || level === "#");
    this.#enter(rootNode, 0);
  }

  get done(): boolean {
    return this.#places.length === 0;
  }

  next(maximumSteps = defaultSteps): number {
    const places = this.#places;
    for (let steps = 0; steps < maximumSteps; steps++) {
      const top = places.length - 1;
      if (top < 0) return none;
      const node = places[top] as number;
      const depth = this.#depths[top] as number;
      const beside = this.#isWild[depth] === true ? this.#nodes.nextBeside(node) : none;
      if (beside < 0) {
        places.pop();
        this.#depths.pop();
      } else {
        this.#nodes.pin(beside);
        places[top] = beside;
      }
      const value = this.#look(node, depth);
      this.#nodes.unpin(node);
      if (value >= 0) return value;
    }
    return none;
  }

  close(): void {
    for (const node of this.#places) this.#nodes.unpin(node);
    this.#places.length = 0;
    this.#depths.length = 0;
  }

  /** Goes below a node that matches so far; gives its value where the Topic Name that ends there matches. */
  #look(node: number, depth: number): number {
    const nodes = this.#nodes;
    const filter = this.#filter;
    // [MQTT5-4.7.2-1] [MQTT3-4.7.2-1]: a wildcard at the first level does not match a `$`.
    if (
      this.#isWild[0] === true &&
      nodes.parent(node) === rootNode &&
      nodes.text(node).startsWith("$")
    )
      return none;
    const last = filter.length - 1;
    if (filter[depth] === "#") this.#enter(node, depth);
    else if (depth < last) this.#enter(node, depth + 1);
    // `sport/#` matches `sport`.
    return depth === last || filter[depth + 1] === "#" ? nodes.value(node) : none;
  }

  #enter(node: number, depth: number): void {
    const child =
      this.#isWild[depth] === true
        ? this.#nodes.firstChild(node)
        : this.#nodes.child(node, this.#filter[depth] as string, 0);
    if (child < 0) return;
    this.#nodes.pin(child);
    this.#places.push(child);
    this.#depths.push(depth);
  }
}
