import { UsageError } from "@sericite/protocol";
import type { Payload } from "./message.ts";
import { payloadBytes } from "./message.ts";

interface Key {
  readonly type: string;
}

interface SubtleCryptoLike {
  digest(hash: string, bytes: Uint8Array): Promise<ArrayBuffer>;
  importKey(
    format: "raw",
    bytes: Uint8Array,
    algorithm: string | object,
    extractable: false,
    usages: readonly string[],
  ): Promise<Key>;
  sign(algorithm: "HMAC", key: Key, bytes: Uint8Array): Promise<ArrayBuffer>;
  deriveBits(algorithm: object, key: Key, bits: number): Promise<ArrayBuffer>;
}

// Node and browsers have it; the core of the client has no types of a platform.
declare const crypto: {
  getRandomValues(bytes: Uint8Array): Uint8Array;
  readonly subtle?: SubtleCryptoLike;
};

/** So many bytes of chance. */
export function randomBytes(count: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(count));
}

/** WebCrypto. @throws UsageError in a page that did not come over HTTPS: browsers have none there. */
export function subtleCrypto(): SubtleCryptoLike {
  if (crypto.subtle !== undefined) return crypto.subtle;
  throw new UsageError("ERR_USAGE", "there is no WebCrypto: open the page over HTTPS");
}

/** HMAC (RFC 2104). @param hash  As WebCrypto calls it: `SHA-256`, `SHA-1`. */
export async function hmac(secret: Uint8Array, text: Payload, hash: string): Promise<Uint8Array> {
  const algorithm = { name: "HMAC", hash };
  const key = await subtleCrypto().importKey("raw", secret, algorithm, false, ["sign"]);
  return new Uint8Array(await subtleCrypto().sign("HMAC", key, payloadBytes(text)));
}
