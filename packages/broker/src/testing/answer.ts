import type { SimulatedProcess } from "./event-scheduler.ts";

type State<T> = { readonly value: T } | { readonly reason: unknown };

/**
 * A promise whose reactions run as events of a simulated process, so that the simulation and not
 * the platform decides when they run. Ports of a simulation answer with it.
 */
export class Answer<T> implements Promise<T> {
  readonly [Symbol.toStringTag] = "Promise";
  readonly #process: SimulatedProcess;
  #state: State<T> | undefined;
  #reactions: ((state: State<T>) => void)[] = [];
  #seen = false;

  constructor(process: SimulatedProcess) {
    this.#process = process;
  }

  /** One that settles after `delayMs` with what `work` gives or throws at that moment. */
  static after<T>(process: SimulatedProcess, delayMs: number, work: () => T): Answer<T> {
    const answer = new Answer<T>(process);
    process.post(() => {
      let value: T;
      try {
        value = work();
      } catch (reason) {
        answer.reject(reason);
        return;
      }
      answer.resolve(value);
    }, delayMs);
    return answer;
  }

  /** Settles it. Reactions run at once: call it from inside an event. A second call does nothing. */
  resolve(value: T): void {
    this.#settle({ value });
  }

  /** Settles it with an error, which fails the simulation if nobody asked for it. */
  reject(reason: unknown): void {
    this.#settle({ reason });
  }

  #settle(state: State<T>): void {
    if (this.#state !== undefined) return;
    this.#state = state;
    const reactions = this.#reactions;
    this.#reactions = [];
    for (const reaction of reactions) reaction(state);
    if ("reason" in state && !this.#seen) {
      this.#process.post(() => {
        if (!this.#seen) this.#process.fail(state.reason);
      });
    }
  }

  // oxlint-disable-next-line unicorn/no-thenable -- it stands for a promise, which is the point
  then<R = T, E = never>(
    onFulfilled?: ((value: T) => R | PromiseLike<R>) | null,
    onRejected?: ((reason: unknown) => E | PromiseLike<E>) | null,
  ): Promise<R | E> {
    const derived = new Answer<R | E>(this.#process);
    this.#seen = true;
    const react = (state: State<T>): void => {
      let result: unknown;
      try {
        if ("value" in state) result = onFulfilled ? onFulfilled(state.value) : state.value;
        else if (onRejected) result = onRejected(state.reason);
        else throw state.reason;
      } catch (reason) {
        derived.reject(reason);
        return;
      }
      if (isThenable(result)) {
        result.then(
          (value) => derived.resolve(value as R | E),
          (reason: unknown) => derived.reject(reason),
        );
      } else {
        derived.resolve(result as R | E);
      }
    };
    const state = this.#state;
    // Never from inside `then`, as with any promise.
    if (state === undefined) this.#reactions.push(react);
    else this.#process.post(() => react(state));
    return derived;
  }

  catch<E = never>(onRejected?: ((reason: unknown) => E | PromiseLike<E>) | null): Promise<T | E> {
    return this.then(undefined, onRejected);
  }

  finally(onFinally?: (() => void) | null): Promise<T> {
    return this.then(
      (value) => {
        onFinally?.();
        return value;
      },
      (reason: unknown) => {
        onFinally?.();
        throw reason;
      },
    );
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    "then" in value &&
    typeof value.then === "function"
  );
}
