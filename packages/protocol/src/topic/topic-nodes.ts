import { IntegerRows } from "./integer-rows.ts";
import { IntegerTable } from "./integer-table.ts";
import { hashPair } from "./topic-hash.ts";
import { hashLevel, plusLevel, TopicLevels } from "./topic-levels.ts";

/** The node that all others are below. It has no level. */
export const rootNode = 0;

// Columns of a node. 16 bytes: it never needs two lines of the processor's cache.
const parentColumn = 0;
const levelColumn = 1;
/** Times 4: how many. Bit 0: one of them is `+`; bit 1: one of them is `#`. */
const childrenColumn = 2;
const firstColumn = 3;
const columns = 4;

const hasPlus = 1;
const hasHash = 2;
const oneChild = 4;
const none = -1;

/**
 * A tree of topic levels whose nodes are numbers: rows of integers, and one table of the edges. A
 * node has a place for one number of the tree's user.
 */
export class TopicNodes {
  readonly levels: TopicLevels;
  readonly #seed: number;
  readonly #edges = new IntegerTable();
  readonly #rows = new IntegerRows(columns);

  constructor(seed: number) {
    this.#seed = seed;
    this.levels = new TopicLevels(seed);
    const root = this.#rows.allocate();
    this.#rows.set(root, childrenColumn, 0);
    this.#rows.set(root, firstColumn, none);
  }

  /** Nodes below the root. */
  get size(): number {
    return this.#edges.size;
  }

  /** What the tree's user keeps at a node; -1 where there is nothing. */
  first(node: number): number {
    return this.#rows.get(node, firstColumn);
  }

  setFirst(node: number, first: number): void {
    this.#rows.set(node, firstColumn, first);
  }

  /** The node below `node` by a level, or -1. */
  child(node: number, level: number): number {
    const hash = hashPair(node, level, this.#seed);
    for (let child = this.#edges.first(hash); child >= 0; child = this.#edges.next(hash)) {
      if (
        this.#rows.get(child, parentColumn) === node &&
        this.#rows.get(child, levelColumn) === level
      )
        return child;
    }
    return none;
  }

  /** The node below `node` by `+`, or -1. */
  plusChild(node: number): number {
    return (this.#rows.get(node, childrenColumn) & hasPlus) === 0
      ? none
      : this.child(node, plusLevel);
  }

  /** The node below `node` by `#`, or -1. */
  hashChild(node: number): number {
    return (this.#rows.get(node, childrenColumn) & hasHash) === 0
      ? none
      : this.child(node, hashLevel);
  }

  /** Whether a node has children other than `+` and `#`. */
  hasExactChild(node: number): boolean {
    const children = this.#rows.get(node, childrenColumn);
    return children >>> 2 > (children & hasPlus) + ((children & hasHash) >>> 1);
  }

  /** The node of a topic, or -1. */
  find(topic: string): number {
    let node: number = rootNode;
    for (let start = 0; start <= topic.length; start = this.levels.end + 1) {
      const level = this.levels.find(topic, start);
      node = level < 0 ? none : this.child(node, level);
      if (node < 0) return none;
    }
    return node;
  }

  /** The node of a topic, made where it was not there. */
  open(topic: string): number {
    let node: number = rootNode;
    for (let start = 0; start <= topic.length; start = this.levels.end + 1) {
      const level = this.levels.find(topic, start);
      const child = level < 0 ? none : this.child(node, level);
      node = child < 0 ? this.#add(node, this.levels.use(topic, start)) : child;
    }
    return node;
  }

  /** Prunes `node`, where nothing is kept at it nor below, and all above that are empty then. */
  prune(node: number): void {
    let at = node;
    while (
      at !== rootNode &&
      this.#rows.get(at, firstColumn) === none &&
      this.#rows.get(at, childrenColumn) === 0
    ) {
      const parent = this.#rows.get(at, parentColumn);
      const level = this.#rows.get(at, levelColumn);
      this.#edges.remove(hashPair(parent, level, this.#seed), at);
      this.#rows.add(parent, childrenColumn, -oneChild - flag(level));
      this.levels.release(level);
      this.#rows.free(at);
      at = parent;
    }
  }

  /** The topic of a node. */
  topic(node: number): string {
    let text = this.levels.text(this.#rows.get(node, levelColumn));
    for (
      let at = this.#rows.get(node, parentColumn);
      at !== rootNode;
      at = this.#rows.get(at, parentColumn)
    ) {
      text = `${this.levels.text(this.#rows.get(at, levelColumn))}/${text}`;
    }
    return text;
  }

  #add(parent: number, level: number): number {
    const node = this.#rows.allocate();
    this.#rows.set(node, parentColumn, parent);
    this.#rows.set(node, levelColumn, level);
    this.#rows.set(node, childrenColumn, 0);
    this.#rows.set(node, firstColumn, none);
    this.#rows.add(parent, childrenColumn, oneChild + flag(level));
    this.#edges.insert(hashPair(parent, level, this.#seed), node);
    return node;
  }
}

function flag(level: number): number {
  return level === plusLevel ? hasPlus : level === hashLevel ? hasHash : 0;
}
