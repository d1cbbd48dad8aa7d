import type { Peer } from "@sericite/protocol";
import { badUser, nobody } from "./chain.ts";
import type { EntryMethod } from "./entry-methods.ts";
import type { Authentication, Authenticator } from "../engine/ports.ts";

/** What a listener says on its own of who may enter; it may change while the listener lives. */
export interface ListenerEntryPolicy {
  /** Of clients that give neither username nor password; `undefined`: nothing. */
  readonly allowsAnonymous: boolean | undefined;
  /** The ways to enter that count; `undefined`: all. */
  readonly methods: readonly EntryMethod[] | undefined;
}

/** Which listeners have a word of their own on who may enter, and by which way. */
export class ListenerEntry {
  readonly #byPeer = new WeakMap<Peer, ListenerEntryPolicy>();
  /** Some listener does not let everybody in: somebody has to be asked, though nothing else says who may enter. */
  isRefusedSomewhere = false;

  /** A client came in by a listener that has a word of its own. @param policy  Read when the client is judged. */
  note(peer: Peer, policy: ListenerEntryPolicy): void {
    this.#byPeer.set(peer, policy);
  }

  /**
   * Whether a client without username and password may enter. Where a listener names the ways that
   * count, this is none of them: it has to say so itself.
   *
   * @param otherwise  Where its listener says nothing.
   */
  allowsAnonymous(peer: Peer, otherwise: boolean): boolean {
    const policy = this.#byPeer.get(peer);
    if (policy === undefined) return otherwise;
    return policy.allowsAnonymous ?? (policy.methods === undefined && otherwise);
  }

  /** Whether a way to enter counts where a client came in. */
  counts(peer: Peer, method: EntryMethod): boolean {
    const methods = this.#byPeer.get(peer)?.methods;
    return methods === undefined || methods.includes(method);
  }

  /** For a broker that knows no users: lets everybody in but by the listeners that refuse. */
  readonly alone: Authenticator = {
    authenticate: ({ peer, username }): Authentication => {
      if (this.allowsAnonymous(peer, true)) return { accepted: true };
      return username === undefined ? nobody : badUser;
    },
  };
}
