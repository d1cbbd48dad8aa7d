import { ReasonCode, TimerEntry } from "@sericite/protocol";
import type { Connection } from "./connection.ts";
import type { Engine } from "./engine.ts";

/** A publisher that is not read from until the broker keeps up. */
interface Held {
  readonly connection: Connection;
  readonly ticket: object;
  readonly timer: TimerEntry;
}

/** Publishers that wait because the store, or the broker as a whole, does not keep up. */
export class HeldPublishers {
  readonly #engine: Engine;
  readonly #held = new Set<Held>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Whether publishers are held at present, and this connection is not the embedding program's. */
  applyTo({ isTrusted }: Connection): boolean {
    const { store, overload } = this.#engine;
    return store.state === "slow" || (overload.holdsPublishers && !isTrusted);
  }

  /** Stops reading from a publisher until the store keeps up and no overload holds it; for `limits.holdTimeout` at most. */
  hold(connection: Connection): void {
    const engine = this.#engine;
    const ticket = connection.park();
    const timer = new TimerEntry(() => {
      engine.enter();
      this.#held.delete(held);
      if (!connection.isWaitingFor(ticket)) return;
      engine.limitReached("limits.holdTimeout", connection);
      connection.close(ReasonCode.quotaExceeded, "the broker did not keep up");
    });
    const held: Held = { connection, ticket, timer };
    this.#held.add(held);
    engine.wheel.schedule(timer, engine.settings.limits.holdTimeout);
  }

  /** Lets them go on, where nothing holds them any more. */
  release(): void {
    const { store, overload, wheel } = this.#engine;
    if (store.state === "slow" || overload.holdsPublishers) return;
    for (const { connection, ticket, timer } of this.#held) {
      wheel.cancel(timer);
      if (!connection.isWaitingFor(ticket)) continue;
      connection.unpark();
      connection.intake.run();
    }
    this.#held.clear();
  }
}
