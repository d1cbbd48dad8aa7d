import type { Claim, Ownership } from "../engine/ports.ts";
import { Answer } from "./answer.ts";
import type { SimulatedProcess } from "./event-scheduler.ts";
import type { Chance } from "./random.ts";

/** Ownership that answers some claims late, as a cluster does, and never out of order for one name. */
export class FaultOwnership implements Ownership {
  onFound: Ownership["onFound"] = undefined;
  readonly #process: SimulatedProcess;
  readonly #chance: Chance;
  readonly #late: number;
  readonly #delayMaximumMs: number;
  #epoch: number;

  /**
   * @param late  Share of claims answered with a promise, 0…1.
   * @param delayMaximumMs  How late at most.
   * @param above  Epochs go on above this one.
   */
  constructor(
    process: SimulatedProcess,
    chance: Chance,
    late: number,
    delayMaximumMs: number,
    above: number = 0,
  ) {
    this.#process = process;
    this.#chance = chance;
    this.#late = late;
    this.#delayMaximumMs = delayMaximumMs;
    this.#epoch = above;
  }

  claim(_clientId: string): Claim | Promise<Claim> {
    if (!this.#chance.happens(this.#late)) return this.#next();
    // The epoch is drawn when the claim is granted.
    return Answer.after(this.#process, this.#chance.integer(0, this.#delayMaximumMs), () =>
      this.#next(),
    );
  }

  restore(_clientId: string, epoch: number): Claim {
    this.#epoch = Math.max(this.#epoch, epoch);
    return { epoch };
  }

  release(_clientId: string, _claim: Claim): void {
    // Nobody else waits for it.
  }

  #next(): Claim {
    this.#epoch += 1;
    return { epoch: this.#epoch };
  }
}
