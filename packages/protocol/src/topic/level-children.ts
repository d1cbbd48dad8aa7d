import { beginHash, mixHash, stepHash } from "./topic-hash.ts";

/** Children from which on the map is divided. */
const divideAt = 16_384;
const partCount = 64;

/** What `LevelChildren` holds: something with the text of its level. */
interface HasText {
  readonly text: string;
}

/**
 * The children of one level by their text. A level may have a million: from some thousand on they
 * are many maps, so that no call has to move them all.
 */
export class LevelChildren<L extends HasText> {
  #parts: Map<string, L>[] = [new Map()];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(text: string): L | undefined {
    return this.#part(text).get(text);
  }

  /** Adds a child whose text is not there. */
  add(child: L): void {
    if (this.#size === divideAt && this.#parts.length === 1) this.#divide();
    this.#part(child.text).set(child.text, child);
    this.#size += 1;
  }

  /** Takes out a child that is there. */
  remove(child: L): void {
    this.#part(child.text).delete(child.text);
    this.#size -= 1;
  }

  /**
   * Gives every child that is there from the first call to the last exactly once. One that is taken
   * out meanwhile may still be given, and one that is added may be left out.
   */
  values(): Iterator<L, undefined> {
    return new Values(this.#parts);
  }

  #part(text: string): Map<string, L> {
    const parts = this.#parts;
    if (parts.length === 1) return parts[0] as Map<string, L>;
    let hash = beginHash(0);
    for (let index = 0; index < text.length; index++) hash = stepHash(hash, text.charCodeAt(index));
    return parts[mixHash(hash) & (partCount - 1)] as Map<string, L>;
  }

  /** The one map stays as it is, for those who are on their way through it. */
  #divide(): void {
    const whole = this.#parts[0] as Map<string, L>;
    this.#parts = Array.from({ length: partCount }, () => new Map<string, L>());
    for (const child of whole.values()) this.#part(child.text).set(child.text, child);
  }
}

/** One map after the other; a generator takes several times as long for each child. */
class Values<L> implements Iterator<L, undefined> {
  readonly #parts: readonly Map<string, L>[];
  #next = 0;
  #values: MapIterator<L> | undefined = undefined;

  constructor(parts: readonly Map<string, L>[]) {
    this.#parts = parts;
  }

  next(): IteratorResult<L, undefined> {
    for (;;) {
      const result = this.#values?.next();
      if (result !== undefined && result.done !== true) return result;
      const part = this.#parts[this.#next++];
      if (part === undefined) return { done: true, value: undefined };
      this.#values = part.values();
    }
  }
}
