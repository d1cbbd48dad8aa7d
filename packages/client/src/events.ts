type Listener = (event: never) => void;

/**
 * Tells listeners what happened. Events only tell: what a listener returns is ignored, and one that
 * throws does not keep the others from being called.
 *
 * @typeParam Events  Names of the events, each with what its listeners get.
 */
export class EventListeners<Events extends object> {
  /** Each call of `on` is an entry, so that the same listener given twice is called twice. */
  readonly #listeners = new Map<keyof Events, readonly { readonly listener: Listener }[]>();
  readonly #onError: (error: unknown) => void;

  /** @param onError  Gets what a listener threw. */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** Calls `listener` at each `name`, until what is returned is disposed, or `off` is called. */
  on<Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void): Disposable {
    const entry = { listener: listener as Listener };
    this.#listeners.set(name, [...this.#of(name), entry]);
    return { [Symbol.dispose]: () => this.#keep(name, (one) => one !== entry) };
  }

  /** Calls `listener` no more, however often it was given. */
  off<Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void): void {
    this.#keep(name, (one) => one.listener !== listener);
  }

  #of(name: keyof Events): readonly { readonly listener: Listener }[] {
    return this.#listeners.get(name) ?? [];
  }

  #keep(name: keyof Events, isKept: (entry: { readonly listener: Listener }) => boolean): void {
    this.#listeners.set(name, this.#of(name).filter(isKept));
  }

  /** Whether anybody listens to `name`. */
  has(name: keyof Events): boolean {
    return this.#of(name).length > 0;
  }

  /** Calls the listeners of `name` in the order in which they came. */
  emit<Name extends keyof Events>(name: Name, event: Events[Name]): void {
    // Those of now: a listener may add and remove others.
    for (const { listener } of this.#of(name)) {
      try {
        listener(event as never);
      } catch (error) {
        this.#onError(error);
      }
    }
  }
}
