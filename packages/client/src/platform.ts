import type { Clock, Dial, Random, Scheduler } from "@sericite/protocol";
import type { Address } from "./address.ts";
import type { ConnectOptions } from "./options.ts";

/** What a client needs of the runtime that it is in. */
export interface Platform {
  readonly clock: Clock;
  readonly random: Random;
  /** How to reach a server. @throws UsageError where the platform cannot, or an option is wrong. */
  dial(address: Address, options: ConnectOptions): Dial;
  /** One for each client. */
  createScheduler(): Scheduler;
  /** Keeps the process from ending until what is returned is called. */
  stayAwake(): () => void;
  /**
   * Calls `listener` when a connection may be possible again, or may be dead without notice: the
   * network is back, the page is seen again. @returns what takes it back.
   */
  onWake?(listener: () => void): () => void;
  /** Says an error that nobody else is told of. */
  reportError(error: unknown): void;
}
