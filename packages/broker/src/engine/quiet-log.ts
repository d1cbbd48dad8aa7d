import type { Log, LogLevel } from "./ports.ts";

/** Time in which there is one line about one thing, or few. Milliseconds. */
const QUIET_MS = 10_000;

/** Lines in that time about refusals of one kind, each of which names somebody. */
export const LINES_OF_REFUSALS = 20;

interface Said {
  /** When this time began. */
  since: number;
  /** Lines since then. */
  lines: number;
  /** What there was no line about. */
  unsaid: number;
}

/**
 * Lines of the log that a client could have written as often as it likes: about limits that it met,
 * refusals, and hooks that fail when they are asked about it. Of each limit and hook there is one in
 * ten seconds, of each kind of refusal twenty; the next says how many there were besides (`unsaid`).
 * Whoever floods the broker does not flood the log.
 */
export class QuietLog {
  readonly #log: Log;
  readonly #said = new Map<string, Map<string | number, Said>>();

  constructor(log: Log) {
    this.#log = log;
  }

  /**
   * Whether `write` would write a line. Where not, what there would be to say counts as unsaid. For
   * who has much to say and would make the fields in vain.
   */
  isDue(event: string, name: string | number, now: number, most: number = 1): boolean {
    const said = this.#said.get(event)?.get(name);
    if (said === undefined || now - said.since >= QUIET_MS || said.lines < most) return true;
    said.unsaid++;
    return false;
  }

  /**
   * @param kind  Field that `name` stands in.
   * @param name  What is told of: path of a setting such as `limits.connectRate`, a hook, a reason.
   * Never a text that a client chooses.
   * @param now  Engine time. Milliseconds.
   * @param fields  Who met it, and what was done.
   * @param most  Lines in ten seconds.
   */
  write(
    level: LogLevel,
    event: string,
    kind: "limit" | "hook" | "reason" | "reasonCode",
    name: string | number,
    now: number,
    fields: Readonly<Record<string, unknown>>,
    most: number = 1,
  ): void {
    if (!this.isDue(event, name, now, most)) return;
    let ofEvent = this.#said.get(event);
    if (ofEvent === undefined) this.#said.set(event, (ofEvent = new Map()));
    let said = ofEvent.get(name);
    if (said === undefined) ofEvent.set(name, (said = { since: now, lines: 0, unsaid: 0 }));
    const { unsaid } = said;
    if (now - said.since >= QUIET_MS) Object.assign(said, { since: now, lines: 0, unsaid: 0 });
    said.lines++;
    this.#log.write(level, event, { [kind]: name, ...fields, ...(unsaid > 0 && { unsaid }) });
  }
}
