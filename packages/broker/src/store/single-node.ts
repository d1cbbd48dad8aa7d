import type { Bus, Claim, Envelope, Ownership, Position } from "../engine/ports.ts";

/** Ownership where there is one node: whoever claims gets, at once. */
export class LocalOwnership implements Ownership {
  onFound: Ownership["onFound"] = undefined;
  // One counter for all names: it rises with each claim of any, so nothing is kept per name.
  #epoch: number;

  /** @param above  Highest epoch that a store gave back; claims go on above it. */
  constructor(above: number = 0) {
    this.#epoch = above;
  }

  claim(_clientId: string): Claim {
    this.#epoch += 1;
    return { epoch: this.#epoch };
  }

  restore(_clientId: string, epoch: number): Claim {
    this.#epoch = Math.max(this.#epoch, epoch);
    return { epoch };
  }

  release(_clientId: string, _claim: Claim): void {
    // Nobody else waits for it.
  }
}

/** The bus where there is one node: nothing to send to, nothing to wait for. */
export class NullBus implements Bus {
  readonly durable: Position = 0;
  onDurable: (() => void) | undefined = undefined;
  onEnvelope: Bus["onEnvelope"] = undefined;

  send(_envelope: Envelope): Position {
    return 0;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
