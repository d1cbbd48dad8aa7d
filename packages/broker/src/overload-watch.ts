import { TimerEntry } from "@sericite/protocol";
import type { Engine } from "./engine/engine.ts";

/** Time between two looks. Milliseconds. */
const LOOK_EVERY_MS = 1000;

/** Looks once a second how late the event loop is and how many bytes wait, and has the engine act on it. */
export class OverloadWatch {
  readonly #engine: Engine;
  readonly #timer: TimerEntry;
  #dueAt = 0;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#timer = new TimerEntry(() => this.#look());
  }

  /** Begins. Ends with the engine's wheel. */
  begin(): void {
    this.#dueAt = this.#engine.clock.now() + LOOK_EVERY_MS;
    this.#engine.wheel.schedule(this.#timer, LOOK_EVERY_MS);
  }

  #look(): void {
    const lagMs = Math.max(0, this.#engine.clock.now() - this.#dueAt);
    const { queuedBytes } = this.#engine.settings.limits;
    this.#engine.overload.look(lagMs, queuedBytes === 0 ? Infinity : queuedBytes);
    this.begin();
  }
}
