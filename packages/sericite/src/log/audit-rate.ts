import type { AuditEvent, AuditWrite } from "./audit-events.ts";

/** Lines of one event in the present second. */
interface Second {
  lines: number;
  leftOut: number;
}

/** Writes lines, of each event so many a second; of those above it tells the number. */
export class AuditRate {
  readonly #write: AuditWrite;
  readonly #seconds = new Map<AuditEvent, Second>();
  #timer: NodeJS.Timeout | undefined;
  /** Lines of one event a second; 0: no bound. */
  maximum: number;

  constructor(maximum: number, write: AuditWrite) {
    this.maximum = maximum;
    this.#write = write;
  }

  tell(event: AuditEvent, fields: Readonly<Record<string, unknown>>): void {
    if (this.maximum === 0) return this.#write(event, fields);
    let second = this.#seconds.get(event);
    if (second === undefined) this.#seconds.set(event, (second = { lines: 0, leftOut: 0 }));
    this.#timer ??= setTimeout(() => this.endSecond(), 1000).unref();
    if (second.lines >= this.maximum) second.leftOut++;
    else {
      second.lines++;
      this.#write(event, fields);
    }
  }

  /** Tells what was left out, and begins to count anew. */
  endSecond(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const [left, { leftOut }] of this.#seconds)
      if (leftOut > 0) this.#write("audit-left-out", { left, count: leftOut });
    this.#seconds.clear();
  }
}
