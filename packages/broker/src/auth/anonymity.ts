import type { Peer } from "@sericite/protocol";
import { badUser, nobody } from "./chain.ts";
import type { Authentication, Authenticator } from "../engine/ports.ts";

/** Which listeners have a word of their own on clients that give neither username nor password. */
export class Anonymity {
  readonly #byPeer = new WeakMap<Peer, boolean>();
  /** Some listener refuses them: somebody has to be asked, though nothing else says who may enter. */
  isRefusedSomewhere = false;

  /** A client came in by a listener that has a word of its own. */
  note(peer: Peer, isAllowed: boolean): void {
    this.#byPeer.set(peer, isAllowed);
  }

  /** @param otherwise  Where its listener says nothing. */
  isAllowed(peer: Peer, otherwise: boolean): boolean {
    return this.#byPeer.get(peer) ?? otherwise;
  }

  /** For a broker that knows no users: lets everybody in but by the listeners that refuse. */
  readonly alone: Authenticator = {
    authenticate: ({ peer, username }): Authentication => {
      if (this.isAllowed(peer, true)) return { accepted: true };
      return username === undefined ? nobody : badUser;
    },
  };
}
