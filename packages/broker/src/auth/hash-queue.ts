/** Bounds of a `HashQueue`. */
export interface HashQueueBounds {
  /** Longest that one may wait for its turn. Milliseconds. */
  readonly deadlineMs: number;
  /** Most that may wait. */
  readonly waiting: number;
}

interface Waiting {
  readonly origin: string;
  readonly since: number;
  readonly begin: () => void;
  readonly giveUp: () => void;
}

/**
 * Hashes passwords one at a time: each takes a thread of the pool that the store flushes with, and
 * all of a core. What waits is served by turns of where it comes from, so that one address that
 * tries passwords keeps the others waiting no more than by one.
 */
export class HashQueue {
  bounds: HashQueueBounds;
  /** In the order in which they came. */
  readonly #waiting = new Set<Waiting>();
  /** The same by origin, in the order of their turns. */
  readonly #byOrigin = new Map<string, Set<Waiting>>();
  #isBusy = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(bounds: HashQueueBounds) {
    this.bounds = bounds;
  }

  /** How many wait for their turn. */
  get length(): number {
    return this.#waiting.size;
  }

  /**
   * Does the work when its turn has come.
   *
   * @param origin  Where it comes from, such as an address.
   * @returns `undefined` where too many wait, or its turn did not come in time: the work is not done then.
   */
  async run<V>(origin: string, work: () => Promise<V>): Promise<V | undefined> {
    if (this.#isBusy) {
      if (this.#waiting.size >= this.bounds.waiting) return undefined;
      const hasTurn = await new Promise<boolean>((resolve) =>
        this.#add({
          origin,
          since: performance.now(),
          begin: () => resolve(true),
          giveUp: () => resolve(false),
        }),
      );
      if (!hasTurn) return undefined;
    }
    this.#isBusy = true;
    try {
      return await work();
    } finally {
      this.#isBusy = false;
      this.#next();
    }
  }

  #add(one: Waiting): void {
    this.#waiting.add(one);
    const ofOrigin = this.#byOrigin.get(one.origin);
    if (ofOrigin === undefined) this.#byOrigin.set(one.origin, new Set([one]));
    else ofOrigin.add(one);
    if (this.#timer === undefined) this.#watch();
  }

  #remove(one: Waiting): void {
    this.#waiting.delete(one);
    const ofOrigin = this.#byOrigin.get(one.origin)!;
    ofOrigin.delete(one);
    if (ofOrigin.size === 0) this.#byOrigin.delete(one.origin);
    if (this.#waiting.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #next(): void {
    this.#giveUpLate();
    for (const [origin, ofOrigin] of this.#byOrigin) {
      const [one] = ofOrigin;
      this.#remove(one!);
      if (ofOrigin.size > 0) {
        this.#byOrigin.delete(origin);
        this.#byOrigin.set(origin, ofOrigin);
      }
      // Nobody may come between: the promise of its turn settles later than this call.
      this.#isBusy = true;
      one!.begin();
      return;
    }
  }

  /** Those that came first are late first. */
  #giveUpLate(): void {
    const now = performance.now();
    for (const one of this.#waiting) {
      if (now - one.since < this.bounds.deadlineMs) return;
      this.#remove(one);
      one.giveUp();
    }
  }

  #watch(): void {
    const [oldest] = this.#waiting;
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
