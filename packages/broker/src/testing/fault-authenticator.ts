import { ConnectionError } from "@sericite/protocol";
import type { Authentication, Authenticator, ConnectRequest } from "../engine/ports.ts";
import { Answer } from "./answer.ts";
import type { SimulatedProcess } from "./event-scheduler.ts";
import type { Chance } from "./random.ts";

/** How a `FaultAuthenticator` answers a question, and how often: weights. */
export interface AuthenticatorFaults {
  /** At once. */
  readonly atOnce: number;
  /** With a promise that is kept. */
  readonly late: number;
  /** With a promise that is never kept. */
  readonly never: number;
  /** By throwing. */
  readonly throws: number;
  /** With a promise that is broken. */
  readonly rejects: number;
}

/** Asks another authenticator, but answers late, never, or with an error instead. */
export class FaultAuthenticator implements Authenticator {
  readonly #process: SimulatedProcess;
  readonly #chance: Chance;
  readonly #inner: Authenticator;
  readonly #faults: AuthenticatorFaults;
  readonly #delayMaximumMs: number;

  /** @param delayMaximumMs  How late an answer comes at most. */
  constructor(
    process: SimulatedProcess,
    chance: Chance,
    inner: Authenticator,
    faults: AuthenticatorFaults,
    delayMaximumMs: number,
  ) {
    this.#process = process;
    this.#chance = chance;
    this.#inner = inner;
    this.#faults = faults;
    this.#delayMaximumMs = delayMaximumMs;
  }

  authenticate(request: ConnectRequest): Authentication | Promise<Authentication> {
    const failure = (): Error =>
      new ConnectionError("ERR_CONNECTION_LOST", "the simulated authenticator is out of reach");
    switch (this.#chance.weighted({ ...this.#faults })) {
      case "atOnce":
        return this.#inner.authenticate(request);
      case "late": {
        const answer = this.#inner.authenticate(request);
        if (answer instanceof Promise) return answer;
        return Answer.after(
          this.#process,
          this.#chance.integer(0, this.#delayMaximumMs),
          () => answer as Authentication,
        );
      }
      case "never":
        return new Answer(this.#process);
      case "throws":
        throw failure();
      case "rejects":
        return Answer.after(this.#process, this.#chance.integer(0, this.#delayMaximumMs), () => {
          throw failure();
        });
    }
  }
}
