/**
 * Tells listeners what happened. Events only tell: what a listener returns is ignored, and one that
 * throws does not keep the others from being called.
 *
 * @typeParam Events  Names of the events, each with what its listeners get.
 */
export class EventListeners<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<(event: never) => void>>();
  readonly #onError: (error: unknown) => void;

  /** @param onError  Gets what a listener threw. */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** Calls `listener` at each `name`, until what is returned is disposed. */
  on<Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void): Disposable {
    // A function of its own, so that the same listener given twice is called twice.
    const own = (event: Events[Name]): void => listener(event);
    let listeners = this.#listeners.get(name);
    if (listeners === undefined) this.#listeners.set(name, (listeners = new Set()));
    listeners.add(own);
    return { [Symbol.dispose]: () => void listeners.delete(own) };
  }

  /** Whether anybody listens to `name`. */
  has(name: keyof Events): boolean {
    return (this.#listeners.get(name)?.size ?? 0) > 0;
  }

  /** Calls the listeners of `name` in the order in which they came. */
  emit<Name extends keyof Events>(name: Name, event: Events[Name]): void {
    const listeners = this.#listeners.get(name);
    if (listeners === undefined) return;
    for (const listener of [...listeners]) {
      try {
        (listener as (event: Events[Name]) => void)(event);
      } catch (error) {
        this.#onError(error);
      }
    }
  }
}
