import { LevelChildren } from "./level-children.ts";
import { levelText } from "./level-text.ts";

/** Steps that a cursor takes at most in one call, where nothing else is said. */
const defaultSteps = 1000;

/**
 * Gives the values of a `TopicNameTree` that a Topic Filter matches, one at a time.
 *
 * ```ts
 * const message = cursor.next(256);
 * if (message !== undefined) deliver(message);
 * else if (cursor.done) finish();
 * else goOnInALaterTurn();
 * ```
 */
export interface TopicNameCursor<T> {
  /**
   * The next value. `undefined`: there is no more, where `done` is true then; else `maximumSteps`
   * were not enough to come upon one, and the next call goes on from there.
   *
   * @param maximumSteps  Levels to look at, at most: what one call may cost. Default 1000.
   */
  next(maximumSteps?: number): T | undefined;
  /** Whether the end was reached. */
  readonly done: boolean;
}

/** One level of one or more Topic Names. Only one that leads to a value is in the tree. */
class Level<T> {
  readonly text: string;
  readonly parent: Level<T> | undefined;
  /** Of the Topic Name that ends here. */
  value: T | undefined = undefined;
  /** An only child stands here itself; the first that joins it makes them a map, until none is left. */
  children: Level<T> | LevelChildren<Level<T>> | undefined = undefined;

  constructor(text: string, parent: Level<T> | undefined) {
    this.text = text;
    this.parent = parent;
  }

  child(text: string): Level<T> | undefined {
    const { children } = this;
    if (children instanceof LevelChildren) return children.get(text);
    return children?.text === text ? children : undefined;
  }

  add(child: Level<T>): void {
    const { children } = this;
    if (children === undefined) this.children = child;
    else if (children instanceof LevelChildren) children.add(child);
    else {
      this.children = new LevelChildren();
      this.children.add(children);
      this.children.add(child);
    }
  }

  remove(child: Level<T>): void {
    const { children } = this;
    if (children instanceof LevelChildren) children.remove(child);
    if (children === child || (children as LevelChildren<Level<T>>).size === 0)
      this.children = undefined;
  }
}

/** Values by Topic Name, searched by Topic Filter: what retained messages are kept in. */
export class TopicNameTree<T> {
  readonly #root = new Level<T>("", undefined);
  #size = 0;

  /** Topic Names that have a value. */
  get size(): number {
    return this.#size;
  }

  /**
   * @param topicName  Valid.
   * @param value      Not `undefined`.
   * @returns the value before.
   */
  set(topicName: string, value: T): T | undefined {
    let level = this.#root;
    for (let start = 0; start <= topicName.length;) {
      const end = levelEnd(topicName, start);
      let child = level.child(topicName.slice(start, end));
      if (child === undefined) {
        child = new Level(levelText(topicName, start, end), level);
        level.add(child);
      }
      level = child;
      start = end + 1;
    }
    const before = level.value;
    level.value = value;
    if (before === undefined) this.#size += 1;
    return before;
  }

  get(topicName: string): T | undefined {
    return this.#find(topicName)?.value;
  }

  /** @returns the value that was deleted. */
  delete(topicName: string): T | undefined {
    let level = this.#find(topicName);
    const before = level?.value;
    if (level === undefined || before === undefined) return undefined;
    level.value = undefined;
    this.#size -= 1;
    while (
      level.value === undefined &&
      level.children === undefined &&
      level.parent !== undefined
    ) {
      level.parent.remove(level);
      level = level.parent;
    }
    return before;
  }

  /**
   * A cursor over the values of all Topic Names that a Topic Filter matches, in no order that means
   * anything. The tree may change between its calls: what stays the whole time is given exactly
   * once, with the value that it has when it is reached; what is deleted before it is reached is
   * not given; what comes meanwhile may be. It holds no list of the matches, and may be dropped at
   * any time.
   *
   * @param topicFilter  Valid, without a share prefix.
   */
  cursor(topicFilter: string): TopicNameCursor<T> {
    return new Cursor(this.#root, topicFilter.split("/"));
  }

  #find(topicName: string): Level<T> | undefined {
    let level: Level<T> | undefined = this.#root;
    for (let start = 0; level !== undefined && start <= topicName.length;) {
      const end = levelEnd(topicName, start);
      level = level.child(topicName.slice(start, end));
      start = end + 1;
    }
    return level;
  }
}

/** Levels beside each other that are still to be looked at. */
interface Frame<T> {
  readonly rest: Iterator<Level<T>, undefined>;
  /** Which level of the Topic Filter they stand under. */
  readonly depth: number;
}

class Cursor<T> implements TopicNameCursor<T> {
  readonly #filter: readonly string[];
  /** One for each level down to where the cursor stands. */
  readonly #frames: Frame<T>[] = [];

  constructor(root: Level<T>, filter: readonly string[]) {
    this.#filter = filter;
    this.#enter(root, 0);
  }

  get done(): boolean {
    return this.#frames.length === 0;
  }

  next(maximumSteps = defaultSteps): T | undefined {
    for (let steps = 0; steps < maximumSteps; steps++) {
      const frame = this.#frames.at(-1);
      if (frame === undefined) return undefined;
      const level = frame.rest.next().value;
      if (level === undefined) this.#frames.pop();
      else {
        const value = this.#look(level, frame.depth);
        if (value !== undefined) return value;
      }
    }
    return undefined;
  }

  /** Goes below a level that matches so far; gives its value where the Topic Name that ends there matches. */
  #look(level: Level<T>, depth: number): T | undefined {
    const filter = this.#filter;
    // [MQTT5-4.7.2-1] [MQTT3-4.7.2-1]: a wildcard at the first level does not match a `$`.
    if (
      level.parent?.parent === undefined &&
      level.text.startsWith("$") &&
      level.text !== filter[0]
    )
      return undefined;
    const isRest = filter[depth] === "#";
    const last = filter.length - 1;
    if (isRest) this.#enter(level, depth);
    else if (depth < last) this.#enter(level, depth + 1);
    // `sport/#` matches `sport`.
    return depth === last || filter[depth + 1] === "#" ? level.value : undefined;
  }

  #enter(level: Level<T>, depth: number): void {
    const { children } = level;
    const text = this.#filter[depth] as string;
    if (text !== "+" && text !== "#") this.#push(level.child(text), depth);
    else if (children instanceof LevelChildren)
      this.#frames.push({ rest: children.values(), depth });
    else this.#push(children, depth);
  }

  #push(only: Level<T> | undefined, depth: number): void {
    if (only !== undefined) this.#frames.push({ rest: [only].values(), depth });
  }
}

function levelEnd(topicName: string, start: number): number {
  const end = topicName.indexOf("/", start);
  return end < 0 ? topicName.length : end;
}
