import type { Log, LogLevel } from "./ports.ts";

/** Time in which there is one line about one thing. Milliseconds. */
const QUIET_MS = 10_000;

interface Said {
  at: number;
  /** Not said since. */
  unsaid: number;
}

/**
 * Lines of the log that a client could have written as often as it likes: about limits that it met,
 * and hooks that fail when they are asked about it. Of each limit and hook there is one in ten
 * seconds, which says how many there were since the last. Whoever floods the broker does not flood
 * the log.
 */
export class QuietLog {
  readonly #log: Log;
  readonly #said = new Map<string, Said>();

  constructor(log: Log) {
    this.#log = log;
  }

  /**
   * @param kind  Field that `name` stands in.
   * @param name  What is told of: path of a setting such as `limits.connectRate`, or a hook. Never a
   * text that a client chooses.
   * @param now  Engine time. Milliseconds.
   * @param fields  Who met it, and what was done.
   */
  write(
    level: LogLevel,
    event: string,
    kind: "limit" | "hook",
    name: string,
    now: number,
    fields: Readonly<Record<string, unknown>>,
  ): void {
    const key = `${event} ${name}`;
    const said = this.#said.get(key);
    if (said === undefined) this.#said.set(key, { at: now, unsaid: 0 });
    else if (now - said.at < QUIET_MS) {
      said.unsaid++;
      return;
    }
    this.#log.write(level, event, {
      [kind]: name,
      ...fields,
      ...(said !== undefined && said.unsaid > 0 && { unsaid: said.unsaid }),
    });
    if (said !== undefined) Object.assign(said, { at: now, unsaid: 0 });
  }
}
