/**
 * Takes SIGHUP, which ends a process that does not. What comes before there is anything to reload
 * waits until there is. On Windows it means that the console was closed, and is left alone.
 */
export class ReloadSignal implements Disposable {
  #isAsked = false;
  #reload: (() => void) | undefined;

  constructor() {
    if (process.platform !== "win32") process.on("SIGHUP", this.#onSignal);
  }

  readonly #onSignal = (): void => {
    if (this.#reload === undefined) this.#isAsked = true;
    else this.#run();
  };

  /** Calls `reload` soon after each signal, and soon where one came before. */
  handle(reload: () => void): void {
    this.#reload = reload;
    if (this.#isAsked) this.#run();
  }

  /** Reading the config file may take long: what was logged so far leaves first. */
  #run(): void {
    setImmediate(() => this.#reload?.());
  }

  /** Leaves the signals that are still to come without an effect: a late one must not end a broker that drains. */
  ignore(): void {
    this.#reload = () => {};
  }

  [Symbol.dispose](): void {
    process.off("SIGHUP", this.#onSignal);
  }
}
