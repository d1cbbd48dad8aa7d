import type { SubackPacket, UnsubackPacket } from "@sericite/protocol";
import {
  ConnectionError,
  ProtocolError,
  ReasonCode,
  TimerEntry,
  encodeClientPacket,
} from "@sericite/protocol";
import type { ClientState } from "./client-state.ts";
import type { Connection } from "./connection.ts";
import { RequestError } from "./errors.ts";
import type { FilterEntry } from "./filter-entry.ts";
import type { ServerLimits } from "./server-limits.ts";

/** A SUBSCRIBE or UNSUBSCRIBE that is not answered yet. */
export interface Outstanding {
  readonly type: "subscribe" | "unsubscribe";
  readonly packetIdentifier: number;
  readonly entries: readonly { readonly entry: FilterEntry; readonly revision: number }[];
  /** Subscription Identifier, 0: none. */
  readonly identifier: number;
  readonly bytes: Uint8Array;
  sentAt: number;
  sendings: number;
}

/** Who sends by `SubscriptionRequests`. */
export interface RequestOwner {
  /** The request for the entry is too large for the server, even alone. */
  onTooLarge(entry: FilterEntry, error: RequestError): void;
  /** There is no Packet Identifier left: later. */
  onLater(entries: readonly FilterEntry[]): void;
}

/** Topic Filters in one SUBSCRIBE or UNSUBSCRIBE, at most. */
const filtersPerPacket = 100;
/** SUBSCRIBE and UNSUBSCRIBE packets without an answer, at most. */
const outstandingMaximum = 64;

/**
 * SUBSCRIBE and UNSUBSCRIBE packets on their way: batches, Packet Identifiers, and what is sent again
 * or ends the connection where no answer comes.
 */
export class SubscriptionRequests {
  readonly #state: ClientState;
  readonly #owner: RequestOwner;
  readonly #outstanding = new Map<number, Outstanding>();
  readonly #timer: TimerEntry;

  constructor(state: ClientState, owner: RequestOwner) {
    this.#state = state;
    this.#owner = owner;
    this.#timer = new TimerEntry(() => this.#onTimer());
  }

  /** Whether one more packet may be sent, beside `more` that are about to be. */
  hasRoom(more: number): boolean {
    return this.#outstanding.size + more < outstandingMaximum;
  }

  /** Packets without an answer. */
  get size(): number {
    return this.#outstanding.size;
  }

  /** Sends a request for each of the entries, in batches. */
  send(
    type: "subscribe" | "unsubscribe",
    entries: readonly FilterEntry[],
    identifier: number,
    connection: Connection,
    limits: ServerLimits,
  ): void {
    for (let start = 0; start < entries.length; start += filtersPerPacket) {
      this.#sendBatch(
        type,
        entries.slice(start, start + filtersPerPacket),
        identifier,
        connection,
        limits,
      );
    }
  }

  /** SUBACK or UNSUBACK came. @returns what it answers, or `undefined` where it may be let pass. @throws ProtocolError */
  answered(packet: SubackPacket | UnsubackPacket): Outstanding | undefined {
    const outstanding = this.#outstanding.get(packet.packetIdentifier);
    const type = packet.type === "suback" ? "subscribe" : "unsubscribe";
    if (outstanding?.type !== type) {
      // On 3.x a request that was sent again is answered again.
      if (outstanding === undefined && this.#state.settings.protocolVersion < 5) return undefined;
      throw protocolError(
        `${packet.type} for Packet Identifier ${packet.packetIdentifier}, which waits for none`,
      );
    }
    const { reasonCodes } = packet;
    if (reasonCodes !== undefined && reasonCodes.length !== outstanding.entries.length) {
      throw protocolError(
        `${packet.type} has ${reasonCodes.length} codes for ${outstanding.entries.length} Topic Filters`,
      ); // [MQTT5-3.8.4-6]
    }
    this.#outstanding.delete(packet.packetIdentifier);
    this.#state.identifiers.release(packet.packetIdentifier);
    return outstanding;
  }

  /** The connection is gone. @returns what has no answer; it is forgotten here. */
  disconnected(): Outstanding[] {
    this.#state.wheel.cancel(this.#timer);
    const unanswered = [...this.#outstanding.values()];
    for (const { packetIdentifier } of unanswered)
      this.#state.identifiers.release(packetIdentifier);
    this.#outstanding.clear();
    return unanswered;
  }

  #sendBatch(
    type: "subscribe" | "unsubscribe",
    entries: readonly FilterEntry[],
    identifier: number,
    connection: Connection,
    limits: ServerLimits,
  ): void {
    const { identifiers, clock, wheel, settings } = this.#state;
    const packetIdentifier = identifiers.take(); // [MQTT5-2.2.1-3] [MQTT3-2.3.1-2]
    if (packetIdentifier === 0) {
      this.#owner.onLater(entries);
      return;
    }
    const bytes = this.#encode(type, entries, identifier, packetIdentifier);
    if (bytes.length > limits.maximumPacketSize) {
      identifiers.release(packetIdentifier); // [MQTT5-3.2.2-15]
      const half = entries.length >> 1;
      if (half > 0) {
        this.#sendBatch(type, entries.slice(0, half), identifier, connection, limits);
        this.#sendBatch(type, entries.slice(half), identifier, connection, limits);
        return;
      }
      const failure = new RequestError(
        "ERR_PACKET_TOO_LARGE",
        `${type} of ${bytes.length} bytes, the server takes ${limits.maximumPacketSize}`,
        { reasonCode: ReasonCode.packetTooLarge },
      );
      this.#owner.onTooLarge(entries[0]!, failure);
      return;
    }
    for (const entry of entries) entry.isOutstanding = true;
    connection.sendBytes(bytes);
    this.#outstanding.set(packetIdentifier, {
      type,
      packetIdentifier,
      entries: entries.map((entry) => ({ entry, revision: entry.revision })),
      identifier,
      bytes,
      sentAt: clock.now(),
      sendings: 1,
    });
    if (!this.#timer.isScheduled) wheel.schedule(this.#timer, settings.ackTimeoutMs);
  }

  #encode(
    type: "subscribe" | "unsubscribe",
    entries: readonly FilterEntry[],
    identifier: number,
    packetIdentifier: number,
  ): Uint8Array {
    const { protocolVersion } = this.#state.settings;
    if (type === "unsubscribe") {
      const topicFilters = entries.map((entry) => entry.topicFilter);
      return encodeClientPacket({ type, packetIdentifier, topicFilters }, protocolVersion);
    }
    const subscriptions = entries.map((entry) =>
      entry.isRenumbering ? { ...entry.request, retainHandling: 2 as const } : entry.request,
    );
    const properties = identifier === 0 ? undefined : { subscriptionIdentifiers: [identifier] };
    return encodeClientPacket(
      { type, packetIdentifier, subscriptions, properties },
      protocolVersion,
    );
  }

  #onTimer(): void {
    const { connection, settings, clock, wheel } = this.#state;
    if (connection === undefined || this.#outstanding.size === 0) return;
    const now = clock.now();
    if (!connection.isPaused && !connection.isBlocked) {
      const is5 = settings.protocolVersion === 5;
      for (const outstanding of this.#outstanding.values()) {
        const waited = now - outstanding.sentAt;
        const isOver = is5
          ? waited >= settings.ackTimeoutMs * (settings.ackRetries + 1)
          : waited >= settings.ackTimeoutMs && outstanding.sendings > settings.ackRetries;
        if (isOver) {
          connection.destroy(
            new ConnectionError(
              "ERR_ACKNOWLEDGEMENT_TIMEOUT",
              `${outstanding.type} was not answered in time`,
            ),
          );
          return;
        }
        if (is5 || waited < settings.ackTimeoutMs) continue;
        outstanding.sentAt = now;
        outstanding.sendings++;
        if (settings.protocolVersion === 3) outstanding.bytes[0]! |= 8; // DUP
        connection.sendBytes(outstanding.bytes);
      }
    }
    wheel.schedule(this.#timer, settings.ackTimeoutMs);
  }
}

function protocolError(message: string): ProtocolError {
  return new ProtocolError("ERR_PROTOCOL", ReasonCode.protocolError, message);
}
