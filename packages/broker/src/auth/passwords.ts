import { createHash } from "node:crypto";
import { ReasonCode } from "@sericite/protocol";
import type { Counters } from "../engine/counters.ts";
import type {
  Authentication,
  AuthenticationExchange,
  ConnectRequest,
  Log,
} from "../engine/ports.ts";
import { badUser } from "./chain.ts";
import type { ChainAnswer, ChainedAuthenticator } from "./chain.ts";
import type { HashQueue } from "./hash-queue.ts";
import type { HashThread } from "./hash-thread.ts";
import type { PasswordUsers } from "./password-file.ts";
import { defaultScryptCost, parsePasswordHash, unpadded } from "./password-hash.ts";
import type { PasswordHash } from "./password-hash.ts";
import { ScramServer } from "./scram.ts";
import { PasswordMemory } from "./password-memory.ts";

/** What checks of passwords count. */
export type PasswordCounters = Pick<
  Counters,
  "passwordsHashed" | "passwordsRemembered" | "passwordsLate"
>;

/** What a `PasswordAuthenticator` works with. */
export interface PasswordTools {
  readonly queue: HashQueue;
  /** What does the work. */
  readonly thread: Pick<HashThread, "verify">;
  readonly counters: PasswordCounters;
  readonly log: Log;
}

/** Time between two lines about passwords that waited too long. Milliseconds. */
const LOG_PAUSE = 10_000;

const busy: Authentication = {
  accepted: false,
  reasonCode: ReasonCode.serverBusy,
  reason: "too many passwords are being checked, try again later",
};

/**
 * Lets in the users of a password file. Passwords are hashed in a thread of their own, one at a
 * time; a password that was checked is remembered until the users change; whoever shows the same one
 * meanwhile waits for the same hash.
 */
export class PasswordAuthenticator implements ChainedAuthenticator {
  readonly #tools: PasswordTools;
  readonly #scram = new ScramServer();
  readonly #memory = new PasswordMemory();
  #users: PasswordUsers;
  #names: readonly string[] = [];
  /** Number of the users in force. */
  #generation = 0;
  #loggedAt = -Infinity;

  constructor(users: PasswordUsers, tools: PasswordTools) {
    this.#users = users;
    this.#names = [...users.keys()];
    this.#tools = tools;
  }

  /** Puts other users in force, and forgets what it knew of passwords. */
  load(users: PasswordUsers): void {
    this.#users = users;
    this.#names = [...users.keys()];
    this.#generation++;
    this.#memory.clear();
  }

  authenticate(request: ConnectRequest): ChainAnswer | Promise<ChainAnswer> {
    if (request.username === undefined) return "next";
    const user = this.#users.get(request.username);
    if (user === undefined) return "next";
    return this.#check(request, request.username, user.hash, true);
  }

  /** Hashes as for a known user, and which one depends on the name, so that it is always the same. */
  refuseUnknown(request: ConnectRequest): Authentication | Promise<Authentication> {
    const username = request.username ?? "";
    const names = this.#names;
    const number = createHash("sha256").update(username).digest().readUInt32LE();
    const other = names.length === 0 ? undefined : this.#users.get(names[number % names.length]!);
    return this.#check(request, username, other?.hash ?? decoy, false);
  }

  /** SCRAM, for users whose keys the file has. */
  exchange(method: string, request: ConnectRequest): AuthenticationExchange | undefined {
    return this.#scram.begin(method, request, this.#users);
  }

  #check(
    request: ConnectRequest,
    username: string,
    hash: PasswordHash,
    isKnown: boolean,
  ): Authentication | Promise<Authentication> {
    const { counters } = this.#tools;
    const password = request.password ?? new Uint8Array(0);
    const key = this.#memory.keyOf(username, password);
    const known = this.#memory.recall(key);
    if (known !== undefined) {
      counters.passwordsRemembered++;
      return known ? { accepted: true } : badUser;
    }
    return this.#hash(request, password, key, hash, isKnown);
  }

  async #hash(
    request: ConnectRequest,
    password: Uint8Array,
    key: string,
    hash: PasswordHash,
    isKnown: boolean,
  ): Promise<Authentication> {
    const { queue, thread, counters } = this.#tools;
    const generation = this.#generation;
    const isSame = await queue.run(`${generation} ${key}`, request.peer.address ?? "", () => {
      counters.passwordsHashed++;
      return thread.verify(hash, password);
    });
    if (isSame === undefined) {
      this.#tellLate();
      return busy;
    }
    const isRight = isKnown && isSame;
    if (this.#generation === generation) this.#memory.remember(key, isRight);
    // The users changed meanwhile, and this one may be gone.
    else if (isRight && this.#users.get(request.username!)?.hash.text !== hash.text) return badUser;
    return isRight ? { accepted: true } : badUser;
  }

  #tellLate(): void {
    const { queue, counters, log } = this.#tools;
    counters.passwordsLate++;
    const now = performance.now();
    if (now - this.#loggedAt < LOG_PAUSE) return;
    this.#loggedAt = now;
    log.write("warn", "passwords-late", {
      waiting: queue.length,
      deadlineMs: queue.bounds.deadlineMs,
      late: counters.passwordsLate,
      message: `more passwords than can be hashed: clients are told to come again (${counters.passwordsLate} so far)`,
    });
  }
}

/** Hash of nobody, for a file without users. */
const decoy = parsePasswordHash(
  `$scrypt$ln=${defaultScryptCost.ln},r=${defaultScryptCost.r},p=${defaultScryptCost.p}$${unpadded(new Uint8Array(16))}$${unpadded(new Uint8Array(32))}`,
) as PasswordHash;
