import type { StoredBan } from "../engine/records.ts";
import type { LedgerConnection } from "./ledger-connection.ts";
import type { Ledger } from "./ledger.ts";
import { EXPIRY_MARGIN_MS } from "./ledger-messages.ts";
import type { Point } from "./ledger-messages.ts";
import type { WatchedStore } from "./watched-store.ts";

/** A client was kept out, or let in again. */
interface Verdict {
  readonly isBanned: boolean;
  /** Store time at which the ban ends. Milliseconds. */
  readonly untilMs: number;
  /** Position of its record; 0: the store took none. */
  readonly position: number;
  /** No crash can have undone it. */
  isSure: boolean;
}

/** Who may not have what, and who may not enter: what the embedding program told the broker, and what came of it. */
export class LedgerGuards {
  readonly #ledger: Ledger;
  /** Client Identifier and Topic Name -> until when the right was missing; `Infinity`: it is. */
  readonly #missing = new Map<string, Point>();
  readonly #verdicts = new Map<string, Verdict>();

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  /** From now on the client may not have messages of this Topic Name. */
  lose(clientId: string, topicName: string): void {
    this.#missing.set(`${clientId} ${topicName}`, Infinity);
  }

  /** From now on it may again. */
  regain(clientId: string, topicName: string): void {
    const key = `${clientId} ${topicName}`;
    if (this.#missing.has(key)) this.#missing.set(key, this.#ledger.nextPoint());
  }

  /** Whether the client may have messages of this Topic Name at present. */
  mayReceive(clientId: string, topicName: string): boolean {
    return (
      this.#ledger.mayReceive(clientId, topicName) &&
      this.#missing.get(`${clientId} ${topicName}`) !== Infinity
    );
  }

  /** Whether what was routed at `from` or later may have been kept from the client. */
  wasWithheld(clientId: string, topicName: string, from: Point): boolean {
    if (!this.#ledger.mayReceive(clientId, topicName)) return true;
    const until = this.#missing.get(`${clientId} ${topicName}`);
    return until !== undefined && until >= from;
  }

  /**
   * The broker was told to keep a client out, or to let it in again.
   *
   * @param expiresInMs  0: to let it in.
   * @param since  How many records the store had before.
   */
  judged(
    clientId: string,
    expiresInMs: number,
    store: WatchedStore | undefined,
    since: number,
  ): void {
    const isBanned = expiresInMs > 0;
    const kept = store?.records
      .slice(since)
      .find(
        ({ record }) => record.type === (isBanned ? "ban" : "ban-end") && record.value === clientId,
      );
    if (store !== undefined && store.state === "ok" && kept === undefined)
      this.#ledger.complain(
        `${clientId} is ${isBanned ? "banned" : "banned no more"}, and the store was not told`,
      );
    this.#verdicts.set(clientId, {
      isBanned,
      untilMs: this.#ledger.nowMs + expiresInMs,
      position: kept?.position ?? 0,
      isSure: true,
    });
  }

  /** Whether the client is kept out, as far as is known. */
  isBanned(clientId: string): boolean {
    const verdict = this.#verdicts.get(clientId);
    return verdict?.isBanned === true && this.#ledger.nowMs < verdict.untilMs;
  }

  /** The broker knows of no ban that could be lifted. */
  checkUnknown(clientId: string): void {
    if (this.#isSurelyBanned(clientId))
      this.#ledger.complain(`${clientId} is banned, but the broker has nothing to lift`);
    this.#verdicts.delete(clientId);
  }

  /** CONNACK let a client in. */
  checkEntered(connection: LedgerConnection, clientId: string): void {
    if (this.#isSurelyBanned(clientId)) connection.complain("let in, but banned");
  }

  #isSurelyBanned(clientId: string): boolean {
    const verdict = this.#verdicts.get(clientId);
    return (
      verdict !== undefined &&
      verdict.isBanned &&
      verdict.isSure &&
      this.#leftMs(verdict) > EXPIRY_MARGIN_MS
    );
  }

  #leftMs({ untilMs }: Verdict): number {
    return untilMs - this.#ledger.nowMs;
  }

  /** The broker crashed, and what was durable is kept. */
  crashed(durable: number): void {
    for (const verdict of this.#verdicts.values()) {
      // What was over may come back where time is lost, and its end may be kept or not.
      const isOver = verdict.isBanned && this.#leftMs(verdict) <= EXPIRY_MARGIN_MS;
      if (verdict.position === 0 || verdict.position > durable || isOver) verdict.isSure = false;
    }
  }

  /** Compares the bans that a crash would leave with those that were pronounced. */
  checkKept(bans: readonly StoredBan[]): void {
    const kept = new Map(bans.map(({ value, until }) => [value, until]));
    for (const [clientId, { isBanned, untilMs, position, isSure }] of this.#verdicts) {
      if (!isSure || position === 0 || this.#ledger.nowMs > untilMs - EXPIRY_MARGIN_MS) continue;
      const until = kept.get(clientId);
      if (isBanned && (until === undefined || Math.abs(until - untilMs) > EXPIRY_MARGIN_MS))
        this.#ledger.complain(`${clientId} is banned, but would not be so after a crash`);
    }
    for (const clientId of kept.keys()) {
      const verdict = this.#verdicts.get(clientId);
      const isOver = verdict?.isBanned !== true && verdict?.isSure !== false;
      if (isOver && verdict?.position !== 0)
        this.#ledger.complain(`${clientId} is not banned, but would be so after a crash`);
    }
  }
}
