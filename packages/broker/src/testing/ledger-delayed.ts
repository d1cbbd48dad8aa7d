import type { PublishPacket } from "@sericite/protocol";
import type { LedgerConnection } from "./ledger-connection.ts";
import type { Ledger } from "./ledger.ts";
import { EXPIRY_MARGIN_MS } from "./ledger-messages.ts";
import type { Routing } from "./ledger-messages.ts";

/** A message that a client published to `$delayed/<seconds>/<topic>`. */
interface DelayedMessage {
  readonly routing: Routing;
  readonly connection: LedgerConnection;
  readonly delayMs: number;
  /** When it must have come. Milliseconds. */
  dueLatestMs: number;
  /** The broker has taken it, for certain. */
  isAccepted: boolean;
  /** Everything was at rest since it came: by then it was taken, if at all. */
  hasRested: boolean;
}

/** Reads a Topic Name. @returns `undefined` where it asks for no delay. */
export function delayOf(topicName: string): { seconds: number; topicName: string } | undefined {
  const match = /^\$delayed\/(\d+)\/(.+)$/.exec(topicName);
  return match === null ? undefined : { seconds: Number(match[1]), topicName: match[2] as string };
}

/** Delayed messages: each that was accepted exactly once, not before its time, and soon after it. */
export class Delayed {
  readonly #ledger: Ledger;
  readonly #all = new Map<Routing, DelayedMessage>();
  /** Of these, those that may still come. */
  readonly #open = new Map<Routing, DelayedMessage>();

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  /** The broker was given one. @param topicName  Where it goes when its time has come. */
  add(
    connection: LedgerConnection,
    clientId: string,
    packet: PublishPacket,
    topicName: string,
    seconds: number,
  ): Routing {
    const ledger = this.#ledger;
    const delayMs = seconds * 1000;
    const dueMs = ledger.nowMs + delayMs;
    const routing = ledger.messages.add(
      clientId,
      `delayed of ${clientId}`,
      {
        topicName,
        payload: packet.payload,
        qos: packet.qos,
        retain: packet.retain,
        expiry: undefined,
        userProperties: packet.properties?.userProperties ?? [],
      },
      ledger.point,
      dueMs,
      undefined,
    );
    routing.notBeforeMs = dueMs - EXPIRY_MARGIN_MS;
    const delayed: DelayedMessage = {
      routing,
      connection,
      delayMs,
      dueLatestMs: dueMs,
      isAccepted: false,
      hasRested: false,
    };
    this.#all.set(routing, delayed);
    this.#open.set(routing, delayed);
    return routing;
  }

  /** It came again, unanswered: perhaps it is only taken now. @returns whether it is one. */
  again(routing: Routing): boolean {
    const delayed = this.#all.get(routing);
    if (delayed === undefined) return false;
    if (!this.#open.has(routing)) {
      this.#ledger.messages.reopen(routing, this.#ledger.nowMs + delayed.delayMs);
      this.#open.set(routing, delayed);
    }
    delayed.hasRested = false;
    delayed.dueLatestMs = Math.max(delayed.dueLatestMs, this.#ledger.nowMs + delayed.delayMs);
    routing.notBeforeMs = Math.min(
      routing.notBeforeMs,
      this.#ledger.nowMs + delayed.delayMs - EXPIRY_MARGIN_MS,
    );
    return true;
  }

  /** PUBACK or PUBREC says that it was taken. @returns whether it is one. */
  accept(routing: Routing): boolean {
    const delayed = this.#open.get(routing);
    if (delayed !== undefined) {
      delayed.isAccepted = true;
      // It may have been held before it was taken.
      delayed.dueLatestMs = Math.max(delayed.dueLatestMs, this.#ledger.nowMs + delayed.delayMs);
    }
    return this.#all.has(routing);
  }

  /** The broker is open again: what was due meanwhile comes now. */
  restarted(): void {
    for (const delayed of this.#open.values())
      delayed.dueLatestMs = Math.max(delayed.dueLatestMs, this.#ledger.nowMs);
  }

  /** Nothing is under way: what was due has been routed. */
  atRest(): void {
    const ledger = this.#ledger;
    for (const delayed of this.#open.values()) {
      const { routing, connection } = delayed;
      const wasRead =
        !connection.isClosed && !ledger.wasTroubledSince(routing.fromMs - delayed.delayMs);
      if (routing.qos === 0 && wasRead) delayed.isAccepted = true;
      if (!delayed.hasRested && !delayed.isAccepted)
        delayed.dueLatestMs = Math.max(delayed.dueLatestMs, ledger.nowMs + delayed.delayMs);
      delayed.hasRested = true;
      // What was refused, or surely never read, is none of the broker's.
      if (routing.refused === undefined) {
        if (ledger.nowMs < delayed.dueLatestMs + EXPIRY_MARGIN_MS) continue;
        const isSure = delayed.isAccepted && !ledger.wasTroubledSince(routing.fromMs);
        if (isSure) ledger.messages.confirm(routing, ledger.point);
        else ledger.messages.close(routing, ledger.point);
      }
      this.#open.delete(routing);
    }
  }

  /** Compares those that a crash would leave with those that were accepted. */
  checkKept(payloads: ReadonlySet<string>): void {
    const ledger = this.#ledger;
    const known = new Set<string>();
    for (const { routing, isAccepted } of this.#open.values()) {
      const { payload, name } = routing.message;
      known.add(payload);
      const isNear = ledger.nowMs >= routing.notBeforeMs || ledger.troubledAtMs >= routing.fromMs;
      const isSure = isAccepted && !routing.mayBeRepeat && !isNear;
      if (isSure && !payloads.has(payload))
        ledger.complain(`the delayed message ${name} would be gone after a crash`);
    }
    for (const payload of payloads) {
      if (!known.has(payload))
        ledger.complain(`the delayed message ${payload} is over, but would come after a crash`);
    }
  }
}
