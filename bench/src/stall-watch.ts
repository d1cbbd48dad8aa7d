import { openSync, readSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";

/**
 * How long the event loop stood still. On a machine that others use too, most of a long stall may
 * be theirs: so the longest stretch of this thread's own work is told beside it, where the system
 * counts it (Linux, to a few milliseconds).
 */
export class StallWatch {
  readonly #delay = monitorEventLoopDelay({ resolution: 1 });
  readonly #work = ownWork();
  readonly #timer: NodeJS.Timeout;
  #before: number | undefined;
  #longestWork = 0;

  constructor() {
    this.#delay.enable();
    this.#before = this.#work?.();
    this.#timer = setInterval(() => this.#look(), 1);
  }

  /** Ends the watch. @returns what is to be printed. */
  end(): string {
    this.#delay.disable();
    clearInterval(this.#timer);
    const [p99, most] = [this.#delay.percentile(99), this.#delay.max].map((ns) =>
      (ns / 1e6).toFixed(1),
    );
    const own =
      this.#work === undefined ? "" : `, most own work ${this.#longestWork.toFixed(1)} ms`;
    return `stall p99 ${p99} ms, most ${most} ms${own}`;
  }

  #look(): void {
    const now = this.#work?.();
    if (now === undefined || this.#before === undefined) return;
    this.#longestWork = Math.max(this.#longestWork, now - this.#before);
    this.#before = now;
  }
}

/** What gives the time that this thread has spent on a CPU, in milliseconds; `undefined` where nothing does. */
function ownWork(): (() => number) | undefined {
  if (process.platform !== "linux") return undefined;
  const statistics = openSync(`/proc/self/task/${process.pid}/schedstat`, "r");
  const bytes = Buffer.alloc(64);
  return () => {
    const length = readSync(statistics, bytes, 0, bytes.length, 0);
    return Number.parseInt(bytes.toString("latin1", 0, length), 10) / 1e6;
  };
}
