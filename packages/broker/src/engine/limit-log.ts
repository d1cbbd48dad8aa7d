import type { Log } from "./ports.ts";

/** Time in which one limit logs one line. Milliseconds. */
const QUIET_MS = 10_000;

interface Said {
  at: number;
  /** Not said since. */
  unsaid: number;
}

/**
 * Lines of the log about limits that were met: of each limit one in ten seconds, which says how many
 * there were since the last. Whoever floods the broker does not flood the log.
 */
export class LimitLog {
  readonly #log: Log;
  readonly #said = new Map<string, Said>();

  constructor(log: Log) {
    this.#log = log;
  }

  /**
   * @param limit  Path of the setting, such as `limits.connectRate`.
   * @param now  Engine time. Milliseconds.
   * @param fields  Who met it, and what was done.
   */
  write(limit: string, now: number, fields: Readonly<Record<string, unknown>>): void {
    const said = this.#said.get(limit);
    if (said === undefined) this.#said.set(limit, { at: now, unsaid: 0 });
    else if (now - said.at < QUIET_MS) {
      said.unsaid++;
      return;
    }
    this.#log.write("warn", "limit-reached", {
      limit,
      ...fields,
      ...(said !== undefined && said.unsaid > 0 && { unsaid: said.unsaid }),
    });
    if (said !== undefined) Object.assign(said, { at: now, unsaid: 0 });
  }
}
