import type { Clock, Random, Scheduler } from "@sericite/protocol";

/** What a client needs of the runtime that it is in. */
export interface Platform {
  readonly clock: Clock;
  readonly random: Random;
  /** One for each client. */
  createScheduler(): Scheduler;
  /** Keeps the process from ending until what is returned is called. */
  stayAwake(): () => void;
  /** Says an error that nobody else is told of. */
  reportError(error: unknown): void;
}
