import { IntegerRows } from "./integer-rows.ts";
import { IntegerTable } from "./integer-table.ts";
import { levelText } from "./level-text.ts";
import { beginHash, mixHash, stepHash } from "./topic-hash.ts";

/** Number of the level `+`. */
export const plusLevel = 0;
/** Number of the level `#`. */
export const hashLevel = 1;

const usesColumn = 0;
const slash = 0x2f;
const none = -1;

/**
 * The texts between the slashes of topics, each kept once and known by a number. Looking one up
 * takes it from where it stands in the topic: no string is made.
 */
export class TopicLevels {
  /** Where the level that was last looked up ends in its topic: at the next slash, or the topic's end. */
  end = 0;
  readonly #seed: number;
  readonly #table = new IntegerTable();
  readonly #rows = new IntegerRows(1);
  readonly #texts: string[] = [];
  /** Hash of the level that was last looked up. */
  #hash = 0;

  constructor(seed: number) {
    this.#seed = seed;
    this.use("+", 0);
    this.use("#", 0);
  }

  /** Levels known, `+` and `#` not counted. */
  get size(): number {
    return this.#rows.size - 2;
  }

  text(level: number): string {
    return this.#texts[level] as string;
  }

  /** The number of the level that begins at `start`, or -1; `end` is where it ends. */
  find(topic: string, start: number): number {
    let hash = beginHash(this.#seed);
    let end = start;
    for (; end < topic.length; end++) {
      const unit = topic.charCodeAt(end);
      if (unit === slash) break;
      hash = stepHash(hash, unit);
    }
    hash = mixHash(hash);
    this.end = end;
    this.#hash = hash;
    for (let level = this.#table.first(hash); level >= 0; level = this.#table.next(hash)) {
      if (isText(this.#texts[level] as string, topic, start, end)) return level;
    }
    return none;
  }

  /** As `find`, but the level is known from now on, until it was released as often as it was used. */
  use(topic: string, start: number): number {
    let level = this.find(topic, start);
    if (level < 0) {
      level = this.#rows.allocate();
      this.#rows.set(level, usesColumn, 0);
      this.#texts[level] = levelText(topic, start, this.end);
      this.#table.insert(this.#hash, level);
    }
    this.#rows.add(level, usesColumn, 1);
    return level;
  }

  release(level: number): void {
    if (this.#rows.add(level, usesColumn, -1) > 0) return;
    this.find(this.text(level), 0);
    this.#table.remove(this.#hash, level);
    this.#texts[level] = "";
    this.#rows.free(level);
    if (this.size === 0) this.#texts.length = 2;
  }
}

function isText(text: string, topic: string, start: number, end: number): boolean {
  if (text.length !== end - start) return false;
  for (let index = 0; index < text.length; index++)
    if (text.charCodeAt(index) !== topic.charCodeAt(start + index)) return false;
  return true;
}
