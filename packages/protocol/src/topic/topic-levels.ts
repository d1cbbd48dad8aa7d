import { IntegerTable } from "./integer-table.ts";
import { hashText } from "./topic-hash.ts";

/** Number of the level `+`. */
export const plusLevel = 0;
/** Number of the level `#`. */
export const hashLevel = 1;

/** The texts between the slashes, each kept once and known by a number. */
export class TopicLevels {
  readonly #seed: number;
  #table = new IntegerTable();
  #texts: string[] = [];
  #uses = new Int32Array(16);
  /** Numbers that are free again. */
  #free: number[] = [];

  constructor(seed: number) {
    this.#seed = seed;
    this.use("+", 0, 1);
    this.use("#", 0, 1);
  }

  /** Levels known, `+` and `#` not counted. */
  get size(): number {
    return this.#table.size - 2;
  }

  text(level: number): string {
    return this.#texts[level] as string;
  }

  /** The number of the level that stands in `topic` from `start` to `end`, or -1. */
  find(topic: string, start: number, end: number): number {
    const hash = hashText(topic, start, end, this.#seed);
    for (let at = this.#table.seek(hash, -1); at >= 0; at = this.#table.seek(hash, at)) {
      const level = this.#table.at(hash, at);
      if (isText(this.#texts[level] as string, topic, start, end)) return level;
    }
    return -1;
  }

  /** The number of the level, which is kept until it was released as often as it was used. */
  use(topic: string, start: number, end: number): number {
    let level = this.find(topic, start, end);
    if (level < 0) {
      level = this.#free.pop() ?? this.#texts.length;
      this.#texts[level] = copyText(topic, start, end);
      this.#table.insert(hashText(topic, start, end, this.#seed), level);
      if (level >= this.#uses.length) this.#uses = grown(this.#uses, level + 1);
    }
    this.#uses[level]! += 1;
    return level;
  }

  release(level: number): void {
    this.#uses[level]! -= 1;
    if (this.#uses[level] !== 0) return;
    const text = this.#texts[level] as string;
    this.#table.remove(hashText(text, 0, text.length, this.#seed), level);
    this.#texts[level] = "";
    this.#free.push(level);
    if (this.size === 0) {
      this.#texts.length = 2;
      this.#free = [];
      this.#uses = this.#uses.slice(0, 2);
    }
  }
}

/** A longer copy: half as long again, or as long as is needed. */
export function grown(column: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const longer = new Int32Array(Math.max(length, Math.ceil(column.length * 1.5)));
  longer.set(column);
  return longer;
}

function isText(text: string, topic: string, start: number, end: number): boolean {
  if (text.length !== end - start) return false;
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) !== topic.charCodeAt(start + index)) return false;
  return true;
}

/** A part of `topic` that does not keep all of it in memory, as `slice` may. */
function copyText(topic: string, start: number, end: number): string {
  if (end - start < 13 || end - start > 1024) return topic.slice(start, end);
  const units: number[] = [];
  for (let index = start; index < end; index++) units.push(topic.charCodeAt(index));
  return String.fromCharCode(...units);
}
