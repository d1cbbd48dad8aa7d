import { UsageError } from "@sericite/protocol";
import { createHash } from "node:crypto";
import {
  AuthenticatorChain,
  CallbackAuthenticator,
  CertificateAuthenticator,
  HashQueue,
  HashThread,
  JwtAuthenticator,
  ListenerEntry,
  namesAuthentication,
  PasswordAuthenticator,
  parsePasswordFile,
  readJwtKeys,
  readPasswordText,
  UserAuthenticator,
} from "./auth/index.ts";
import type {
  CallbackOptions,
  ChainAnswer,
  ChainedAuthenticator,
  EntryMethod,
  ListenerEntryPolicy,
} from "./auth/index.ts";
import type { Counters } from "./engine/counters.ts";
import type { Authentication, Authenticator, ConnectRequest, Log } from "./engine/ports.ts";
import type { Settings } from "./settings.ts";

/** Says who may enter, as a function: true and false for yes and no. */
export type AuthenticatorFunction = (
  request: ConnectRequest,
) => Authentication | boolean | Promise<Authentication | boolean>;

/** The same in a chain: "next" where it knows nothing of the user. */
export type ChainedAuthenticatorFunction = (
  request: ConnectRequest,
) => ChainAnswer | boolean | Promise<ChainAnswer | boolean>;

/** Who decides, as the embedding program gives it. */
export interface EntryOptions {
  /** Alone, whatever the settings of `auth` say. */
  readonly authenticator?: Authenticator | AuthenticatorFunction;
  /** In order, before those of the settings. */
  readonly authenticators?: readonly (ChainedAuthenticator | ChainedAuthenticatorFunction)[];
}

/** The settings that decide who may enter. */
export type EntrySettings = Pick<Settings, "auth" | "jwt">;

/** What the files hold that say who may enter. */
export interface EntryFiles {
  readonly users: ReturnType<typeof parsePasswordFile> | undefined;
  /** Of the password file's text; empty without one. */
  readonly digest: string;
  readonly tokens: ReturnType<typeof readJwtKeys> | undefined;
}

/**
 * Reads the files that say who may enter.
 *
 * @throws UsageError ERR_PASSWORD_FILE, ERR_JWT_KEY.
 */
export function readEntryFiles({ auth, jwt }: EntrySettings): EntryFiles {
  const file = auth.passwordFile;
  const text = file === "" ? "" : named("auth.passwordFile", () => readPasswordText(file));
  return {
    users:
      file === "" ? undefined : named("auth.passwordFile", () => parsePasswordFile(text, file)),
    digest: file === "" ? "" : createHash("sha256").update(text).digest("hex"),
    tokens: jwt.keyFile === "" ? undefined : named("jwt.keyFile", () => readJwtKeys(jwt.keyFile)),
  };
}

/** Has what is wrong with a file begin with the setting that names it. */
function named<T>(setting: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(error.code, `${setting}: ${error.message}`, { cause: error });
  }
}

/** Who may enter, read and checked, and not yet in force. */
export interface PreparedEntry {
  /** Nobody is asked. */
  readonly letsEverybodyIn: boolean;
  /** Settings whose files hold something else than before. */
  readonly changed: readonly string[];
  /** Puts it in force. @returns the authenticator; `undefined` lets everybody in. */
  apply(): Authenticator | undefined;
}

/** Builds what says who may enter, from what is given and from the settings, and builds it anew when they change. */
export class Entry {
  readonly #given: EntryOptions;
  readonly #counters: Counters;
  readonly #log: Log;
  readonly #queue: HashQueue;
  readonly #thread = new HashThread();
  #passwords: PasswordAuthenticator | undefined;
  #callback: CallbackAuthenticator | undefined;
  /** Of the password file's text, which is not kept. */
  #fileDigest = "";
  #keyDigest = "";
  #isNobodyAsked = false;
  /** What listeners say on their own. */
  readonly listeners = new ListenerEntry();

  /** @throws UsageError ERR_USAGE where both ways to give authenticators are used. */
  constructor(given: EntryOptions, settings: Settings, counters: Counters, log: Log) {
    if (given.authenticator !== undefined && given.authenticators !== undefined) {
      throw new UsageError(
        "ERR_USAGE",
        "authenticator decides alone, and authenticators are a chain: give one of them",
      );
    }
    this.#given = given;
    this.#counters = counters;
    this.#log = log;
    this.#queue = new HashQueue(boundsOf(settings));
  }

  /**
   * Reads the files that the settings name. Changes nothing until `apply` is called.
   *
   * @throws UsageError ERR_PASSWORD_FILE, ERR_JWT_KEY.
   */
  prepare(settings: Settings): PreparedEntry {
    const { authenticator, authenticators } = this.#given;
    if (authenticator !== undefined) {
      const alone = typeof authenticator === "function" ? asked(authenticator) : authenticator;
      return { letsEverybodyIn: false, changed: [], apply: () => alone };
    }
    if (authenticators === undefined && !namesAuthentication(settings))
      return { letsEverybodyIn: true, changed: [], apply: () => this.#openToAll() };
    const { auth, jwt } = settings;
    const { users, digest, tokens } = readEntryFiles(settings);
    const changed = this.#fileDigest === digest ? [] : ["auth.passwordFile"];
    if (this.#keyDigest !== (tokens?.digest ?? "")) changed.push("jwt.keyFile");
    const apply = (): Authenticator => {
      this.#fileDigest = digest;
      this.#isNobodyAsked = false;
      this.#keyDigest = tokens?.digest ?? "";
      this.#queue.bounds = boundsOf(settings);
      const links: ChainedAuthenticator[] = (authenticators ?? []).map((one) =>
        typeof one === "function" ? asked(one) : one,
      );
      const methods = new Map<ChainedAuthenticator, EntryMethod>();
      const add = (method: EntryMethod, link: ChainedAuthenticator): void => {
        methods.set(link, method);
        links.push(link);
      };
      const chain = new AuthenticatorChain(
        links,
        ({ peer }) => this.listeners.allowsAnonymous(peer, auth.allowAnonymous),
        (link, { peer }, what) => {
          const method = methods.get(link) ?? "custom";
          // The users of a password file have two ways: the password itself, and proof of it.
          const isScram = method === "password" && what === "exchange";
          return this.listeners.counts(peer, isScram ? "scram" : method);
        },
      );
      if (auth.certificate !== "none")
        add(
          "certificate",
          new CertificateAuthenticator(auth.certificate as "commonName" | "subject"),
        );
      if (tokens !== undefined) {
        const { requireExpiry: requiresExpiry, ...options } = jwt;
        add("jwt", new JwtAuthenticator({ ...options, requiresExpiry, keys: tokens.keys }));
      }
      if (auth.username !== "")
        add("password", new UserAuthenticator(auth, (request) => chain.refuseUnknown(request)));
      if (users !== undefined) {
        if (this.#passwords === undefined) {
          this.#passwords = new PasswordAuthenticator(users, {
            queue: this.#queue,
            thread: this.#thread,
            counters: this.#counters,
            log: this.#log,
          });
        } else this.#passwords.load(users);
        add("password", this.#passwords);
      }
      this.#closeCallback();
      if (auth.callbackUrl !== "") {
        const tools = { counters: this.#counters, log: this.#log };
        this.#callback = new CallbackAuthenticator(callbackOf(settings), tools);
        add("http", this.#callback);
      }
      return chain;
    };
    return { letsEverybodyIn: false, changed, apply };
  }

  /** Ends connections to a web service, and the thread that checks passwords. */
  close(): void {
    this.#closeCallback();
    this.#thread.close();
  }

  #closeCallback(): void {
    this.#callback?.close();
    this.#callback = undefined;
  }

  #openToAll(): Authenticator | undefined {
    this.#closeCallback();
    this.#isNobodyAsked = true;
    return this.#open;
  }

  get #open(): Authenticator | undefined {
    return this.listeners.isRefusedSomewhere ? this.listeners.alone : undefined;
  }

  /**
   * A listener says on its own who may enter.
   *
   * @returns the authenticator to use from now on, where there was none.
   * @throws UsageError ERR_USAGE where the program's own authenticator decides alone; ERR_SETTING where
   * those of the program are to count and there are none.
   */
  decide({ allowsAnonymous, methods }: ListenerEntryPolicy): Authenticator | undefined {
    if (this.#given.authenticator !== undefined) {
      throw new UsageError(
        "ERR_USAGE",
        "auth of a listener goes with the settings or with authenticators; an authenticator that decides alone sees the listener in peer",
      );
    }
    if (methods?.includes("custom") === true && this.#given.authenticators === undefined) {
      throw new UsageError(
        "ERR_SETTING",
        "auth.methods names custom, and the program has given no authenticators",
      );
    }
    if (allowsAnonymous === false || methods !== undefined)
      this.listeners.isRefusedSomewhere = true;
    return this.#isNobodyAsked ? this.#open : undefined;
  }
}

function boundsOf({ auth }: Settings): { deadlineMs: number; waiting: number } {
  return { deadlineMs: auth.hashDeadline, waiting: auth.hashesWaiting };
}

function callbackOf({ auth }: Settings): CallbackOptions {
  return {
    url: auth.callbackUrl,
    timeoutMs: auth.callbackTimeout,
    cacheTtlMs: auth.callbackCacheTtl,
    whenDown: auth.callbackWhenDown as CallbackOptions["whenDown"],
  };
}

/** A function as an authenticator. */
function asked<A extends Authentication | "next">(
  ask: (request: ConnectRequest) => A | boolean | Promise<A | boolean>,
): { authenticate(request: ConnectRequest): A | Authentication | Promise<A | Authentication> } {
  return {
    authenticate: (request) => {
      const answer = ask(request);
      return answer instanceof Promise ? answer.then(answerOf) : answerOf(answer);
    },
  };
}

function answerOf<A>(answer: A | boolean): A | Authentication {
  if (typeof answer === "boolean") return answer ? { accepted: true } : { accepted: false };
  return answer;
}
