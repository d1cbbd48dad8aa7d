import type { Properties } from "@sericite/protocol";
import {
  ConnectionError,
  Outbound,
  OutboundState,
  PacketType,
  ProtocolError,
  ReasonCode,
  ReceiveMaximum,
  TimerEntry,
} from "@sericite/protocol";
import type { ClientState } from "./client-state.ts";
import type { Connection } from "./connection.ts";
import { RequestError, hex } from "./errors.ts";
import type { KeptPublication } from "./kept-session.ts";
import { KeptState } from "./kept-session.ts";
import type { Publication } from "./publication.ts";
import { reject, resolve, success } from "./publication.ts";
import type { PublishEncoder } from "./publish-encoder.ts";
import type { ServerParser } from "./received-topics.ts";
import type { ServerLimits } from "./server-limits.ts";
import { Suspicion } from "./suspicion.ts";

const nothing = new Uint8Array(0);

/**
 * QoS 1 and 2 messages that were sent and are not acknowledged: their acknowledgements, what is sent
 * again and when, and what a new session makes of them.
 */
export class InFlight {
  readonly #state: ClientState;
  readonly #encoder: PublishEncoder;
  readonly #outbound = new Outbound<Publication>();
  readonly #quota = new ReceiveMaximum(1);
  readonly #timer: TimerEntry;
  readonly #suspicion = new Suspicion();
  /** Of QoS 2 messages that were given up: the server's session may still know them. */
  #abandoned: { readonly packetIdentifier: number; readonly publication: Publication }[] = [];
  readonly #onLess: () => void;

  /** @param onLess  Called when one or more are done with. */
  constructor(state: ClientState, encoder: PublishEncoder, onLess: () => void) {
    this.#state = state;
    this.#encoder = encoder;
    this.#onLess = onLess;
    this.#timer = new TimerEntry(() => this.#onTimer());
  }

  /** How many there are. */
  get size(): number {
    return this.#outbound.size;
  }

  /** Whether packets of the last connection are still to be sent again. */
  get hasResends(): boolean {
    return this.#outbound.resendNext !== 0;
  }

  /**
   * A connection is there.
   *
   * @param sessionPresent  What CONNACK said; false at a first connection.
   * @returns messages that begin anew, in order.
   */
  connected(sessionPresent: boolean, limits: ServerLimits): Publication[] {
    this.#quota.reset(limits.receiveMaximum); // [MQTT5-4.9.0-1]
    this.#suspicion.connected();
    let again: Publication[] = [];
    if (sessionPresent) this.#outbound.rewind();
    else again = this.#startOver();
    if (this.#outbound.size > 0)
      this.#state.wheel.schedule(this.#timer, this.#state.settings.ackTimeoutMs);
    return again;
  }

  /** Takes over a message that an earlier process may have sent. In the order of publishing. */
  restore(publication: Publication, state: Exclude<KeptPublication["state"], 0>): void {
    const { packetIdentifier, qos } = publication;
    switch (state) {
      case KeptState.abandoned:
        this.#abandoned.push({ packetIdentifier, publication });
        return;
      case KeptState.released:
        this.#outbound.restore(packetIdentifier, OutboundState.awaitingPubcomp, publication, 0);
        return;
      case KeptState.numbered: {
        const { awaitingPuback, awaitingPubrec } = OutboundState;
        this.#outbound.restore(
          packetIdentifier,
          qos === 1 ? awaitingPuback : awaitingPubrec,
          publication,
          0,
        );
      }
    }
  }

  /** There is no connection any more. */
  disconnected(): void {
    this.#state.wheel.cancel(this.#timer);
  }

  /** Forgets all. @returns them, in order. */
  close(): Publication[] {
    const publications: Publication[] = [];
    this.#state.wheel.cancel(this.#timer);
    this.#outbound.clear((publication) => publications.push(publication));
    return publications;
  }

  /** Whether one more QoS 1 or 2 message may be sent: PUBLISH alone is bounded [MQTT5-3.3.4-7] [MQTT5-3.3.4-8] [MQTT5-4.9.0-2]. */
  hasRoom(limits: ServerLimits): boolean {
    // In flight counts whole, PUBRELs of the last connection too: stricter than the quota alone.
    return this.#outbound.size < limits.receiveMaximum && this.#quota.available > 0;
  }

  /** Sends a message for the first time. It may be refused: its promise is rejected then. */
  sendFirst(
    publication: Publication,
    qos: 1 | 2,
    connection: Connection,
    limits: ServerLimits,
    now: number,
  ): void {
    const { identifiers, connectionNumber, wheel, settings } = this.#state;
    // [MQTT5-2.2.1-3] [MQTT3-2.3.1-2]
    const packetIdentifier =
      publication.packetIdentifier === 0 ? identifiers.take() : publication.packetIdentifier;
    if (!this.#encoder.encode(publication, packetIdentifier, false, connection, limits, now)) {
      identifiers.release(packetIdentifier);
      this.#state.records?.forget(publication);
      return;
    }
    publication.connectionNumber = connectionNumber;
    this.#quota.take();
    this.#outbound.begin(packetIdentifier, qos, publication, 0, now);
    if (!this.#timer.isScheduled) wheel.schedule(this.#timer, settings.ackTimeoutMs);
  }

  /** PUBACK, PUBREC or PUBCOMP came. @throws ProtocolError where it cannot be one. */
  onAcknowledgement(type: number, parser: ServerParser, connection: Connection): void {
    const { packetIdentifier, reasonCode } = parser;
    this.#suspicion.acknowledged();
    switch (type) {
      case PacketType.puback:
        this.#expect(packetIdentifier, OutboundState.awaitingPuback, "PUBACK");
        this.#finish(packetIdentifier, this.#outbound.fail(packetIdentifier), reasonCode, parser);
        break;
      case PacketType.pubrec:
        this.#onPubrec(packetIdentifier, reasonCode, parser, connection);
        break;
      case PacketType.pubcomp:
        this.#expect(packetIdentifier, OutboundState.awaitingPubcomp, "PUBCOMP");
        // 0x92: the server took the message over before, and has forgotten its identifier.
        this.#finish(
          packetIdentifier,
          this.#outbound.fail(packetIdentifier),
          reasonCode === ReasonCode.packetIdentifierNotFound ? ReasonCode.success : reasonCode,
          parser,
        );
        break;
    }
    // What the quota held back goes at the end of this turn.
    connection.wake();
  }

  #onPubrec(
    packetIdentifier: number,
    reasonCode: number,
    parser: ServerParser,
    connection: Connection,
  ): void {
    const state = this.#outbound.stateOf(packetIdentifier);
    if (state === OutboundState.awaitingPuback) throw unexpected("PUBREC", packetIdentifier);
    if (reasonCode >= 0x80) {
      if (state !== OutboundState.awaitingPubrec) return;
      this.#finish(packetIdentifier, this.#outbound.fail(packetIdentifier), reasonCode, parser); // [MQTT5-4.4.0-2]
      return;
    }
    if (state === OutboundState.free) {
      connection.acknowledge("pubrel", packetIdentifier, ReasonCode.packetIdentifierNotFound);
      return;
    }
    const publication = this.#outbound.pubrec(packetIdentifier);
    // It is not sent again [MQTT5-4.3.3-6]: the payload has done its duty.
    if (publication !== undefined) publication.payload = nothing;
    this.#outbound.touch(packetIdentifier, this.#state.clock.now());
    const { records } = this.#state;
    if (records === undefined) {
      connection.acknowledge("pubrel", packetIdentifier); // [MQTT5-4.3.3-4] [MQTT5-4.6.0-4] [MQTT3-4.6.0-4]
      return;
    }
    if (publication !== undefined) records.release(publication, packetIdentifier);
    // A process that did not know of the PUBREC would send the message again, under an identifier
    // that is free for the server then.
    records.journal.whenSafe(() => {
      if (this.#state.connection === connection) connection.acknowledge("pubrel", packetIdentifier);
    });
  }

  /** An acknowledgement of nothing is let pass: on 3.x it follows from sending again. */
  #expect(packetIdentifier: number, expected: OutboundState, name: string): void {
    const state = this.#outbound.stateOf(packetIdentifier);
    if (state !== expected && state !== OutboundState.free)
      throw unexpected(name, packetIdentifier);
  }

  /** The last acknowledgement of a Packet Identifier came. */
  #finish(
    packetIdentifier: number,
    publication: Publication | undefined,
    reasonCode: number,
    parser: ServerParser,
  ): void {
    if (publication === undefined) return;
    this.#state.identifiers.release(packetIdentifier); // [X-4] [MQTT3-2.3.1-3]
    this.#state.records?.forget(publication);
    // Only what this connection's quota was taken for is given back to it.
    if (publication.connectionNumber === this.#state.connectionNumber) this.#quota.give();
    const properties =
      parser.propertiesStart === parser.propertiesEnd ? undefined : propertiesOf(parser);
    if (reasonCode >= 0x80) {
      const reason = properties?.reasonString ?? "no reason given";
      reject(
        publication,
        new RequestError(
          "ERR_PUBLISH_REFUSED",
          `the server refused the message: ${hex(reasonCode)}, ${reason}`,
          {
            reasonCode,
          },
        ),
      );
    } else if (reasonCode === 0 && properties === undefined) resolve(publication, success);
    else resolve(publication, { reasonCode, properties });
    this.#onLess();
  }

  /** Sends one packet of the last connection again, in the order of the first sending [MQTT3-4.6.0-1]. @returns false if the quota has to rise first. */
  resendNext(connection: Connection, limits: ServerLimits): boolean {
    const outbound = this.#outbound;
    const packetIdentifier = outbound.resendNext;
    const now = this.#state.clock.now();
    const { records } = this.#state;
    const publication = outbound.valueOf(packetIdentifier)!;
    if (records?.journal.isSafe(publication.position) === false) return false;
    if (outbound.stateOf(packetIdentifier) === OutboundState.awaitingPubcomp) {
      outbound.resent(now);
      connection.send({ type: "pubrel", packetIdentifier, dup: this.#dupOfPubrel() });
      return true;
    }
    if (!this.#quota.take()) return false;
    if (!this.#encoder.encode(publication, packetIdentifier, true, connection, limits, now)) {
      this.#quota.give();
      outbound.fail(packetIdentifier);
      this.#state.identifiers.release(packetIdentifier);
      records?.forget(publication);
      return true;
    }
    publication.connectionNumber = this.#state.connectionNumber;
    outbound.resent(now);
    return true;
  }

  /** 3.1 has DUP on PUBREL. */
  #dupOfPubrel(): true | undefined {
    return this.#state.settings.protocolVersion === 3 ? true : undefined;
  }

  /** A message goes alone, and was sent. */
  isHeldBack(limits: ServerLimits): boolean {
    return this.#suspicion.sendsAlone && this.#quota.available < limits.receiveMaximum;
  }

  /**
   * The server has no session: what was in flight is settled or begins anew, in order. QoS 1 is
   * sent as a new message. A QoS 2 message that the server took over (PUBREC) is done; of one that it
   * did not, nobody knows, and sending it again might double it: its promise is rejected.
   */
  #startOver(): Publication[] {
    const { records, identifiers } = this.#state;
    const again: Publication[] = [];
    this.#outbound.forEach((packetIdentifier, state, publication) => {
      identifiers.release(packetIdentifier);
      if (state === OutboundState.awaitingPuback && !publication.isSettled) {
        again.push(publication);
        records?.unnumber(publication);
        return;
      }
      records?.forget(publication);
      if (state === OutboundState.awaitingPubcomp) resolve(publication, success);
      else if (state === OutboundState.awaitingPubrec) {
        reject(
          publication,
          new RequestError(
            "ERR_SESSION_LOST",
            "the server lost the session; whether the message arrived is not known",
          ),
        );
      }
    });
    this.#outbound.clear();
    for (const { packetIdentifier, publication } of this.#abandoned) {
      identifiers.release(packetIdentifier);
      records?.forget(publication);
    }
    this.#abandoned = [];
    return again;
  }

  /** A connection ended after its CONNACK; a message that made the server close once too often is given up. */
  connectionEnded(error: Error | undefined): void {
    const { clock, connectionNumber, identifiers } = this.#state;
    let oldest: Publication | undefined;
    let packetIdentifier = 0;
    this.#outbound.forEach((identifier, state, publication) => {
      if (oldest !== undefined || state === OutboundState.awaitingPubcomp) return;
      if (publication.connectionNumber !== connectionNumber) return;
      oldest = publication;
      packetIdentifier = identifier;
    });
    if (!this.#suspicion.connectionEnded(error, oldest, clock.now())) return;
    const publication = this.#outbound.fail(packetIdentifier)!;
    // A new message under the identifier of a QoS 2 message that arrived were taken for that one.
    if (publication.qos === 2) {
      this.#abandoned.push({ packetIdentifier, publication });
      this.#state.records?.abandon(publication, packetIdentifier);
    } else {
      identifiers.release(packetIdentifier);
      this.#state.records?.forget(publication);
    }
    reject(
      publication,
      new RequestError(
        "ERR_PUBLISH_ABANDONED",
        `the server closed the connection each time that it got the message of ${publication.payload.length} bytes to ${publication.topicName}: it is not sent again`,
        {
          cause: error,
          reasonCode: error instanceof ConnectionError ? error.reasonCode : undefined,
        },
      ),
    );
    this.#onLess();
  }

  #onTimer(): void {
    const { connection, settings, clock, wheel } = this.#state;
    if (connection === undefined || this.#outbound.size === 0) return;
    // While nothing is read or written, an acknowledgement cannot be seen or asked for again.
    if (connection.isPaused || connection.isBlocked) {
      wheel.schedule(this.#timer, settings.ackTimeoutMs);
      return;
    }
    const now = clock.now();
    const isOver =
      settings.protocolVersion === 5
        ? // Nothing is sent again on a live connection [MQTT5-4.4.0-1].
          this.#isOlderThan(now - settings.ackTimeoutMs * (settings.ackRetries + 1))
        : !this.#retry(connection, now);
    if (isOver) {
      connection.destroy(
        new ConnectionError(
          "ERR_ACKNOWLEDGEMENT_TIMEOUT",
          "a PUBLISH or PUBREL was not acknowledged in time",
        ),
      );
      return;
    }
    const oldest = this.#outbound.oldestSentAt;
    const wait = oldest < 0 ? settings.ackTimeoutMs : oldest + settings.ackTimeoutMs - now;
    wheel.schedule(
      this.#timer,
      settings.protocolVersion === 5 ? settings.ackTimeoutMs : Math.max(wait, 1),
    );
  }

  #isOlderThan(time: number): boolean {
    const oldest = this.#outbound.oldestSentAt;
    return oldest >= 0 && oldest <= time;
  }

  /** 3.x: sends again what waits for too long. @returns false if one has used up its retries. */
  #retry(connection: Connection, now: number): boolean {
    const { ackTimeoutMs, ackRetries } = this.#state.settings;
    const limits = this.#state.limits!;
    let allowed = true;
    this.#outbound.forEach((packetIdentifier, state, publication, _detail, sentAt) => {
      if (
        sentAt < 0 ||
        sentAt > now - ackTimeoutMs ||
        this.#outbound.sendingsOf(packetIdentifier) === 0
      )
        return;
      if (this.#outbound.sendingsOf(packetIdentifier) > ackRetries) allowed = false;
      if (!allowed) return;
      this.#outbound.touch(packetIdentifier, now);
      if (state === OutboundState.awaitingPubcomp) {
        connection.send({ type: "pubrel", packetIdentifier, dup: this.#dupOfPubrel() });
      } else this.#encoder.encode(publication, packetIdentifier, true, connection, limits, now);
    });
    connection.wake();
    return allowed;
  }
}

function propertiesOf(parser: ServerParser): Properties | undefined {
  const packet = parser.packet();
  return "properties" in packet ? packet.properties : undefined;
}

function unexpected(name: string, packetIdentifier: number): ProtocolError {
  return new ProtocolError(
    "ERR_PROTOCOL",
    ReasonCode.protocolError,
    `${name} for Packet Identifier ${packetIdentifier}, which waits for another packet`,
  );
}
