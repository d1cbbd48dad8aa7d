import { createHmac, randomBytes } from "node:crypto";

/** Answers that are remembered, right ones and wrong ones each. */
const ENTRIES = 10_000;

/**
 * Remembers what became of passwords, so that a client that comes again costs no hash. It holds
 * digests with a key of this process only: who reads the memory of another process, or a file, can
 * do nothing with them. Wrong ones have a place of their own: they push no right one out.
 */
export class PasswordMemory {
  readonly #key = randomBytes(32);
  readonly #right = new Set<string>();
  readonly #wrong = new Set<string>();
  readonly #entries: number;

  constructor(entries: number = ENTRIES) {
    this.#entries = entries;
  }

  /** What a password of a user is remembered by. Parts cannot run into each other. */
  keyOf(username: string, password: Uint8Array): string {
    return createHmac("sha256", this.#key)
      .update(`${Buffer.byteLength(username)}:${username}`)
      .update(password)
      .digest("base64");
  }

  /** Whether it was right, or `undefined` where that is not known. */
  recall(key: string): boolean | undefined {
    if (renew(this.#right, key)) return true;
    return renew(this.#wrong, key) ? false : undefined;
  }

  remember(key: string, isRight: boolean): void {
    const place = isRight ? this.#right : this.#wrong;
    place.add(key);
    if (place.size <= this.#entries) return;
    const [oldest] = place;
    place.delete(oldest!);
  }

  /** Forgets everything: the users are others now. */
  clear(): void {
    this.#right.clear();
    this.#wrong.clear();
  }
}

/** Puts a key behind the others, where it is there. */
function renew(place: Set<string>, key: string): boolean {
  if (!place.delete(key)) return false;
  place.add(key);
  return true;
}
