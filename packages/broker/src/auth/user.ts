import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { ReasonCode } from "@sericite/protocol";
import type { Authentication, Authenticator, ConnectRequest } from "../engine/ports.ts";

/** One user with a password, and whether clients without a username are let in too. */
export interface UserOptions {
  readonly username: string;
  readonly password: string;
  readonly allowAnonymous: boolean;
}

const badUser: Authentication = {
  accepted: false,
  reasonCode: ReasonCode.badUserNameOrPassword,
  reason: "bad user name or password",
};

/** Lets in one user by name and password, compared in constant time. */
export class UserAuthenticator implements Authenticator {
  readonly #options: UserOptions;
  readonly #key = randomBytes(32);

  constructor(options: UserOptions) {
    this.#options = options;
  }

  authenticate(request: ConnectRequest): Authentication {
    const { username, password, allowAnonymous } = this.#options;
    if (request.username === undefined) {
      if (allowAnonymous) return { accepted: true };
      return {
        accepted: false,
        reasonCode: ReasonCode.notAuthorized,
        reason: "no user name given",
      };
    }
    const rightName = this.#equal(Buffer.from(request.username), Buffer.from(username));
    const rightPassword = this.#equal(request.password ?? Buffer.alloc(0), Buffer.from(password));
    return rightName && rightPassword ? { accepted: true } : badUser;
  }

  /** Digests have one length whatever the inputs, so the comparison tells nothing about them. */
  #equal(one: Uint8Array, other: Uint8Array): boolean {
    const digest = (bytes: Uint8Array): Buffer =>
      createHmac("sha256", this.#key).update(bytes).digest();
    return timingSafeEqual(digest(one), digest(other));
  }
}
