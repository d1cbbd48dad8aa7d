import { createHmac, randomBytes } from "node:crypto";
import { ReasonCode } from "@sericite/protocol";
import type { JWTPayload } from "jose";
import type { Authentication, ConnectRequest } from "../engine/ports.ts";
import { rightsOfLists } from "./acl-rights.ts";
import type { RightsList } from "./acl-rights.ts";
import type { ChainAnswer, ChainedAuthenticator } from "./chain.ts";
import type { JwtKeys } from "./jwt-keys.ts";

/** What is asked of tokens, and what is made of them. */
export interface JwtOptions {
  readonly keys: JwtKeys;
  /** Empty: anybody's. */
  readonly issuer: string;
  /** Empty: for anybody. */
  readonly audience: string;
  /** Claim that is the username; empty: the one that the client sends stays. */
  readonly usernameClaim: string;
  /** Claim that the Client Identifier has to be, in tokens that have it; empty: none. */
  readonly clientIdClaim: string;
  /** Claim with rights, in tokens that have it; empty: none. */
  readonly aclClaim: string;
  /** What clocks may differ by. Seconds. */
  readonly clockTolerance: number;
  /** Refuse tokens that never expire. */
  readonly requiresExpiry: boolean;
}

/** Tokens whose signature is remembered. */
const REMEMBERED = 10_000;
/** Longer ones are not looked at. Characters. */
const LONGEST = 32 * 1024;

/**
 * Lets in clients that show a JSON Web Token (RFC 7519), as password or as `Authorization: Bearer` of
 * the WebSocket's request. Its claims give username, Client Identifier, rights and the time at which
 * the connection ends. What is no token is the next one's.
 */
export class JwtAuthenticator implements ChainedAuthenticator {
  readonly #options: JwtOptions;
  readonly #verify: (token: string) => Promise<JWTPayload>;
  readonly #key = randomBytes(32);
  readonly #known = new Map<string, JWTPayload>();

  constructor(options: JwtOptions) {
    this.#options = options;
    this.#verify = verifierOf(options);
  }

  authenticate(request: ConnectRequest): ChainAnswer | Promise<ChainAnswer> {
    const token = tokenOf(request);
    if (token === undefined) return "next";
    const digest = createHmac("sha256", this.#key).update(token).digest("base64");
    const known = this.#known.get(digest);
    if (known !== undefined && !this.#isExpired(known)) return this.#answer(known, request);
    return this.#check(token, digest, request);
  }

  async #check(token: string, digest: string, request: ConnectRequest): Promise<Authentication> {
    let claims: JWTPayload;
    try {
      claims = await this.#verify(token);
    } catch (error) {
      return refused(`token: ${(error as Error).message}`);
    }
    if (this.#known.size >= REMEMBERED) {
      for (const oldest of this.#known.keys()) {
        this.#known.delete(oldest);
        break;
      }
    }
    this.#known.set(digest, claims);
    return this.#answer(claims, request);
  }

  #answer(claims: JWTPayload, request: ConnectRequest): Authentication {
    const { usernameClaim, clientIdClaim, aclClaim } = this.#options;
    const username = usernameClaim === "" ? request.username : claims[usernameClaim];
    if (usernameClaim !== "" && !isName(username))
      return refused(`token: the claim ${usernameClaim} is no username`);
    const asked = clientIdClaim === "" ? undefined : claims[clientIdClaim];
    if (asked !== undefined && !isName(asked))
      return refused(`token: the claim ${clientIdClaim} is no Client Identifier`);
    if (asked !== undefined && request.clientId !== "" && request.clientId !== asked)
      return refused(
        "token: it is for another Client Identifier",
        ReasonCode.clientIdentifierNotValid,
      );
    const clientId = asked ?? request.clientId;
    const lists = aclClaim === "" ? undefined : claims[aclClaim];
    if (lists !== undefined && !isRights(lists))
      return refused(
        `token: the claim ${aclClaim} is not {publish, subscribe, deny}, lists of texts`,
      );
    try {
      return {
        accepted: true,
        ...(asked === undefined ? {} : { clientId: asked }),
        username: username as string | undefined,
        rights:
          lists === undefined
            ? undefined
            : rightsOfLists(lists, { clientId, username: username as string | undefined }),
        expiresInMs: this.#restOf(claims),
      };
    } catch (error) {
      return refused(`token: the claim ${aclClaim}: ${(error as Error).message}`);
    }
  }

  /** Milliseconds; `undefined`: for good. */
  #restOf({ exp }: JWTPayload): number | undefined {
    if (exp === undefined) return undefined;
    return (exp + this.#options.clockTolerance) * 1000 - Date.now();
  }

  #isExpired(claims: JWTPayload): boolean {
    return (this.#restOf(claims) ?? 1) <= 0;
  }
}

/** Loads the library with the first token: a broker without any does not need it. */
function verifierOf({
  keys,
  issuer,
  audience,
  clockTolerance,
  requiresExpiry,
}: JwtOptions): (token: string) => Promise<JWTPayload> {
  const options = {
    algorithms: [...keys.algorithms],
    clockTolerance,
    ...(issuer === "" ? {} : { issuer }),
    ...(audience === "" ? {} : { audience }),
    ...(requiresExpiry ? { requiredClaims: ["exp"] } : {}),
  };
  let verify: Promise<(token: string) => Promise<JWTPayload>> | undefined;
  const load = async (): Promise<(token: string) => Promise<JWTPayload>> => {
    const { createLocalJWKSet, jwtVerify } = await import("jose");
    if (keys.type === "key")
      return async (token) => (await jwtVerify(token, keys.key, options)).payload;
    const set = createLocalJWKSet(keys.keys);
    return async (token) => (await jwtVerify(token, set, options)).payload;
  };
  return async (token) => (await (verify ??= load()))(token);
}

/** The password, or the bearer token of the upgrade request, where it looks like a signed token. */
function tokenOf({ password, peer }: ConnectRequest): string | undefined {
  if (password !== undefined) return asToken(Buffer.from(password).toString());
  const header = peer.upgrade?.headers["authorization"];
  const bearer = typeof header === "string" ? /^bearer +(\S+)$/i.exec(header)?.[1] : undefined;
  return bearer === undefined ? undefined : asToken(bearer);
}

function asToken(text: string): string | undefined {
  if (text.length > LONGEST) return undefined;
  const found = /^([\w-]+)\.[\w-]+\.[\w-]*$/.exec(text);
  if (found === null) return undefined;
  try {
    const header = JSON.parse(Buffer.from(found[1]!, "base64url").toString()) as unknown;
    return typeof (header as { alg?: unknown } | null)?.alg === "string" ? text : undefined;
  } catch {
    return undefined; // A password with two dots in it.
  }
}

function isName(value: unknown): value is string {
  return (
    typeof value === "string" &&
    value !== "" &&
    Buffer.byteLength(value) <= 65_535 &&
    !/[\u0000-\u001f\u007f]/.test(value)
  );
}

function isRights(value: unknown): value is RightsList {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.entries(value).every(
    ([name, list]) =>
      ["publish", "subscribe", "deny"].includes(name) &&
      Array.isArray(list) &&
      list.every((one) => typeof one === "string"),
  );
}

function refused(
  reason: string,
  reasonCode: number = ReasonCode.badUserNameOrPassword,
): Authentication {
  return { accepted: false, reasonCode, reason };
}
