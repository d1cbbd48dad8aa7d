/** Bounds of a `HashQueue`. */
export interface HashQueueBounds {
  /** Longest that anybody may wait until the work is begun. Milliseconds. */
  readonly deadlineMs: number;
  /** Most tasks that may wait for their turn. */
  readonly waiting: number;
}

/** What is to be hashed, once for all that ask for it. */
interface Task {
  readonly key: string;
  readonly origin: string;
  readonly work: () => Promise<boolean>;
  readonly waiters: Set<Waiter>;
}

interface Waiter {
  readonly task: Task;
  readonly since: number;
  readonly resolve: (result: boolean | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Hashes passwords one at a time: each takes all of a core. Whoever asks for what is under way or waits already gets the same result. What
 * waits is served by turns of where it comes from, so that one address that tries passwords keeps
 * the others waiting no more than by one.
 */
export class HashQueue {
  bounds: HashQueueBounds;
  readonly #tasks = new Map<string, Task>();
  /** Tasks that wait, by origin, in the order of their turns. */
  readonly #byOrigin = new Map<string, Set<Task>>();
  /** Of tasks that wait, in the order in which they came: those that came first are late first. */
  readonly #waiters = new Set<Waiter>();
  #running: Task | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(bounds: HashQueueBounds) {
    this.bounds = bounds;
  }

  /** How many tasks wait for their turn. */
  get length(): number {
    return this.#tasks.size - (this.#running === undefined ? 0 : 1);
  }

  /**
   * Does the work when its turn has come.
   *
   * @param key  Calls with the same key share one work.
   * @param origin  Where it comes from, such as an address.
   * @returns `undefined` where too many wait, or its turn did not come in time. Work that nobody waits
   * for any more is not begun.
   */
  run(key: string, origin: string, work: () => Promise<boolean>): Promise<boolean | undefined> {
    let task = this.#tasks.get(key);
    if (task === undefined) {
      if (this.#running !== undefined && this.length >= this.bounds.waiting)
        return Promise.resolve(undefined);
      task = { key, origin, work, waiters: new Set() };
      this.#tasks.set(key, task);
      const ofOrigin = this.#byOrigin.get(origin);
      if (ofOrigin === undefined) this.#byOrigin.set(origin, new Set([task]));
      else ofOrigin.add(task);
    }
    const result = this.#wait(task);
    if (this.#running === undefined) this.#next();
    return result;
  }

  #wait(task: Task): Promise<boolean | undefined> {
    return new Promise((resolve, reject) => {
      const waiter = { task, since: performance.now(), resolve, reject };
      task.waiters.add(waiter);
      if (task === this.#running) return;
      this.#waiters.add(waiter);
      if (this.#timer === undefined) this.#watch();
    });
  }

  /** Begins the first task of the origin whose turn it is. */
  #next(): void {
    for (const [origin, ofOrigin] of this.#byOrigin) {
      const [task] = ofOrigin;
      this.#unqueue(task!);
      if (ofOrigin.size > 0) {
        this.#byOrigin.delete(origin);
        this.#byOrigin.set(origin, ofOrigin);
      }
      this.#running = task!;
      for (const waiter of task!.waiters) this.#waiters.delete(waiter);
      if (this.#waiters.size === 0) {
        clearTimeout(this.#timer);
        this.#timer = undefined;
      }
      void this.#do(task!);
      return;
    }
  }

  async #do(task: Task): Promise<void> {
    try {
      const result = await task.work();
      this.#settle(task, (waiter) => waiter.resolve(result));
    } catch (error) {
      this.#settle(task, (waiter) => waiter.reject(error));
    }
    this.#running = undefined;
    this.#next();
  }

  #settle(task: Task, tell: (waiter: Waiter) => void): void {
    this.#tasks.delete(task.key);
    for (const waiter of task.waiters) tell(waiter);
  }

  #unqueue(task: Task): void {
    const ofOrigin = this.#byOrigin.get(task.origin);
    if (ofOrigin?.delete(task) === true && ofOrigin.size === 0) this.#byOrigin.delete(task.origin);
  }

  /** Each waits for its own time, however long the task has waited: so they are not late all at once. */
  #giveUpLate(): void {
    const now = performance.now();
    for (const waiter of this.#waiters) {
      if (now - waiter.since < this.bounds.deadlineMs) return;
      const { task } = waiter;
      this.#waiters.delete(waiter);
      task.waiters.delete(waiter);
      if (task.waiters.size === 0) {
        this.#tasks.delete(task.key);
        this.#unqueue(task);
      }
      waiter.resolve(undefined);
    }
  }

  #watch(): void {
    const [oldest] = this.#waiters;
    if (oldest === undefined) {
      this.#timer = undefined;
      return;
    }
    const rest = this.bounds.deadlineMs - (performance.now() - oldest.since);
    this.#timer = setTimeout(
      () => {
        this.#giveUpLate();
        this.#watch();
      },
      Math.max(1, Math.ceil(rest)),
    );
  }
}
