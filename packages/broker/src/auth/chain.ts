import { ReasonCode } from "@sericite/protocol";
import { isPromise } from "../engine/hooks.ts";
import type {
  Authentication,
  AuthenticationExchange,
  Authenticator,
  ConnectRequest,
} from "../engine/ports.ts";

/** What a link of a chain answers; "next": it knows nothing of this user, the next one is asked. */
export type ChainAnswer = Authentication | "next";

/** One of several that say who may enter. */
export interface ChainedAuthenticator {
  authenticate(request: ConnectRequest): ChainAnswer | Promise<ChainAnswer>;
  /** As an `Authenticator` has it; the first one that supports the method does it. */
  exchange?(method: string, request: ConnectRequest): AuthenticationExchange | undefined;
  /** Refuses a user that nobody knows, in the time that the refusal of a known one takes. */
  refuseUnknown?(request: ConnectRequest): Authentication | Promise<Authentication>;
}

/** Whether a link of a chain is asked about a client: by its CONNECT, or for an enhanced authentication. */
export type LinkFilter = (
  link: ChainedAuthenticator,
  request: ConnectRequest,
  what: "authenticate" | "exchange",
) => boolean;

/** The answer to wrong credentials, whoever gives it: nobody learns which part was wrong. */
export const badUser: Authentication = {
  accepted: false,
  reasonCode: ReasonCode.badUserNameOrPassword,
  reason: "bad user name or password",
};

/** The answer to a client that names no user, where it has to. */
export const nobody: Authentication = {
  accepted: false,
  reasonCode: ReasonCode.notAuthorized,
  reason: "no user name given",
};

/**
 * Asks several authenticators in order: the first that knows the user decides. Whom nobody knows
 * stays outside, but for clients that give neither username nor password, where those are let in.
 */
export class AuthenticatorChain implements Authenticator {
  readonly #links: readonly ChainedAuthenticator[];
  readonly #allowsAnonymous: (request: ConnectRequest) => boolean;
  readonly #isAsked: LinkFilter;

  /**
   * @param allowsAnonymous  Whether a client that names no user may enter.
   * @param isAsked  Leaves links out for some clients, as if they were not there. Default: all are asked.
   */
  constructor(
    links: readonly ChainedAuthenticator[],
    allowsAnonymous: boolean | ((request: ConnectRequest) => boolean),
    isAsked: LinkFilter = () => true,
  ) {
    this.#links = links;
    this.#isAsked = isAsked;
    this.#allowsAnonymous =
      typeof allowsAnonymous === "function" ? allowsAnonymous : () => allowsAnonymous;
  }

  authenticate(request: ConnectRequest): Authentication | Promise<Authentication> {
    return this.#ask(0, request);
  }

  #ask(from: number, request: ConnectRequest): Authentication | Promise<Authentication> {
    for (let i = from; i < this.#links.length; i++) {
      const link = this.#links[i]!;
      if (!this.#isAsked(link, request, "authenticate")) continue;
      const answer = link.authenticate(request);
      if (isPromise(answer)) {
        return answer.then((settled) => (settled === "next" ? this.#ask(i + 1, request) : settled));
      }
      if (answer !== "next") return answer;
    }
    return this.#end(request);
  }

  #end(request: ConnectRequest): Authentication | Promise<Authentication> {
    if (request.username === undefined && request.password === undefined)
      return this.#allowsAnonymous(request) ? { accepted: true } : nobody;
    return this.refuseUnknown(request);
  }

  /** Refuses as somebody whom nobody knows, and as slowly. */
  refuseUnknown(request: ConnectRequest): Authentication | Promise<Authentication> {
    const slow = this.#links.find(
      (link) => link.refuseUnknown !== undefined && this.#isAsked(link, request, "authenticate"),
    );
    return slow === undefined ? badUser : slow.refuseUnknown!(request);
  }

  exchange(method: string, request: ConnectRequest): AuthenticationExchange | undefined {
    for (const link of this.#links) {
      if (!this.#isAsked(link, request, "exchange")) continue;
      const exchange = link.exchange?.(method, request);
      if (exchange !== undefined) return exchange;
    }
    return undefined;
  }
}
