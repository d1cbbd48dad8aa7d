import type { AuditEvent, AuditWrite } from "./audit-events.ts";

/** Time for which what repeats is one line. Milliseconds. */
const periodMs = 10_000;
/** Different things that are watched for repetitions at once. */
const watchedMaximum = 10_000;

/** What was told, and came again since. */
interface Repeated {
  readonly event: AuditEvent;
  /** The last one. */
  fields: Readonly<Record<string, unknown>>;
  count: number;
}

/**
 * Joins what one client does again and again: the first is told at once, what follows within ten
 * seconds is one line with its number. A client that publishes a thousand times a second where it
 * may not is told of six times a minute.
 */
export class AuditRepetitions {
  readonly #tell: AuditWrite;
  readonly #repeated = new Map<string, Repeated>();
  #timer: NodeJS.Timeout | undefined;

  constructor(tell: AuditWrite) {
    this.#tell = tell;
  }

  /** @param by  With the event: what counts as the same. */
  tell(event: AuditEvent, by: string, fields: Readonly<Record<string, unknown>>): void {
    const key = `${event} ${by}`;
    const known = this.#repeated.get(key);
    if (known !== undefined) {
      known.fields = fields;
      known.count++;
      return;
    }
    this.#tell(event, fields);
    if (this.#repeated.size >= watchedMaximum) return;
    this.#repeated.set(key, { event, fields, count: 0 });
    this.#timer ??= setTimeout(() => this.endPeriod(), periodMs).unref();
  }

  /** Tells what has repeated: the last one, with `count`. What has not is forgotten. */
  endPeriod(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const [key, repeated] of this.#repeated) {
      const { event, fields, count } = repeated;
      if (count === 0) this.#repeated.delete(key);
      else this.#tell(event, { ...fields, count });
      repeated.count = 0;
    }
    if (this.#repeated.size > 0) this.#timer = setTimeout(() => this.endPeriod(), periodMs).unref();
  }
}
