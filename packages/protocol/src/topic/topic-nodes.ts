import { IntegerTable } from "./integer-table.ts";
import { hashPair } from "./topic-hash.ts";
import { grown, hashLevel, plusLevel, TopicLevels } from "./topic-levels.ts";

/** The node that all others are below. It has no level. */
export const rootNode = 0;

// Columns of a node. They stand beside each other, so that a node is one line of the cache.
const width = 4;
const parentColumn = 0;
const levelColumn = 1;
/** Times 4: how many. Bit 0: one of them is `+`; bit 1: one of them is `#`. */
const childrenColumn = 2;
const firstColumn = 3;

const hasPlus = 1;
const hasHash = 2;
const oneChild = 4;
const none = -1;

/**
 * A tree of topic levels whose nodes are numbers. Nodes are integer columns and edges one
 * open-addressed table: a million of them are a handful of arrays.
 */
export class TopicNodes {
  readonly #seed: number;
  readonly levels: TopicLevels;
  #edges = new IntegerTable();
  #columns = Int32Array.of(none, none, 0, none);
  #length = 1;
  /** Nodes that are free again, linked by their parent column. */
  #free = none;

  constructor(seed: number) {
    this.#seed = seed;
    this.levels = new TopicLevels(seed);
  }

  /** Nodes below the root. */
  get size(): number {
    return this.#edges.size;
  }

  /** What the user of the tree keeps at a node: a number, -1 where there is none. */
  first(node: number): number {
    return this.#columns[node * width + firstColumn] as number;
  }

  setFirst(node: number, first: number): void {
    this.#columns[node * width + firstColumn] = first;
  }

  /** The node below `node` by a level, or -1. */
  child(node: number, level: number): number {
    const hash = hashPair(node, level, this.#seed);
    const columns = this.#columns;
    for (let at = this.#edges.seek(hash, -1); at >= 0; at = this.#edges.seek(hash, at)) {
      const child = this.#edges.at(hash, at);
      if (columns[child * width + parentColumn] === node && columns[child * width + levelColumn] === level) return child;
    }
    return none;
  }

  /** The node below `node` by `+`, or -1. */
  plusChild(node: number): number {
    return ((this.#columns[node * width + childrenColumn] as number) & hasPlus) === 0 ? none : this.child(node, plusLevel);
  }

  /** The node below `node` by `#`, or -1. */
  hashChild(node: number): number {
    return ((this.#columns[node * width + childrenColumn] as number) & hasHash) === 0 ? none : this.child(node, hashLevel);
  }

  /** Whether a node has children other than `+` and `#`. */
  hasExactChild(node: number): boolean {
    const children = this.#columns[node * width + childrenColumn] as number;
    return children >>> 2 > (children & hasPlus) + ((children & hasHash) >>> 1);
  }

  /** The node of a topic, or -1. */
  find(topic: string): number {
    let node: number = rootNode;
    for (let start = 0; ; ) {
      const end = levelEnd(topic, start);
      const level = this.levels.find(topic, start, end);
      if (level < 0) return none;
      node = this.child(node, level);
      if (node < 0 || end === topic.length) return node;
      start = end + 1;
    }
  }

  /** The node of a topic, made where it was not there. */
  open(topic: string): number {
    let node: number = rootNode;
    for (let start = 0; ; ) {
      const end = levelEnd(topic, start);
      const known = this.levels.find(topic, start, end);
      const child = known < 0 ? none : this.child(node, known);
      node = child < 0 ? this.#add(node, this.levels.use(topic, start, end)) : child;
      if (end === topic.length) return node;
      start = end + 1;
    }
  }

  /** Prunes `node`, where nothing is kept at it nor below, and all above that are empty then. */
  prune(node: number): void {
    let at = node;
    while (at !== rootNode) {
      const columns = this.#columns;
      if (columns[at * width + firstColumn] !== none || columns[at * width + childrenColumn] !== 0) return;
      const parent = columns[at * width + parentColumn] as number;
      const level = columns[at * width + levelColumn] as number;
      this.#edges.remove(hashPair(parent, level, this.#seed), at);
      columns[parent * width + childrenColumn]! -= oneChild + flag(level);
      this.levels.release(level);
      columns[at * width + parentColumn] = this.#free;
      columns[at * width + levelColumn] = none;
      this.#free = at;
      at = parent;
    }
    if (this.#edges.size === 0) {
      // Nothing is left: give back what the most that ever was needed.
      this.#columns = this.#columns.slice(0, width);
      this.#length = 1;
      this.#free = none;
    }
  }

  /** The topic of a node. */
  topic(node: number): string {
    let text = this.levels.text(this.#columns[node * width + levelColumn] as number);
    for (let at = this.#columns[node * width + parentColumn] as number; at !== rootNode; at = this.#columns[at * width + parentColumn] as number) {
      text = `${this.levels.text(this.#columns[at * width + levelColumn] as number)}/${text}`;
    }
    return text;
  }

  #add(parent: number, level: number): number {
    let node = this.#free;
    if (node < 0) {
      node = this.#length++;
      if (this.#length * width > this.#columns.length) this.#columns = grown(this.#columns, this.#length * width);
    } else this.#free = this.#columns[node * width + parentColumn] as number;
    const columns = this.#columns;
    columns[node * width + parentColumn] = parent;
    columns[node * width + levelColumn] = level;
    columns[node * width + childrenColumn] = 0;
    columns[node * width + firstColumn] = none;
    columns[parent * width + childrenColumn]! += oneChild + flag(level);
    this.#edges.insert(hashPair(parent, level, this.#seed), node);
    return node;
  }
}

function flag(level: number): number {
  return level === plusLevel ? hasPlus : level === hashLevel ? hasHash : 0;
}

/** Where the level that begins at `start` ends: the next slash, or the end. */
export function levelEnd(topic: string, start: number): number {
  const end = topic.indexOf("/", start);
  return end < 0 ? topic.length : end;
}
