import type { AcknowledgementPacket } from "@sericite/protocol";
import {
  ConnectionError,
  ProtocolError,
  ReasonCode,
  ReceiveMaximum,
  TimerEntry,
} from "@sericite/protocol";
import type { ClientState } from "./client-state.ts";
import type { Connection } from "./connection.ts";
import { RequestError, reasonText } from "./errors.ts";
import { Identified } from "./identified.ts";
import type { KeptPublication } from "./kept-session.ts";
import { KeptState } from "./kept-session.ts";
import type { Publication } from "./publication.ts";
import { reject, resolve, success } from "./publication.ts";
import type { PublishEncoder } from "./publish-encoder.ts";
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
  readonly #flights = new Identified();
  /** Rises with each first sending of a PUBLISH, and with each PUBREC. */
  #lastOrder = 0;
  /** What is to be sent again on this connection, the last first. What has moved on meanwhile is skipped. */
  #resends: Publication[] = [];
  readonly #quota = new ReceiveMaximum(1);
  readonly #timer: TimerEntry;
  readonly #suspicion = new Suspicion();
  /** Of QoS 2 messages that were given up: the server's session may still know them. */
  #abandoned: Publication[] = [];
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
    return this.#flights.size;
  }

  /** Whether packets of the last connection are still to be sent again. */
  get hasResends(): boolean {
    return this.#nextResend() !== undefined;
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
    if (sessionPresent) this.#rewind();
    else again = this.#startOver();
    if (this.size > 0) this.#state.wheel.schedule(this.#timer, this.#state.settings.ackTimeoutMs);
    return again;
  }

  /** Takes over a message that an earlier process may have sent. In the order of publishing. */
  restore(publication: Publication, state: Exclude<KeptPublication["state"], 0>): void {
    if (state === KeptState.abandoned) this.#abandoned.push(publication);
    else {
      publication.isReleased = state === KeptState.released;
      this.#take(publication);
    }
  }

  /** There is no connection any more. */
  disconnected(): void {
    this.#state.wheel.cancel(this.#timer);
  }

  /** Forgets all. @returns them, in order. */
  close(): Publication[] {
    this.#state.wheel.cancel(this.#timer);
    const publications = this.#inOrder();
    this.#flights.clear();
    this.#resends = [];
    this.#abandoned = [];
    return publications;
  }

  #take(publication: Publication): void {
    publication.order = ++this.#lastOrder;
    this.#flights.add(publication);
  }

  /**
   * All in the order in which they are sent again: PUBRELs in the order of their PUBRECs [MQTT5-4.6.0-4], then PUBLISHes
   * in the order of their first sending [MQTT5-4.6.0-1]. PUBRECs come in the order of their PUBLISHes, so the former are
   * the older messages.
   */
  #inOrder(): Publication[] {
    return this.#flights
      .all()
      .sort((a, b) => Number(b.isReleased) - Number(a.isReleased) || a.order - b.order);
  }

  /** A connection resumed the session: everything is to be sent again [MQTT5-4.4.0-1]. */
  #rewind(): void {
    this.#resends = this.#inOrder().reverse();
    for (const publication of this.#resends) {
      publication.sentAt = -1;
      publication.sendings = 0;
    }
  }

  #nextResend(): Publication | undefined {
    for (;;) {
      const next = this.#resends.at(-1);
      if (next === undefined || (next.sentAt < 0 && this.#isInFlight(next))) return next;
      this.#resends.pop();
    }
  }

  #isInFlight(publication: Publication): boolean {
    return this.#flights.get(publication.packetIdentifier) === publication;
  }

  /** Whether one more QoS 1 or 2 message may be sent: PUBLISH alone is bounded [MQTT5-3.3.4-7] [MQTT5-3.3.4-8] [MQTT5-4.9.0-2]. */
  hasRoom(limits: ServerLimits): boolean {
    // In flight counts whole, PUBRELs of the last connection too: stricter than the quota alone.
    return this.size < limits.receiveMaximum && this.#quota.available > 0;
  }

  /** Sends a message for the first time. It may be refused: its promise is rejected then. */
  sendFirst(
    publication: Publication,
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
    publication.packetIdentifier = packetIdentifier;
    publication.connectionNumber = connectionNumber;
    this.#quota.take();
    publication.sendings = 0;
    this.#take(publication);
    noteSent(publication, now);
    if (!this.#timer.isScheduled) wheel.schedule(this.#timer, settings.ackTimeoutMs);
  }

  /** PUBACK, PUBREC or PUBCOMP came. @throws ProtocolError where it cannot be one. */
  onAcknowledgement(packet: AcknowledgementPacket, connection: Connection): void {
    const { type, packetIdentifier } = packet;
    this.#suspicion.acknowledged();
    if (type === "pubrec") this.#onPubrec(packet, connection);
    else {
      const isPuback = type === "puback";
      const publication = this.#flights.get(packetIdentifier);
      const isExpected = isPuback ? publication?.qos === 1 : publication?.isReleased === true;
      if (publication !== undefined && !isExpected)
        throw unexpected(isPuback ? "PUBACK" : "PUBCOMP", packetIdentifier);
      // An acknowledgement of nothing is let pass: on 3.x it follows from sending again.
      if (publication !== undefined) this.#finish(publication, packet);
    }
    // What the quota held back goes at the end of this turn.
    connection.wake();
  }

  #onPubrec(packet: AcknowledgementPacket, connection: Connection): void {
    const { packetIdentifier, reasonCode = 0 } = packet;
    const publication = this.#flights.get(packetIdentifier);
    if (publication?.qos === 1) throw unexpected("PUBREC", packetIdentifier);
    if (reasonCode >= 0x80) {
      if (publication?.isReleased === false) this.#finish(publication, packet); // [MQTT5-4.4.0-2]
      return;
    }
    if (publication === undefined) {
      connection.acknowledge("pubrel", packetIdentifier, ReasonCode.packetIdentifierNotFound);
      return;
    }
    const { records, clock } = this.#state;
    if (!publication.isReleased) {
      publication.isReleased = true;
      publication.order = ++this.#lastOrder;
      // It is not sent again [MQTT5-4.3.3-6]: the payload has done its duty.
      publication.payload = nothing;
      publication.sendings = 0;
      records?.release(publication, packetIdentifier);
    }
    noteSent(publication, clock.now());
    if (records === undefined) {
      connection.acknowledge("pubrel", packetIdentifier); // [MQTT5-4.3.3-4] [MQTT5-4.6.0-4] [MQTT3-4.6.0-4]
      return;
    }
    // A process that did not know of the PUBREC would send the message again, under an identifier
    // that is free for the server then.
    records.journal.whenSafe(() => {
      if (this.#state.connection === connection) connection.acknowledge("pubrel", packetIdentifier);
    });
  }

  /** The last acknowledgement of a Packet Identifier came. */
  #finish(publication: Publication, packet: AcknowledgementPacket): void {
    this.#free(publication); // [X-4] [MQTT3-2.3.1-3]
    // Only what this connection's quota was taken for is given back to it.
    if (publication.connectionNumber === this.#state.connectionNumber) this.#quota.give();
    const { reasonCode = 0, properties } = packet;
    if (reasonCode === 0 && properties === undefined) resolve(publication, success);
    // 0x92: the server took the message over before, and has forgotten its identifier.
    else if (reasonCode === ReasonCode.packetIdentifierNotFound)
      resolve(publication, { reasonCode: 0, properties });
    else if (reasonCode < 0x80) resolve(publication, { reasonCode, properties });
    else {
      const message = `the server refused the message to ${publication.topicName}: ${reasonText(reasonCode, properties)}`;
      reject(publication, new RequestError("ERR_PUBLISH_REFUSED", message, { reasonCode }));
    }
    this.#onLess();
  }

  /** Sends one packet of the last connection again, in the order of the first sending [MQTT3-4.6.0-1]. @returns false if the quota has to rise first. */
  resendNext(connection: Connection, limits: ServerLimits): boolean {
    const now = this.#state.clock.now();
    const publication = this.#nextResend()!;
    const { packetIdentifier } = publication;
    if (this.#state.records?.journal.isSafe(publication.position) === false) return false;
    if (publication.isReleased) {
      noteSent(publication, now);
      connection.send({ type: "pubrel", packetIdentifier, dup: this.#dupOfPubrel() });
      return true;
    }
    if (!this.#quota.take()) return false;
    if (!this.#encoder.encode(publication, packetIdentifier, true, connection, limits, now)) {
      this.#quota.give();
      this.#free(publication);
      return true;
    }
    publication.connectionNumber = this.#state.connectionNumber;
    noteSent(publication, now);
    return true;
  }

  /** The message is done with, and its Packet Identifier free. */
  #free(publication: Publication): void {
    this.#flights.remove(publication);
    this.#state.identifiers.release(publication.packetIdentifier);
    this.#state.records?.forget(publication);
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
    for (const publication of this.#inOrder()) {
      if (publication.qos === 1 && !publication.isSettled) {
        again.push(publication);
        identifiers.release(publication.packetIdentifier);
        publication.packetIdentifier = 0;
        records?.unnumber(publication);
        continue;
      }
      if (publication.isReleased) resolve(publication, success);
      else if (publication.qos === 2) {
        reject(
          publication,
          new RequestError(
            "ERR_SESSION_LOST",
            "the server lost the session; whether the message arrived is not known",
          ),
        );
      }
      this.#free(publication);
    }
    for (const publication of this.#abandoned) this.#free(publication);
    this.#flights.clear();
    this.#resends = [];
    this.#abandoned = [];
    return again;
  }

  /** A connection ended after its CONNACK; a message that made the server close once too often is given up. */
  connectionEnded(error: Error | undefined): void {
    const { clock, connectionNumber, records } = this.#state;
    const oldest = this.#inOrder().find(
      (publication) => !publication.isReleased && publication.connectionNumber === connectionNumber,
    );
    if (!this.#suspicion.connectionEnded(error, oldest, clock.now())) return;
    const publication = oldest!;
    // A new message under the identifier of a QoS 2 message that arrived were taken for that one.
    if (publication.qos === 2) {
      this.#flights.remove(publication);
      this.#abandoned.push(publication);
      records?.abandon(publication, publication.packetIdentifier);
    } else this.#free(publication);
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
    if (connection === undefined || this.size === 0) return;
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
    const oldest = this.#oldestSentAt();
    const wait = oldest === Infinity ? settings.ackTimeoutMs : oldest + settings.ackTimeoutMs - now;
    wheel.schedule(
      this.#timer,
      settings.protocolVersion === 5 ? settings.ackTimeoutMs : Math.max(wait, 1),
    );
  }

  #isOlderThan(time: number): boolean {
    return this.#oldestSentAt() <= time;
  }

  /** When the packet that waits longest on this connection was sent; Infinity: there is none. Milliseconds. */
  #oldestSentAt(): number {
    let oldest = Infinity;
    for (const { sentAt } of this.#inOrder()) if (sentAt >= 0 && sentAt < oldest) oldest = sentAt;
    return oldest;
  }

  /** 3.x: sends again what waits for too long. @returns false if one has used up its retries. */
  #retry(connection: Connection, now: number): boolean {
    const { ackTimeoutMs, ackRetries } = this.#state.settings;
    const limits = this.#state.limits!;
    for (const publication of this.#inOrder()) {
      const { packetIdentifier, sentAt, sendings } = publication;
      if (sentAt < 0 || sentAt > now - ackTimeoutMs) continue;
      if (sendings > ackRetries) return false;
      noteSent(publication, now);
      if (publication.isReleased)
        connection.send({ type: "pubrel", packetIdentifier, dup: this.#dupOfPubrel() });
      else this.#encoder.encode(publication, packetIdentifier, true, connection, limits, now);
    }
    connection.wake();
    return true;
  }
}

function noteSent(publication: Publication, now: number): void {
  publication.sentAt = now;
  publication.sendings++;
}

function unexpected(name: string, packetIdentifier: number): ProtocolError {
  return new ProtocolError(
    "ERR_PROTOCOL",
    ReasonCode.protocolError,
    `${name} for Packet Identifier ${packetIdentifier}, which waits for another packet`,
  );
}
