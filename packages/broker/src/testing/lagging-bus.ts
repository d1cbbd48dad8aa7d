import type { Bus, Envelope, Position } from "../engine/ports.ts";
import { Answer } from "./answer.ts";
import type { SimulatedProcess } from "./event-scheduler.ts";
import type { Chance } from "./random.ts";

/** A bus to nobody whose `durable` comes late: what waits for a bus is tested before there is one. */
export class LaggingBus implements Bus {
  onDurable: (() => void) | undefined = undefined;
  onEnvelope: Bus["onEnvelope"] = undefined;
  /** All that was sent, oldest first. */
  readonly sent: Envelope[] = [];
  readonly #process: SimulatedProcess;
  readonly #chance: Chance;
  readonly #delayMaximumMs: number;
  #durable: Position = 0;
  #isRunning = false;

  /** @param delayMaximumMs  How late `durable` rises at most. */
  constructor(process: SimulatedProcess, chance: Chance, delayMaximumMs: number) {
    this.#process = process;
    this.#chance = chance;
    this.#delayMaximumMs = delayMaximumMs;
  }

  get durable(): Position {
    return this.#durable;
  }

  send(envelope: Envelope): Position {
    this.sent.push(envelope);
    this.#carry();
    return this.sent.length;
  }

  close(): Promise<void> {
    return Answer.after(this.#process, 0, () => undefined);
  }

  #carry(): void {
    if (this.#isRunning || this.#durable === this.sent.length) return;
    this.#isRunning = true;
    const upTo = this.sent.length;
    this.#process.post(
      () => {
        this.#isRunning = false;
        this.#durable = upTo;
        this.#carry();
        this.onDurable?.();
      },
      this.#chance.integer(0, this.#delayMaximumMs),
    );
  }
}
