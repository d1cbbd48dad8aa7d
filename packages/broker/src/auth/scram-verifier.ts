import {
  createHash,
  createHmac,
  pbkdf2,
  pbkdf2Sync,
  randomBytes,
  timingSafeEqual,
} from "node:crypto";
import { promisify } from "node:util";

const pbkdf2Async = promisify(pbkdf2);

/** Hash function of a SCRAM mechanism, as Node calls it. */
export type ScramDigest = "sha1" | "sha256";

/** Rounds that a client has to compute where nobody says otherwise; RFC 7677 asks for 4096 at least. */
export const defaultScramIterations = 15_000;
const ITERATIONS = { minimum: 4096, maximum: 10_000_000 };
const LENGTH = { sha1: 20, sha256: 32 } as const;
const KIND = { sha1: "scram-sha-1", sha256: "scram-sha-256" } as const;

/** What a server keeps of a password for SCRAM (RFC 5802 §3): it cannot be used to log in by itself. */
export class ScramVerifier {
  readonly digest: ScramDigest;
  readonly iterations: number;
  readonly salt: Uint8Array;
  readonly storedKey: Uint8Array;
  readonly serverKey: Uint8Array;

  constructor(
    digest: ScramDigest,
    iterations: number,
    salt: Uint8Array,
    storedKey: Uint8Array,
    serverKey: Uint8Array,
  ) {
    this.digest = digest;
    this.iterations = iterations;
    this.salt = salt;
    this.storedKey = storedKey;
    this.serverKey = serverKey;
  }

  /** Whether it was made of this password. Takes all of a core: as `PasswordHash.verify`. */
  verify(password: Uint8Array): boolean {
    const { digest, iterations, salt } = this;
    const salted = pbkdf2Sync(normalized(password), salt, iterations, LENGTH[digest], digest);
    return timingSafeEqual(storedKeyOf(salted, digest), this.storedKey);
  }

  /** As it stands in the file: `$scram-sha-256$i=15000$salt$storedKey$serverKey`. */
  toString(): string {
    const parts = [this.salt, this.storedKey, this.serverKey].map((bytes) =>
      Buffer.from(bytes).toString("base64").replace(/=+$/, ""),
    );
    return `$${KIND[this.digest]}$i=${this.iterations}$${parts.join("$")}`;
  }
}

/** Makes what is kept of a password. Works in the thread pool. */
export async function makeScramVerifier(
  password: Uint8Array,
  digest: ScramDigest = "sha256",
  iterations: number = defaultScramIterations,
  salt: Uint8Array = randomBytes(16),
): Promise<ScramVerifier> {
  const normal = normalized(password);
  const salted = await pbkdf2Async(normal, salt, iterations, LENGTH[digest], digest);
  const serverKey = createHmac(digest, salted).update("Server Key").digest();
  return new ScramVerifier(digest, iterations, salt, storedKeyOf(salted, digest), serverKey);
}

function storedKeyOf(salted: Uint8Array, digest: ScramDigest): Buffer {
  const clientKey = createHmac(digest, salted).update("Client Key").digest();
  return createHash(digest).update(clientKey).digest();
}

/** Reads what `toString` writes. @returns a text that says what is wrong, without the keys. */
export function parseScramVerifier(text: string): ScramVerifier | string {
  const found =
    /^\$scram-sha-(1|256)\$i=(\d{1,9})\$([A-Za-z0-9+/]+)=*\$([A-Za-z0-9+/]+)=*\$([A-Za-z0-9+/]+)=*$/.exec(
      text,
    );
  if (found === null)
    return "this is nothing of the form $scram-sha-256$i=15000$salt$storedKey$serverKey";
  const digest = found[1] === "1" ? "sha1" : "sha256";
  const iterations = Number(found[2]);
  if (iterations < ITERATIONS.minimum || iterations > ITERATIONS.maximum)
    return `${iterations} iterations are out of bounds: ${ITERATIONS.minimum}…${ITERATIONS.maximum}`;
  const [salt, storedKey, serverKey] = found.slice(3).map((part) => Buffer.from(part, "base64"));
  if (storedKey!.length !== LENGTH[digest] || serverKey!.length !== LENGTH[digest])
    return `the keys do not have the ${LENGTH[digest]} bytes of ${KIND[digest]}`;
  return new ScramVerifier(digest, iterations, salt!, storedKey!, serverKey!);
}

/** Normal form of a password, close to SASLprep (RFC 4013): compatibility composition; bytes that are no UTF-8 stay. */
function normalized(password: Uint8Array): Uint8Array {
  const text = Buffer.from(password).toString();
  const bytes = Buffer.from(text);
  return bytes.equals(password) ? Buffer.from(text.normalize("NFKC")) : password;
}
