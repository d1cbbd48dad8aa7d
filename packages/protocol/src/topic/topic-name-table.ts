import { ProtocolError, UsageError } from "../errors.ts";
import { ReasonCode } from "../reason-code.ts";
import { matchHashes, type MatchHashes } from "./match-generations.ts";
import { beginHash, mixHash, stepHash } from "./topic-hash.ts";
import { topicNameFault } from "./topic-name.ts";

/** Both are in Node and in browsers; the pure layer has no types of a platform. */
declare const TextDecoder: new (
  label: "utf-8",
  options: { fatal: true; ignoreBOM: true },
) => { decode(bytes: Uint8Array): string };
declare const TextEncoder: new () => {
  encodeInto(text: string, into: Uint8Array): { read: number; written: number };
};

/**
 * A Topic Name that a `TopicNameTable` knows. Made by the table only; valid for ever, also after
 * the table let go of it.
 */
export class TopicName {
  readonly name: string;
  /** UTF-8, a copy of its own. Must not be changed. */
  readonly bytes: Uint8Array;
  /** 1 or more. */
  readonly levels: number;
  readonly hashes: MatchHashes;
  /** Hash of `bytes`. */
  readonly hash: number;

  // From here on: what the table and the cache that know it have noted. Fields, so that a hit
  // allocates nothing and looks nowhere else.
  /** Next of the table's chain. */
  next: TopicName | undefined = undefined;
  /** Where it stands in the table's ring. */
  place = 0;
  /** Looked up since the table's hand passed. */
  used = false;
  /** The `MatchCache` that `match` belongs to. */
  matchOwner: object | undefined = undefined;
  match: unknown = undefined;
  /** `MatchGenerations.current` when `match` was last known to be good. */
  matchGeneration = 0;

  constructor(name: string, bytes: Uint8Array, hash: number) {
    this.name = name;
    this.bytes = bytes;
    this.hash = hash;
    this.hashes = matchHashes(name);
    let levels = 1;
    for (const byte of bytes) if (byte === 0x2f) levels += 1;
    this.levels = levels;
  }
}

/** Longest chain of equal hashes: a lookup stays short whatever names a client makes up. */
const maximumChain = 16;
/** Entries that the hand looks at for one that was not used, before it takes the next one. */
const maximumHandSteps = 64;

/**
 * Topic Names by their bytes, so that a PUBLISH on a known one makes no string and is not checked
 * again. Bounded: when it is full, a name that was not looked up lately makes room (a clock), so
 * that a flood of names seen once does not empty it.
 */
export class TopicNameTable {
  readonly #maximumEntries: number;
  #buckets: (TopicName | undefined)[] = Array.from({ length: 64 }, () => undefined);
  /** Every entry, in the order in which the hand passes. */
  readonly #ring: TopicName[] = [];
  #hand = 0;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }); // [MQTT5-1.5.4-3] [MQTT3-1.5.3-3]
  readonly #encoder = new TextEncoder();
  #scratch = new Uint8Array(256);

  /** @param options.maximumEntries  Names that are kept, 1 or more. */
  constructor(options: { readonly maximumEntries: number }) {
    if (!(options.maximumEntries >= 1))
      throw new UsageError(
        "ERR_USAGE",
        `maximumEntries is ${options.maximumEntries}, expected 1 or more`,
      );
    this.#maximumEntries = Math.floor(options.maximumEntries);
  }

  /** Names known at present. */
  get size(): number {
    return this.#ring.length;
  }

  /**
   * The Topic Name whose UTF-8 stands at `start` (inclusive) to `end` (exclusive). The bytes are
   * not kept.
   *
   * @throws ProtocolError ERR_MALFORMED_PACKET with 0x81 where they are not UTF-8 or hold U+0000;
   * ERR_TOPIC_NAME with 0x90 where it is empty or holds a wildcard. (3.x: the connection is closed.)
   */
  lookup(bytes: Uint8Array, start: number, end: number): TopicName {
    const hash = hashBytes(bytes, start, end);
    const length = end - start;
    let entry = this.#buckets[hash & (this.#buckets.length - 1)];
    while (entry !== undefined) {
      if (
        entry.hash === hash &&
        entry.bytes.length === length &&
        equalBytes(entry.bytes, bytes, start)
      ) {
        if (!entry.used) entry.used = true;
        return entry;
      }
      entry = entry.next;
    }
    return this.#add(bytes.slice(start, end), hash);
  }

  /**
   * The Topic Name of a string.
   *
   * @throws ProtocolError ERR_TOPIC_NAME with 0x90 where it is not a valid Topic Name.
   */
  intern(name: string): TopicName {
    if (this.#scratch.length < name.length * 3) this.#scratch = new Uint8Array(name.length * 3);
    const { written } = this.#encoder.encodeInto(name, this.#scratch);
    const entry = this.lookup(this.#scratch, 0, written);
    // A lone surrogate is encoded as U+FFFD, which is another name.
    if (entry.name !== name) throw invalid(name, "holds a lone surrogate");
    return entry;
  }

  #add(bytes: Uint8Array, hash: number): TopicName {
    let name: string;
    try {
      name = this.#decoder.decode(bytes);
    } catch {
      // The decoder says no more than that it failed.
      throw malformed("Topic Name is not UTF-8"); // [MQTT5-1.5.4-1] [MQTT3-1.5.3-1]
    }
    if (name.includes("\0")) throw malformed("Topic Name holds U+0000"); // [MQTT5-1.5.4-2] [MQTT3-1.5.3-2]
    const fault = topicNameFault(name);
    if (fault !== undefined) throw invalid(name, fault);

    const entry = new TopicName(name, bytes, hash);
    if (this.#ring.length < this.#maximumEntries) {
      entry.place = this.#ring.length;
      this.#ring.push(entry);
      if (this.#ring.length > this.#buckets.length) this.#grow();
    } else {
      this.#unlink(this.#turnHand());
      entry.place = this.#hand;
      this.#ring[this.#hand] = entry;
      this.#hand = (this.#hand + 1) % this.#ring.length;
    }
    this.#link(entry);
    return entry;
  }

  /** The entry that has to go; `#hand` stands on it. */
  #turnHand(): TopicName {
    for (let step = 0; ; step++) {
      const entry = this.#ring[this.#hand] as TopicName;
      if (!entry.used || step === maximumHandSteps) return entry;
      entry.used = false;
      this.#hand = (this.#hand + 1) % this.#ring.length;
    }
  }

  #link(entry: TopicName): void {
    const bucket = entry.hash & (this.#buckets.length - 1);
    entry.next = this.#buckets[bucket];
    this.#buckets[bucket] = entry;
    let last = entry;
    for (let length = 1; last.next !== undefined; length++) {
      if (length === maximumChain) {
        this.#drop(last.next);
        last.next = undefined;
        return;
      }
      last = last.next;
    }
  }

  /** Takes an entry that no chain leads to out of the ring. */
  #drop(entry: TopicName): void {
    const last = this.#ring.pop() as TopicName;
    if (last !== entry) {
      last.place = entry.place;
      this.#ring[entry.place] = last;
    }
    if (this.#hand >= this.#ring.length) this.#hand = 0;
  }

  #unlink(entry: TopicName): void {
    const bucket = entry.hash & (this.#buckets.length - 1);
    let at = this.#buckets[bucket];
    if (at === entry) this.#buckets[bucket] = entry.next;
    else {
      while (at !== undefined && at.next !== entry) at = at.next;
      if (at !== undefined) at.next = entry.next;
    }
    entry.next = undefined;
  }

  #grow(): void {
    this.#buckets = Array.from({ length: this.#buckets.length * 2 }, () => undefined);
    // The newest is in no chain yet: `#add` links it.
    for (let index = 0; index < this.#ring.length - 1; index++) {
      const entry = this.#ring[index] as TopicName;
      const bucket = entry.hash & (this.#buckets.length - 1);
      entry.next = this.#buckets[bucket];
      this.#buckets[bucket] = entry;
    }
  }
}

function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = beginHash(0);
  for (let index = start; index < end; index++) hash = stepHash(hash, bytes[index] as number);
  return mixHash(hash);
}

function equalBytes(own: Uint8Array, bytes: Uint8Array, start: number): boolean {
  for (let index = 0; index < own.length; index++)
    if (own[index] !== bytes[start + index]) return false;
  return true;
}

function malformed(message: string): ProtocolError {
  return new ProtocolError("ERR_MALFORMED_PACKET", ReasonCode.malformedPacket, message);
}

function invalid(name: string, fault: string): ProtocolError {
  const shown = name.length > 100 ? `${name.slice(0, 100)}…` : name;
  return new ProtocolError(
    "ERR_TOPIC_NAME",
    ReasonCode.topicNameInvalid,
    `Topic Name ${JSON.stringify(shown)} ${fault}`,
  );
}
