import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { ReasonCode } from "@sericite/protocol";
import type {
  AuthenticationExchange,
  AuthenticationStep,
  ConnectRequest,
} from "../engine/ports.ts";
import type { PasswordUsers } from "./password-file.ts";
import { defaultScramIterations, ScramVerifier } from "./scram-verifier.ts";
import type { ScramDigest } from "./scram-verifier.ts";

/** Authentication Methods of MQTT 5.0, by the names of the SASL mechanisms (RFC 5802, RFC 7677). */
const DIGESTS: Readonly<Record<string, ScramDigest>> = {
  "SCRAM-SHA-256": "sha256",
  "SCRAM-SHA-1": "sha1",
};

/** Length of the server's part of the nonce, bytes. */
const NONCE = 18;

const refusal: AuthenticationStep = {
  type: "refuse",
  reasonCode: ReasonCode.notAuthorized,
  reason: "SCRAM: the user is unknown, or the proof does not fit",
};

/** Begins exchanges for the users of a password file that have keys for SCRAM. */
export class ScramServer {
  /** Salts of users whom nobody knows: always the same for a name, as those of known ones are. */
  readonly #key = randomBytes(32);

  /** @returns `undefined` for a method that is not SCRAM, or where no user has keys for it. */
  begin(
    method: string,
    request: ConnectRequest,
    users: PasswordUsers,
  ): AuthenticationExchange | undefined {
    const digest = Object.hasOwn(DIGESTS, method) ? DIGESTS[method] : undefined;
    if (digest === undefined) return undefined;
    let hasKeys = false;
    for (const { scram } of users.values()) hasKeys ||= scram.has(digest);
    if (!hasKeys) return undefined;
    return new ScramExchange(digest, request.username, (name) => {
      const known = users.get(name)?.scram.get(digest);
      return known === undefined
        ? { verifier: this.#decoy(name, digest, users), isKnown: false }
        : { verifier: known, isKnown: true };
    });
  }

  /** What nobody can prove to know, and looks like what the others have. */
  #decoy(name: string, digest: ScramDigest, users: PasswordUsers): ScramVerifier {
    const part = (label: string): Buffer =>
      createHmac("sha256", this.#key).update(`${label}:${digest}:${name}`).digest();
    let like: ScramVerifier | undefined;
    for (const { scram } of users.values()) {
      like = scram.get(digest);
      if (like !== undefined) break;
    }
    const length = like?.storedKey.length ?? 32;
    return new ScramVerifier(
      digest,
      like?.iterations ?? defaultScramIterations,
      part("salt").subarray(0, like?.salt.length ?? 16),
      part("stored").subarray(0, length),
      part("server").subarray(0, length),
    );
  }
}

interface Credentials {
  readonly verifier: ScramVerifier;
  readonly isKnown: boolean;
}

/** One exchange (RFC 5802 §5): client-first, server-first, client-final, server-final. */
class ScramExchange implements AuthenticationExchange {
  readonly #digest: ScramDigest;
  readonly #expectedName: string | undefined;
  readonly #find: (name: string) => Credentials;
  #begun:
    | {
        readonly name: string;
        readonly gs2Header: string;
        readonly clientFirstBare: string;
        readonly serverFirst: string;
        readonly nonce: string;
        readonly credentials: Credentials;
      }
    | undefined;
  #isOver = false;

  /** @param expectedName  Of CONNECT, or of the connection that authenticates again: it cannot be another. */
  constructor(
    digest: ScramDigest,
    expectedName: string | undefined,
    find: (name: string) => Credentials,
  ) {
    this.#digest = digest;
    this.#expectedName = expectedName;
    this.#find = find;
  }

  step(data: Uint8Array | undefined): AuthenticationStep {
    if (this.#isOver) return malformed("the exchange is over");
    // A client may begin with nothing, and is asked for its first message then.
    if (this.#begun === undefined && (data === undefined || data.length === 0))
      return { type: "continue" };
    const text = Buffer.from(data ?? []).toString();
    return this.#begun === undefined ? this.#first(text) : this.#final(text);
  }

  #first(message: string): AuthenticationStep {
    const found =
      /^((n|y|p=[^,]*),(?:a=([^,]*))?,)(n=([^,]*),r=([\u0021-\u002b\u002d-\u007e]+)(?:,.*)?)$/s.exec(
        message,
      );
    if (found === null) return this.#end(malformed("the first message is malformed"));
    const [, gs2Header, binding, asText, bare, nameText, clientNonce] = found;
    if (binding!.startsWith("p")) return this.#end(malformed("channel binding is not supported"));
    const name = unescaped(nameText!);
    if (name === undefined || name === "") return this.#end(malformed("the name is malformed"));
    const isOther = this.#expectedName !== undefined && name !== this.#expectedName;
    const isForAnother = asText !== undefined && asText !== "" && unescaped(asText) !== name;
    if (isOther || isForAnother) return this.#end(refusal);
    const credentials = this.#find(name);
    const { salt, iterations } = credentials.verifier;
    const nonce = clientNonce! + randomBytes(NONCE).toString("base64");
    const serverFirst = `r=${nonce},s=${Buffer.from(salt).toString("base64")},i=${iterations}`;
    this.#begun = {
      name,
      gs2Header: gs2Header!,
      clientFirstBare: bare!,
      serverFirst,
      nonce,
      credentials,
    };
    return { type: "continue", data: Buffer.from(serverFirst) };
  }

  #final(message: string): AuthenticationStep {
    this.#isOver = true;
    const begun = this.#begun!;
    const found = /^((c=([^,]*),r=([^,]*)(?:,.*)?)),p=([A-Za-z0-9+/]+=*)$/s.exec(message);
    if (found === null) return malformed("the final message is malformed");
    const [, withoutProof, , binding, nonce, proofText] = found;
    const header = Buffer.from(begun.gs2Header).toString("base64");
    if (binding !== header || nonce !== begun.nonce)
      return malformed("nonce or channel binding is another than before");
    const { verifier, isKnown } = begun.credentials;
    const authMessage = `${begun.clientFirstBare},${begun.serverFirst},${withoutProof}`;
    const signature = this.#hmac(verifier.storedKey, authMessage);
    const proof = Buffer.from(proofText!, "base64");
    if (proof.length !== signature.length) return refusal;
    const clientKey = Buffer.from(proof.map((byte, i) => byte ^ signature[i]!));
    const storedKey = createHash(this.#digest).update(clientKey).digest();
    if (!timingSafeEqual(storedKey, verifier.storedKey) || !isKnown) return refusal;
    const proven = this.#hmac(verifier.serverKey, authMessage).toString("base64");
    return { type: "accept", data: Buffer.from(`v=${proven}`), username: begun.name };
  }

  #hmac(key: Uint8Array, text: string): Buffer {
    return createHmac(this.#digest, key).update(text).digest();
  }

  #end(step: AuthenticationStep): AuthenticationStep {
    this.#isOver = true;
    return step;
  }
}

function malformed(what: string): AuthenticationStep {
  return { type: "refuse", reasonCode: ReasonCode.notAuthorized, reason: `SCRAM: ${what}` };
}

/** A name with its comma and equals sign written out; `undefined` where an equals sign stands alone. */
function unescaped(text: string): string | undefined {
  if (/=(?!2C|3D)/.test(text)) return undefined;
  return text.replaceAll("=2C", ",").replaceAll("=3D", "=");
}
