import { ReasonCode, TimerEntry, UsageError } from "@sericite/protocol";
import { AddressRange, parseAddress } from "./address-range.ts";
import type { Connection } from "./connection.ts";
import type { Engine } from "./engine.ts";
import type { EntryFault } from "./rewrite.ts";
import { takesMessages } from "./ports.ts";
import type { BanKind, StoredBan } from "./records.ts";

/** All that a ban can be about. */
export const banKinds: readonly BanKind[] = ["clientId", "username", "address"];

/** A ban that is in force. */
export interface BanInfo {
  readonly kind: BanKind;
  /** Client Identifier, Username, or address: `192.0.2.7`, `192.0.2.0/24`, `2001:db8::/32`. */
  readonly value: string;
  /** Milliseconds until it ends; `Infinity` where it does not. */
  readonly expiresInMs: number;
  readonly reason: string;
}

/** A ban that is there as long as it is configured, and is no record of the store's. */
export interface ConfiguredBan {
  readonly kind: BanKind;
  /** As of `BanInfo`. */
  readonly value: string;
  /** Default "by the configuration". */
  readonly reason?: string;
}

interface Ban {
  readonly stored: StoredBan;
  /** Of an address. */
  readonly range: AddressRange | undefined;
  /** Ends it. */
  timer: TimerEntry | undefined;
}

/**
 * Who is kept out, by Client Identifier, Username or address. A ban is a record of the store's and
 * outlives the process; its time goes on meanwhile. Clients of the embedding program are never kept
 * out.
 */
export class Bans {
  readonly #engine: Engine;
  readonly #bans = new Map<string, Ban>();
  readonly #configured = new Map<string, Ban>();
  /** Those of addresses, of both, which have to be gone through. */
  readonly #ranges = new Set<Ban>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  get size(): number {
    return this.#bans.size;
  }

  /** All that are in force, in the order in which they came, but for those that are configured. */
  list(): BanInfo[] {
    const now = this.#engine.storeTime();
    return [...this.#bans.values()].map(({ stored: { kind, value, until, reason } }) => {
      return { kind, value, expiresInMs: Math.max(0, until - now), reason };
    });
  }

  /**
   * Keeps somebody out from now on, and ends the connections that this is about. One that is there
   * already gets the new end and reason.
   *
   * @param expiresInMs  `Infinity`: until it is lifted.
   * @throws UsageError ERR_USAGE where `value` is no address and no range of them.
   */
  add(kind: BanKind, value: string, expiresInMs: number, reason: string): void {
    const engine = this.#engine;
    engine.enter();
    const until = engine.storeTime() + expiresInMs;
    const stored: StoredBan = { kind, value: valueOf(kind, value), until, reason };
    this.#remove(keyOf(stored));
    this.#put(stored, expiresInMs);
    // Where the store takes nothing, it is in force all the same.
    if (this.#isKept) engine.append({ type: "ban", ...stored });
    engine.log.write("warn", "ban-begun", {
      kind,
      value: stored.value,
      reason,
      ...(until !== Infinity && { expiresInMs }),
    });
    this.#endConnections();
  }

  /**
   * Puts others in place of those that are configured, and ends the connections that they are about.
   *
   * @param bans  `configuredBanFault` has nothing against them.
   */
  configure(bans: readonly ConfiguredBan[]): void {
    this.#engine.enter();
    for (const ban of this.#configured.values()) this.#ranges.delete(ban);
    this.#configured.clear();
    for (const { kind, value, reason = "by the configuration" } of bans) {
      const stored = { kind, value: valueOf(kind, value), until: Infinity, reason };
      const ban: Ban = { stored, range: rangeOf(stored), timer: undefined };
      const before = this.#configured.get(keyOf(stored));
      if (before !== undefined) this.#ranges.delete(before);
      this.#configured.set(keyOf(stored), ban);
      if (ban.range !== undefined) this.#ranges.add(ban);
    }
    if (bans.length > 0) this.#endConnections();
  }

  #endConnections(): void {
    for (const connection of [...this.#engine.connections]) {
      const reason = connection.state === "open" ? this.find(connection) : undefined;
      if (reason !== undefined)
        connection.close(ReasonCode.administrativeAction, `banned: ${reason}`);
    }
  }

  /** Lifts a ban. @returns whether there was one. */
  lift(kind: BanKind, value: string): boolean {
    return this.#end({ kind, value: valueOf(kind, value) }, "lifted");
  }

  /** Why this client is kept out, or `undefined`. */
  find(connection: Connection): string | undefined {
    if (this.#bans.size === 0 && this.#configured.size === 0) return undefined;
    if (connection.isTrusted) return undefined;
    const { clientId, username, peer } = connection;
    const ban =
      this.#get({ kind: "clientId", value: clientId }) ??
      (username === undefined ? undefined : this.#get({ kind: "username", value: username })) ??
      this.#findAddress(peer.address);
    return ban?.stored.reason;
  }

  #get(meant: Pick<StoredBan, "kind" | "value">): Ban | undefined {
    const key = keyOf(meant);
    return this.#bans.get(key) ?? this.#configured.get(key);
  }

  #findAddress(address: string | undefined): Ban | undefined {
    if (this.#ranges.size === 0 || address === undefined) return undefined;
    const groups = parseAddress(address);
    if (groups === undefined) return undefined;
    for (const ban of this.#ranges) if (ban.range!.includes(groups)) return ban;
    return undefined;
  }

  /** Takes in what a store gives back, before it takes records. */
  restore(stored: StoredBan): void {
    this.#put(stored, undefined);
  }

  /** The store takes records: what has passed meanwhile ends, the rest goes on. */
  resume(): void {
    const now = this.#engine.storeTime();
    for (const ban of [...this.#bans.values()]) {
      const left = ban.stored.until - now;
      if (left <= 0) this.#end(ban.stored, "passed");
      else this.#arm(ban, left);
    }
  }

  get #isKept(): boolean {
    const { store } = this.#engine;
    return !store.isVolatile && takesMessages(store.state);
  }

  /** @param expiresInMs  `undefined`: `resume` will see to its end. */
  #put(stored: StoredBan, expiresInMs: number | undefined): void {
    const range = rangeOf(stored);
    const ban: Ban = { stored, range, timer: undefined };
    this.#bans.set(keyOf(stored), ban);
    if (range !== undefined) this.#ranges.add(ban);
    if (expiresInMs !== undefined) this.#arm(ban, expiresInMs);
  }

  #arm(ban: Ban, expiresInMs: number): void {
    // Beyond what a timer takes, in 285 000 years, is without end.
    if (expiresInMs >= Number.MAX_SAFE_INTEGER) return;
    ban.timer = new TimerEntry(() => this.#end(ban.stored, "passed"));
    this.#engine.wheel.schedule(ban.timer, expiresInMs);
  }

  #end(ended: Pick<StoredBan, "kind" | "value">, why: "lifted" | "passed"): boolean {
    const engine = this.#engine;
    engine.enter();
    const { kind, value } = ended;
    if (!this.#remove(keyOf(ended))) return false;
    if (this.#isKept) engine.append({ type: "ban-end", kind, value });
    engine.log.write("info", "ban-ended", { kind, value, why });
    return true;
  }

  #remove(key: string): boolean {
    const ban = this.#bans.get(key);
    if (ban === undefined) return false;
    if (ban.timer !== undefined) this.#engine.wheel.cancel(ban.timer);
    this.#bans.delete(key);
    this.#ranges.delete(ban);
    return true;
  }
}

/** The one spelling of a value. */
function valueOf(kind: BanKind, value: string): string {
  if (kind !== "address") return value;
  const range = AddressRange.parse(value);
  if (range === undefined) {
    throw new UsageError(
      "ERR_USAGE",
      `${value} is no address and no range of addresses such as 192.0.2.0/24`,
    );
  }
  return range.text;
}

function rangeOf({ kind, value }: StoredBan): AddressRange | undefined {
  return kind === "address" ? AddressRange.parse(value) : undefined;
}

/** Why nobody could be kept out by it, or `undefined`. */
export function configuredBanFault({ kind, value }: ConfiguredBan): EntryFault | undefined {
  if (!banKinds.includes(kind))
    return { key: "kind", text: `expected one of ${banKinds.join(", ")}` };
  if (typeof value !== "string" || value === "") return { key: "value", text: "expected a text" };
  if (kind !== "address" || AddressRange.parse(value) !== undefined) return undefined;
  return { key: "value", text: "expected an address, or a range such as 192.0.2.0/24" };
}

function keyOf({ kind, value }: Pick<StoredBan, "kind" | "value">): string {
  return `${kind} ${value}`;
}
