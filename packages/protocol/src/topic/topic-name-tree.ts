/** What a `TopicNameTree` gives one at a time. */
export interface TopicNameCursor<T> {
  /**
   * The next value, or `undefined` where there is none within `maximumSteps` names and levels
   * looked at: the end where `done` is true then; else call again, best in a later turn.
   *
   * @param maximumSteps  Default 1000.
   */
  next(maximumSteps?: number): T | undefined;
  /** Whether all was given. */
  readonly done: boolean;
}

/** One level of one or more Topic Names. */
class Level<T> {
  readonly text: string;
  readonly parent: Level<T> | undefined;
  value: T | undefined = undefined;
  /** One child stands here alone; from the second on they are a map, until none is left. */
  children: Level<T> | Map<string, Level<T>> | undefined = undefined;

  constructor(text: string, parent: Level<T> | undefined) {
    this.text = text;
    this.parent = parent;
  }

  child(text: string): Level<T> | undefined {
    const { children } = this;
    if (children instanceof Map) return children.get(text);
    return children?.text === text ? children : undefined;
  }

  add(text: string): Level<T> {
    const child = new Level<T>(text, this);
    if (this.children === undefined) this.children = child;
    else if (this.children instanceof Map) this.children.set(text, child);
    else
      this.children = new Map([
        [this.children.text, this.children],
        [text, child],
      ]);
    return child;
  }

  remove(child: Level<T>): void {
    if (this.children instanceof Map) {
      this.children.delete(child.text);
      if (this.children.size === 0) this.children = undefined;
    } else this.children = undefined;
  }
}

/** Values by Topic Name, searched by Topic Filter: the retained messages. */
export class TopicNameTree<T> {
  readonly #root = new Level<T>("", undefined);
  #size = 0;

  /** Topic Names with a value. */
  get size(): number {
    return this.#size;
  }

  /**
   * @param value  Not `undefined`.
   * @returns the value before.
   */
  set(topicName: string, value: T): T | undefined {
    let level = this.#root;
    for (const text of topicName.split("/")) level = level.child(text) ?? level.add(text);
    const previous = level.value;
    if (previous === undefined) this.#size += 1;
    level.value = value;
    return previous;
  }

  get(topicName: string): T | undefined {
    return this.#find(topicName)?.value;
  }

  /** @returns the value that was deleted. */
  delete(topicName: string): T | undefined {
    let level = this.#find(topicName);
    const previous = level?.value;
    if (level === undefined || previous === undefined) return undefined;
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
    return previous;
  }

  /**
   * A cursor over the values of all Topic Names that a Topic Filter matches. Between its calls the
   * tree may change: what stays the whole time is given exactly once, what is deleted before it is
   * reached is not given, what comes may be. It holds no copy of the matches, and may be dropped.
   */
  cursor(topicFilter: string): TopicNameCursor<T> {
    return new Cursor(this.#root, topicFilter.split("/"));
  }

  #find(topicName: string): Level<T> | undefined {
    let level: Level<T> | undefined = this.#root;
    for (const text of topicName.split("/")) {
      level = level.child(text);
      if (level === undefined) return undefined;
    }
    return level;
  }
}

/** Children of a level that are still to be looked at. */
interface Frame<T> {
  readonly rest: Iterator<Level<T>>;
  /** Index of the filter's level that they have to match. */
  readonly depth: number;
}

class Cursor<T> implements TopicNameCursor<T> {
  readonly #filter: readonly string[];
  readonly #frames: Frame<T>[] = [];
  #done = false;

  constructor(root: Level<T>, filter: readonly string[]) {
    this.#filter = filter;
    this.#enter(root, 0);
  }

  get done(): boolean {
    return this.#done;
  }

  next(maximumSteps = 1000): T | undefined {
    for (let steps = 0; steps < maximumSteps; steps++) {
      const frame = this.#frames.at(-1);
      if (frame === undefined) {
        this.#done = true;
        return undefined;
      }
      const result = frame.rest.next();
      if (result.done === true) this.#frames.pop();
      else {
        const value = this.#look(result.value, frame.depth);
        if (value !== undefined) return value;
      }
    }
    return undefined;
  }

  /** Looks at a level that matches the filter's level `depth`; gives its value where it is a match. */
  #look(level: Level<T>, depth: number): T | undefined {
    if (depth === 0 && level.text.startsWith("$") && this.#filter[0] !== level.text)
      return undefined; // [MQTT5-4.7.2-1] [MQTT3-4.7.2-1]
    if (this.#filter[depth] === "#") {
      this.#enter(level, depth);
      return level.value;
    }
    const last = this.#filter.length - 1;
    if (depth < last) this.#enter(level, depth + 1);
    // `a/#` matches `a`.
    return depth === last || (depth === last - 1 && this.#filter[last] === "#")
      ? level.value
      : undefined;
  }

  #enter(level: Level<T>, depth: number): void {
    const { children } = level;
    if (children === undefined) return;
    const text = this.#filter[depth] as string;
    if (text !== "+" && text !== "#") {
      const child = level.child(text);
      if (child !== undefined) this.#frames.push({ rest: [child].values(), depth });
    } else {
      this.#frames.push({
        rest: children instanceof Map ? children.values() : [children].values(),
        depth,
      });
    }
  }
}
