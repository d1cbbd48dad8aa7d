import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Authentication, ConnectRequest } from "../engine/ports.ts";
import type { ChainAnswer, ChainedAuthenticator } from "./chain.ts";

/** One user with a password. */
export interface UserOptions {
  readonly username: string;
  readonly password: string;
}

/** Lets in one user by name and password, compared in constant time; knows nobody else. */
export class UserAuthenticator implements ChainedAuthenticator {
  readonly #options: UserOptions;
  readonly #refuse: (request: ConnectRequest) => Authentication | Promise<Authentication>;
  readonly #key = randomBytes(32);

  /** @param refuse  Refuses a wrong password, as slowly as the chain refuses a user whom nobody knows. */
  constructor(
    options: UserOptions,
    refuse: (request: ConnectRequest) => Authentication | Promise<Authentication>,
  ) {
    this.#options = options;
    this.#refuse = refuse;
  }

  authenticate(request: ConnectRequest): ChainAnswer | Promise<ChainAnswer> {
    if (request.username === undefined) return "next";
    const { username, password } = this.#options;
    const rightName = this.#equal(Buffer.from(request.username), Buffer.from(username));
    const rightPassword = this.#equal(request.password ?? Buffer.alloc(0), Buffer.from(password));
    if (!rightName) return "next";
    return rightPassword ? { accepted: true } : this.#refuse(request);
  }

  /** Digests have one length whatever the inputs, so the comparison tells nothing about them. */
  #equal(one: Uint8Array, other: Uint8Array): boolean {
    const digest = (bytes: Uint8Array): Buffer =>
      createHmac("sha256", this.#key).update(bytes).digest();
    return timingSafeEqual(digest(one), digest(other));
  }
}
