/**
 * What a Worker does: it keeps the alarms of the page. A browser lets the timers of a page that is not
 * seen fire once a minute at most, too late for Keep Alive; those of a Worker it does not touch.
 */
const source = `const timers = {};
onmessage = ({ data: [id, delay] }) => {
  clearTimeout(timers[id]);
  timers[id] = delay < 0 ? 0 : setTimeout(() => postMessage(id), delay);
};`;

/** One for all clients of the page; it lives as long as the page. `null`: there can be none here. */
let worker: Worker | null | undefined;
/** Alarms that are set. */
const alarms = new Map<number, Alarm>();
let lastId = 0;

function start(): Worker | null {
  if (typeof Worker === "undefined") return null;
  try {
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    const started = new Worker(url);
    started.onmessage = ({ data }: MessageEvent<number>) => alarms.get(data)?.ring();
    // A Content Security Policy may forbid it; that shows here, or by an exception.
    started.onerror = () => {
      worker = null;
      for (const alarm of alarms.values()) alarm.fallBack();
    };
    return started;
  } catch {
    // Timers of the page do the same while it is seen.
    return null;
  }
}

/** An alarm that also rings in a page that is not seen, where the browser allows it. */
export class Alarm {
  readonly #id = ++lastId;
  #callback: (() => void) | undefined = undefined;
  /** By the clock of the page. */
  #due = 0;
  #timer: ReturnType<typeof setTimeout> | undefined = undefined;

  /** Rings once, in place of what was set before. */
  set(delayMs: number, callback: () => void): void {
    this.#callback = callback;
    alarms.set(this.#id, this);
    this.#due = performance.now() + delayMs;
    if (worker === undefined) worker = start();
    if (worker === null) this.fallBack();
    else worker.postMessage([this.#id, delayMs]);
  }

  clear(): void {
    if (this.#callback === undefined) return;
    this.#callback = undefined;
    alarms.delete(this.#id);
    clearTimeout(this.#timer);
    worker?.postMessage([this.#id, -1]);
  }

  /** Called when it is due. */
  ring(): void {
    const callback = this.#callback;
    this.#callback = undefined;
    alarms.delete(this.#id);
    callback?.();
  }

  /** There is no Worker: a timer of the page it is. */
  fallBack(): void {
    clearTimeout(this.#timer);
    if (this.#callback === undefined) return;
    this.#timer = setTimeout(() => this.ring(), Math.max(0, this.#due - performance.now()));
  }
}
