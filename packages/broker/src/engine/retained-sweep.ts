import { TimerEntry } from "@sericite/protocol";
import type { TopicNameCursor } from "@sericite/protocol";
import type { Engine } from "./engine.ts";

/** Time between two walks. Milliseconds. */
const INTERVAL = 60_000;
/** Topic Names looked at in one turn. */
const STEPS = 2000;

/**
 * Removes retained messages whose Message Expiry Interval passed and that nobody asks for.
 * Walks all retained messages, a slice a turn, once a minute, and only while some can expire.
 */
export class RetainedSweep {
  readonly #engine: Engine;
  readonly #timer: TimerEntry;
  #cursor: TopicNameCursor | undefined;
  /** One with an expiry was seen on this walk. */
  #sawExpiring = false;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#timer = new TimerEntry(() => {
      // A store that is still telling takes no records.
      if (engine.recovered !== undefined) return engine.wheel.schedule(this.#timer, INTERVAL);
      this.#cursor = engine.retained.cursor();
      this.#sawExpiring = false;
      this.#walk();
    });
  }

  /** A message that can expire is retained now. */
  arm(): void {
    this.#sawExpiring = true;
    if (this.#cursor === undefined && !this.#timer.isScheduled)
      this.#engine.wheel.schedule(this.#timer, INTERVAL);
  }

  readonly #walk = (): void => {
    const engine = this.#engine;
    engine.enter();
    const cursor = this.#cursor!;
    for (let steps = 0; steps < STEPS && !cursor.done; steps++) {
      const row = cursor.next(1);
      if (row < 0 || !engine.retained.canExpire(row)) continue;
      if (!engine.retained.expire(row)) this.#sawExpiring = true;
    }
    if (!cursor.done) return engine.nextTurn(this.#walk);
    this.#cursor = undefined;
    if (this.#sawExpiring) engine.wheel.schedule(this.#timer, INTERVAL);
  };
}
