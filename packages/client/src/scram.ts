import type { Authentication, AuthenticationExchange } from "./authentication.ts";
import { payloadBytes, payloadText } from "./message.ts";
import { hmac, randomBytes, subtleCrypto } from "./web-crypto.ts";

// Node and browsers have them; the core of the client has no types of a platform.
declare function atob(text: string): string;
declare function btoa(text: string): string;

/** Who signs in by SCRAM. */
export interface ScramOptions {
  readonly username: string;
  readonly password: string;
  /** Default `SHA-256`. */
  readonly hash?: "SHA-256" | "SHA-1" | undefined;
  /** Rounds that a server may ask for, at most: each costs time. Default 1 000 000. */
  readonly iterationsMaximum?: number | undefined;
}

/** Below this a password is found too quickly (RFC 7677 §4). */
const iterationsMinimum = 4096;
const nonceBytes = 18;

/**
 * SCRAM-SHA-256 or SCRAM-SHA-1 (RFC 5802, RFC 7677), without channel binding: the password is never
 * sent, and the client learns that the server knows it too.
 *
 * ```ts
 * const authentication = scram({ username: "alice", password: "pencil" });
 * const client = await connect("mqtts://broker.example", { authentication });
 * ```
 *
 * It needs WebCrypto, which browsers have in pages that came over HTTPS (or from this machine).
 */
export function scram(options: ScramOptions): Authentication {
  const { hash = "SHA-256" } = options;
  return { method: `SCRAM-${hash}`, begin: () => new ScramExchange(options, makeNonce()) };
}

function makeNonce(): string {
  return base64(randomBytes(nonceBytes));
}

/** One sign-in. */
export class ScramExchange implements AuthenticationExchange {
  readonly #options: ScramOptions;
  readonly #nonce: string;
  readonly #firstBare: string;
  /** What the server has to show at the end. */
  #serverSignature: string | undefined = undefined;

  /** @param nonce  Printable ASCII without a comma; never the same twice. */
  constructor(options: ScramOptions, nonce: string) {
    this.#options = options;
    this.#nonce = nonce;
    const name = options.username.replaceAll("=", "=3D").replaceAll(",", "=2C");
    this.#firstBare = `n=${name},r=${nonce}`;
  }

  first(): Uint8Array {
    return payloadBytes(`n,,${this.#firstBare}`);
  }

  async answer(data: Uint8Array | undefined): Promise<Uint8Array> {
    const challenge = payloadText(data ?? new Uint8Array(0));
    const { password, hash = "SHA-256", iterationsMaximum = 1_000_000 } = this.#options;
    const [, nonce = "", salt = "", rounds = ""] =
      /^r=([^,]+),s=([^,]+),i=([0-9]{1,9})(?:,.*)?$/.exec(challenge) ?? [];
    const iterations = Number(rounds);
    if (!nonce.startsWith(this.#nonce) || nonce === this.#nonce)
      throw new Error("the server's challenge is not for this client");
    if (iterations < iterationsMinimum || iterations > iterationsMaximum)
      throw new Error(
        `the server asks for ${iterations} iterations, expected ${iterationsMinimum}…${iterationsMaximum}`,
      );
    const salted = await pbkdf2(password.normalize("NFKC"), bytesOf(salt), iterations, hash);
    const clientKey = await hmac(salted, "Client Key", hash);
    const final = `c=biws,r=${nonce}`;
    const exchanged = `${this.#firstBare},${challenge},${final}`;
    const storedKey = new Uint8Array(await subtleCrypto().digest(hash, clientKey));
    const signature = await hmac(storedKey, exchanged, hash);
    const serverKey = await hmac(salted, "Server Key", hash);
    this.#serverSignature = base64(await hmac(serverKey, exchanged, hash));
    const proof = clientKey.map((byte, index) => byte ^ signature[index]!);
    return payloadBytes(`${final},p=${base64(proof)}`);
  }

  accept(data: Uint8Array | undefined): void {
    const [last = ""] = payloadText(data ?? new Uint8Array(0)).split(",");
    if (last.startsWith("e=")) throw new Error(`the server says ${last.slice(2)}`);
    if (this.#serverSignature === undefined || last !== `v=${this.#serverSignature}`)
      throw new Error("the server has not shown that it knows the password");
  }
}

async function pbkdf2(
  password: string,
  salt: Uint8Array,
  iterations: number,
  hash: string,
): Promise<Uint8Array> {
  const bytes = payloadBytes(password);
  const key = await subtleCrypto().importKey("raw", bytes, "PBKDF2", false, ["deriveBits"]);
  const bits = hash === "SHA-1" ? 160 : 256;
  const algorithm = { name: "PBKDF2", hash, salt, iterations };
  return new Uint8Array(await subtleCrypto().deriveBits(algorithm, key, bits));
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

/** @throws Error where it is no base64. */
function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
