import { ConnectionError, ReasonCode } from "@sericite/protocol";
import type { Address } from "./address.ts";
import type { AttemptOptions } from "./attempt-options.ts";
import type { ClientState } from "./client-state.ts";
import type { Backoff } from "./reconnect.ts";
import { isAboutCredentials, isBusy, isHopeless, isSteady } from "./reconnect.ts";
import type { ServerReferencePolicy } from "./servers.ts";
import { referredAddress } from "./servers.ts";

/** What a `NextAttempt` needs to know. */
export interface NextAttemptOptions {
  readonly attempts: AttemptOptions;
  /** `undefined`: there is no other connection after the first one. */
  readonly backoff: Backoff | undefined;
  readonly policy: ServerReferencePolicy;
  /** Gets what the user's functions throw. */
  readonly onError: (error: unknown) => void;
}

/** How an attempt to connect, or a connection, ended. */
export interface AttemptEnd {
  /** None: somebody asked for the end. */
  readonly error: Error | undefined;
  /** Time from CONNACK to the end. Milliseconds; `undefined`: there was no CONNACK. */
  readonly lastedMs: number | undefined;
  /** Whether there ever was a CONNACK that accepted. */
  readonly hasBeenConnected: boolean;
  /** Where the server sends the client (§4.11). */
  readonly serverReference: string | undefined;
}

/** Decides whether, when and where a client connects again. */
export class NextAttempt {
  readonly #state: ClientState;
  readonly #options: NextAttemptOptions;

  constructor(state: ClientState, options: NextAttemptOptions) {
    this.#state = state;
    this.#options = options;
  }

  /** CONNACK accepted. */
  connected(): void {
    this.#options.attempts.servers.connected();
  }

  /** There is reason to hope: the next wait is a short one. */
  hope(): void {
    this.#options.backoff?.reset();
  }

  /** Time to wait for the next attempt, with the server that now has its turn. Milliseconds; `undefined`: there is none. */
  delayAfter(end: AttemptEnd): number | undefined {
    const { error, lastedMs, hasBeenConnected } = end;
    const { attempts, backoff } = this.#options;
    const { servers } = attempts;
    const { protocolVersion } = this.#state.settings;
    if (lastedMs !== undefined) {
      backoff?.connectionEnded(lastedMs);
      if (isSteady(lastedMs)) servers.steady();
    }
    if (!hasBeenConnected && attempts.fallBack(error)) return 0;
    // A redirection is no failure, as long as it is no circle.
    const address = this.#redirection(end);
    if (address !== undefined) {
      const isAtOnce = servers.redirect(address, isMoved(error));
      return isAtOnce ? 0 : this.#wait(end);
    }
    const haveAllFailed = lastedMs !== undefined || servers.failed();
    if (lastedMs !== undefined) servers.lost();
    const isHopelessNow =
      isHopeless(error, protocolVersion) &&
      !(attempts.renewsCredentials && isAboutCredentials(error));
    if (this.#givesUp(error) ?? isHopelessNow) return undefined;
    return haveAllFailed ? this.#wait(end) : 0;
  }

  #givesUp(error: Error | undefined): boolean | undefined {
    try {
      return this.#state.settings.reconnect?.giveUp(error);
    } catch (cause) {
      this.#options.onError(cause);
      return undefined;
    }
  }

  #wait({ error, hasBeenConnected }: AttemptEnd): number | undefined {
    const { backoff } = this.#options;
    const { reconnect } = this.#state.settings;
    if (reconnect === undefined || backoff === undefined) return undefined;
    if (!hasBeenConnected && !reconnect.fromStart) return undefined;
    if (backoff.attempts >= reconnect.maxAttempts) return undefined;
    return backoff.next(isBusy(error));
  }

  #redirection({ error, hasBeenConnected, serverReference }: AttemptEnd): Address | undefined {
    if (hasBeenConnected && this.#state.settings.reconnect === undefined) return undefined;
    const { policy, attempts, onError } = this.#options;
    try {
      return referredAddress(serverReference, isMoved(error), policy, attempts.servers.current);
    } catch (cause) {
      onError(cause);
      return undefined;
    }
  }
}

function isMoved(error: Error | undefined): boolean {
  return error instanceof ConnectionError && error.reasonCode === ReasonCode.serverMoved;
}
