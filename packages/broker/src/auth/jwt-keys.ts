import { createHash, createPublicKey, createSecretKey } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { UsageError } from "@sericite/protocol";
import type { JSONWebKeySet, JWK } from "jose";
import { unreadable } from "./unreadable.ts";

/** Signatures that are taken; others, `none` before all, never are. */
export type JwtAlgorithm = "HS256" | "RS256" | "ES256";

/** What tokens are checked by, and the only algorithms that fit it. */
export type JwtKeys = { readonly algorithms: readonly JwtAlgorithm[] } & (
  | { readonly type: "key"; readonly key: KeyObject }
  | { readonly type: "set"; readonly keys: JSONWebKeySet }
);

/** A shorter secret can be guessed from one token. Bytes. */
const SECRET = 32;

/**
 * Reads a file with what tokens are checked by: a set of keys (JWKS, JSON), a public key or
 * certificate in PEM, or a secret, which is everything else, without the line feed at its end.
 *
 * @returns the keys, and a digest that tells whether the file changed.
 * @throws UsageError ERR_JWT_KEY names the file, never what it holds.
 */
export function readJwtKeys(path: string): { readonly keys: JwtKeys; readonly digest: string } {
  const bytes = read(path);
  return { keys: keysIn(bytes, path), digest: createHash("sha256").update(bytes).digest("hex") };
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw keyError(unreadable(path, cause), cause);
  }
}

function keysIn(bytes: Buffer, path: string): JwtKeys {
  const text = bytes.toString().trim();
  if (text.startsWith("{")) return keySet(text, path);
  if (text.startsWith("-----BEGIN")) return publicKey(text, path);
  let end = bytes.length;
  while (end > 0 && (bytes[end - 1] === 10 || bytes[end - 1] === 13)) end--;
  if (end < SECRET)
    throw keyError(`${path}: the secret has ${end} bytes, expected ${SECRET} at least`);
  return { type: "key", key: createSecretKey(bytes.subarray(0, end)), algorithms: ["HS256"] };
}

function publicKey(text: string, path: string): JwtKeys {
  // `createPublicKey` takes a private key too, and such a file should not lie about.
  if (text.includes("PRIVATE KEY"))
    throw keyError(`${path} holds a private key; tokens are checked by the public one`);
  let key: KeyObject;
  try {
    key = createPublicKey(text);
  } catch (cause) {
    throw keyError(`${path}: ${(cause as Error).message}`, cause);
  }
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === "rsa" && (details?.modulusLength ?? 0) >= 2048)
    return { type: "key", key, algorithms: ["RS256"] };
  if (type === "ec" && details?.namedCurve === "prime256v1")
    return { type: "key", key, algorithms: ["ES256"] };
  throw keyError(`${path}: expected an RSA key of 2048 bits or more, or an EC key on P-256`);
}

function keySet(text: string, path: string): JwtKeys {
  let keys: readonly JWK[] | undefined;
  try {
    ({ keys } = JSON.parse(text) as { keys?: readonly JWK[] });
  } catch (cause) {
    throw keyError(`${path} is not JSON: ${(cause as Error).message}`, cause);
  }
  if (!Array.isArray(keys)) throw keyError(`${path} has no list "keys", as a JWKS has`);
  const usable = (keys as readonly JWK[]).filter((key) => algorithmOf(key) !== undefined);
  if (usable.length === 0)
    throw keyError(`${path} has no key for ${["HS256", "RS256", "ES256"].join(", ")}`);
  const algorithms = [...new Set(usable.map((key) => algorithmOf(key)!))];
  return { type: "set", keys: { keys: usable.map((key) => ({ ...key })) }, algorithms };
}

function algorithmOf({ kty, crv, alg, use, k }: JWK): JwtAlgorithm | undefined {
  if (use !== undefined && use !== "sig") return undefined;
  const isFor = (algorithm: JwtAlgorithm): JwtAlgorithm | undefined =>
    alg === undefined || alg === algorithm ? algorithm : undefined;
  if (kty === "RSA") return isFor("RS256");
  if (kty === "EC" && crv === "P-256") return isFor("ES256");
  if (kty === "oct" && Buffer.from(k ?? "", "base64url").length >= SECRET) return isFor("HS256");
  return undefined;
}

function keyError(message: string, cause?: unknown): UsageError {
  return new UsageError("ERR_JWT_KEY", message, cause === undefined ? undefined : { cause });
}
