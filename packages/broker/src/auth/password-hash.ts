import {
  createHash,
  pbkdf2Sync,
  randomBytes,
  scrypt,
  scryptSync,
  timingSafeEqual,
} from "node:crypto";
import { promisify } from "node:util";
import type { ScryptOptions } from "node:crypto";
import { parseScramVerifier } from "./scram-verifier.ts";

const scryptAsync = promisify<Uint8Array, Uint8Array, number, ScryptOptions, Buffer>(scrypt);

/** A password as it is kept: enough to tell whether another one is the same. */
export interface PasswordHash {
  /** As it stands in the file. */
  readonly text: string;
  /** How it is made, for people. */
  readonly method: string;
  /**
   * Hashes the password and compares in constant time. Takes all of a core, for 45 ms and more: not
   * where anything else is served; see `HashThread`.
   */
  verify(password: Uint8Array): boolean;
}

/** What a hash with scrypt costs: N is 2 to the power of `ln`; it takes 128 · N · r bytes. */
export interface ScryptCost {
  readonly ln: number;
  readonly r: number;
  readonly p: number;
}

/** Takes 16 MiB, and about 45 ms of one core. */
export const defaultScryptCost: ScryptCost = { ln: 14, r: 8, p: 1 };

/** Longest that a hash in the file may take to check, as work: 8 times 16 MiB, or 10 million rounds. */
const LARGEST = { ln: 20, r: 32, p: 16, memory: 256 * 1024 * 1024, iterations: 10_000_000 };

/**
 * Hashes a password with scrypt and a salt of its own: `$scrypt$ln=14,r=8,p=1$salt$hash`. Works in
 * the thread pool.
 */
export async function hashPassword(
  password: Uint8Array,
  cost: ScryptCost = defaultScryptCost,
): Promise<string> {
  const salt = randomBytes(16);
  const hash = await scryptAsync(password, salt, 32, optionsOf(cost));
  const { ln, r, p } = cost;
  return `$scrypt$ln=${ln},r=${r},p=${p}$${unpadded(salt)}$${unpadded(hash)}`;
}

/**
 * Reads a hash: `$scrypt$…` and `$scram-sha-…` of `sericite passwd`, `$7$…` (PBKDF2 with SHA-512) and
 * `$6$…` (SHA-512 and salt) of mosquitto_passwd.
 *
 * @returns the hash, or a text that says what is wrong with it; it does not repeat the hash.
 */
export function parsePasswordHash(text: string): PasswordHash | string {
  const [before, kind, ...parts] = text.split("$");
  if (before !== "" || kind === undefined)
    return "a hash is expected here, and this may be a password; `sericite passwd` writes hashes";
  switch (kind) {
    case "scrypt":
      return parseScrypt(text, parts);
    case "7":
      return parsePbkdf2(text, parts);
    case "6":
      return parseSha512(text, parts);
    case "scram-sha-1":
    case "scram-sha-256": {
      const verifier = parseScramVerifier(text);
      return typeof verifier === "string"
        ? verifier
        : { text, method: kind, verify: (password) => verifier.verify(password) };
    }
    default:
      return `hashes of the kind $${kind.slice(0, 20)}$ are not supported; there are $scrypt$, $scram-sha-1$, $scram-sha-256$ and mosquitto's $7$ and $6$`;
  }
}

function parseScrypt(text: string, parts: readonly string[]): PasswordHash | string {
  const found = /^ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})$/.exec(parts[0] ?? "");
  const salt = bytesOfBase64(parts[1]);
  const hash = bytesOfBase64(parts[2]);
  if (found === null || salt === undefined || hash === undefined || parts.length !== 3)
    return "this is no hash of the form $scrypt$ln=14,r=8,p=1$salt$hash";
  const cost = { ln: Number(found[1]), r: Number(found[2]), p: Number(found[3]) };
  const fault = scryptFault(cost);
  if (fault !== undefined) return fault;
  return {
    text,
    method: `scrypt, N=2^${cost.ln}, r=${cost.r}, p=${cost.p}`,
    verify: (password) =>
      timingSafeEqual(scryptSync(password, salt, hash.length, optionsOf(cost)), hash),
  };
}

/** Why a cost cannot be used, or `undefined`. */
export function scryptFault({ ln, r, p }: ScryptCost): string | undefined {
  const isSmall = ln < 1 || r < 1 || p < 1;
  const isLarge = ln > LARGEST.ln || r > LARGEST.r || p > LARGEST.p;
  if (isSmall || isLarge || 128 * 2 ** ln * r > LARGEST.memory)
    return `ln=${ln},r=${r},p=${p} is out of bounds: ln up to ${LARGEST.ln}, r up to ${LARGEST.r}, p up to ${LARGEST.p}, and together no more than ${LARGEST.memory / 1024 / 1024} MiB`;
  return undefined;
}

function optionsOf({ ln, r, p }: ScryptCost): ScryptOptions {
  const N = 2 ** ln;
  return { N, r, p, maxmem: 128 * r * (N + p) + 1024 * 1024 };
}

function parsePbkdf2(text: string, parts: readonly string[]): PasswordHash | string {
  const iterations = Number(/^\d{1,9}$/.exec(parts[0] ?? "")?.[0] ?? 0);
  const salt = bytesOfBase64(parts[1]);
  const hash = bytesOfBase64(parts[2]);
  if (salt === undefined || hash === undefined || parts.length !== 3)
    return "this is no hash of the form $7$iterations$salt$hash";
  if (iterations < 1 || iterations > LARGEST.iterations)
    return `${parts[0]} iterations are out of bounds: 1…${LARGEST.iterations}`;
  return {
    text,
    method: `mosquitto's PBKDF2 with SHA-512, ${iterations} iterations`,
    verify: (password) =>
      timingSafeEqual(pbkdf2Sync(password, salt, iterations, hash.length, "sha512"), hash),
  };
}

function parseSha512(text: string, parts: readonly string[]): PasswordHash | string {
  const salt = bytesOfBase64(parts[0]);
  const hash = bytesOfBase64(parts[1]);
  if (salt === undefined || hash?.length !== 64 || parts.length !== 2)
    return "this is no hash of the form $6$salt$hash";
  return {
    text,
    method: "mosquitto's old one, SHA-512 and salt",
    verify: (password) =>
      timingSafeEqual(createHash("sha512").update(password).update(salt).digest(), hash),
  };
}

/** Base64 with or without padding; `undefined` where it is none or empty. */
export function bytesOfBase64(text: string | undefined): Buffer | undefined {
  if (text === undefined || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return undefined;
  const bytes = Buffer.from(text, "base64");
  return bytes.length === 0 || bytes.length > 1024 ? undefined : bytes;
}

/** Base64 as PHC strings have it. */
export function unpadded(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64").replace(/=+$/, "");
}
