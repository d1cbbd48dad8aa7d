import { IntegerRows } from "./integer-rows.ts";
import { IntegerTable } from "./integer-table.ts";
import { hashPair } from "./topic-hash.ts";
import { TopicLevels } from "./topic-levels.ts";

/** The node that all others are below. It has no level. */
export const rootNode = 0;

// Columns of a node. 32 bytes.
const parentColumn = 0;
const levelColumn = 1;
const valueColumn = 2;
/** One of its children; from there they go round in a ring, in the order in which they came. */
const firstColumn = 3;
const nextColumn = 4;
const previousColumn = 5;
/** How many cursors stand at it. */
const pinsColumn = 6;
const columns = 8;
const none = -1;

/**
 * The levels of Topic Names as a tree whose nodes are numbers: rows of integers, and one table of
 * the edges. A node without a value and without children is taken out, unless it is pinned: then
 * it stays where it is until it is not.
 */
export class TopicNameNodes {
  readonly levels: TopicLevels;
  readonly #seed: number;
  readonly #edges = new IntegerTable();
  readonly #rows = new IntegerRows(columns);

  constructor(seed: number) {
    this.#seed = seed;
    this.levels = new TopicLevels(seed);
    this.#clear(this.#rows.allocate());
  }

  /** Nodes below the root. */
  get size(): number {
    return this.#edges.size;
  }

  /** The value of a node; -1 where it has none. */
  value(node: number): number {
    return this.#rows.get(node, valueColumn);
  }

  setValue(node: number, value: number): void {
    this.#rows.set(node, valueColumn, value);
  }

  parent(node: number): number {
    return this.#rows.get(node, parentColumn);
  }

  /** The text of a node's level. */
  text(node: number): string {
    return this.levels.text(this.#rows.get(node, levelColumn));
  }

  /** The first child of a node, or -1. */
  firstChild(node: number): number {
    return this.#rows.get(node, firstColumn);
  }

  /** The node that follows beside `node`, or -1. */
  nextBeside(node: number): number {
    const next = this.#rows.get(node, nextColumn);
    return next === this.firstChild(this.parent(node)) ? none : next;
  }

  /** The node below `node` by the level of `topicName` that begins at `start`, or -1; `levels.end` is where that ends. */
  child(node: number, topicName: string, start: number): number {
    const level = this.levels.find(topicName, start);
    return level < 0 ? none : this.#childBy(node, level);
  }

  /** The node of a Topic Name, or -1. */
  find(topicName: string): number {
    let node: number = rootNode;
    for (let start = 0; start <= topicName.length; start = this.levels.end + 1) {
      node = this.child(node, topicName, start);
      if (node < 0) return none;
    }
    return node;
  }

  /** The node of a Topic Name, made where it was not there. */
  open(topicName: string): number {
    let node: number = rootNode;
    for (let start = 0; start <= topicName.length; start = this.levels.end + 1) {
      const child = this.child(node, topicName, start);
      node = child < 0 ? this.#add(node, this.levels.use(topicName, start)) : child;
    }
    return node;
  }

  /** A cursor stands at this node from now on. */
  pin(node: number): void {
    this.#rows.add(node, pinsColumn, 1);
  }

  /** It does no more. */
  unpin(node: number): void {
    if (this.#rows.add(node, pinsColumn, -1) === 0) this.prune(node);
  }

  /** Takes a node out that nothing is kept at nor below and that is not pinned, and all above it of which the same is true then. */
  prune(node: number): void {
    const rows = this.#rows;
    let at = node;
    while (
      at !== rootNode &&
      rows.get(at, valueColumn) === none &&
      rows.get(at, firstColumn) === none &&
      rows.get(at, pinsColumn) === 0
    ) {
      const parent = rows.get(at, parentColumn);
      const level = rows.get(at, levelColumn);
      this.#edges.remove(hashPair(parent, level, this.#seed), at);
      this.#unlink(at, parent);
      this.levels.release(level);
      rows.free(at);
      at = parent;
    }
  }

  #childBy(node: number, level: number): number {
    const rows = this.#rows;
    const hash = hashPair(node, level, this.#seed);
    for (let child = this.#edges.first(hash); child >= 0; child = this.#edges.next(hash)) {
      if (rows.get(child, parentColumn) === node && rows.get(child, levelColumn) === level)
        return child;
    }
    return none;
  }

  #add(parent: number, level: number): number {
    const rows = this.#rows;
    const node = rows.allocate();
    this.#clear(node);
    rows.set(node, parentColumn, parent);
    rows.set(node, levelColumn, level);
    this.#edges.insert(hashPair(parent, level, this.#seed), node);
    const first = rows.get(parent, firstColumn);
    if (first < 0) {
      rows.set(parent, firstColumn, node);
      rows.set(node, nextColumn, node);
      rows.set(node, previousColumn, node);
    } else {
      const last = rows.get(first, previousColumn);
      rows.set(last, nextColumn, node);
      rows.set(node, previousColumn, last);
      rows.set(node, nextColumn, first);
      rows.set(first, previousColumn, node);
    }
    return node;
  }

  #unlink(node: number, parent: number): void {
    const rows = this.#rows;
    const next = rows.get(node, nextColumn);
    if (next === node) return rows.set(parent, firstColumn, none);
    const previous = rows.get(node, previousColumn);
    rows.set(previous, nextColumn, next);
    rows.set(next, previousColumn, previous);
    if (rows.get(parent, firstColumn) === node) rows.set(parent, firstColumn, next);
  }

  #clear(node: number): void {
    this.#rows.set(node, valueColumn, none);
    this.#rows.set(node, firstColumn, none);
    this.#rows.set(node, pinsColumn, 0);
  }
}
