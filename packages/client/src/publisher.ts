import type { Parser, Properties, PublishPacket } from "@sericite/protocol";
import {
  ConnectionError,
  Outbound,
  OutboundState,
  PacketType,
  ProtocolError,
  ReasonCode,
  ReceiveMaximum,
  TimerEntry,
  TopicAliasOutbound,
  UsageError,
  encodePacket,
} from "@sericite/protocol";
import type { AbortSignalLike } from "./abort.ts";
import { abortError, onAbort } from "./abort.ts";
import type { ClientState } from "./client-state.ts";
import type { Connection } from "./connection.ts";
import { RequestError, hex } from "./errors.ts";
import type { Payload } from "./message.ts";
import type { Publication, PublishOptions, PublishResult } from "./publication.ts";
import { makePublication, publishFault, refusalOf } from "./publication.ts";
import { Queue } from "./queue.ts";
import type { ServerLimits } from "./server-limits.ts";
import { Suspicion } from "./suspicion.ts";

/** Bytes that one turn puts out, about; the others have their turn then. */
const outputPerTurn = 256 * 1024;
const nothing = new Uint8Array(0);
const success: PublishResult = { reasonCode: ReasonCode.success, properties: undefined };

/** Sends messages: one line for all QoS, within what the server allows, until they are acknowledged. */
export class Publisher {
  readonly #state: ClientState;
  readonly #queue = new Queue<Publication>();
  /** Of those that wait and are not settled. */
  #queuedMessages = 0;
  #queuedBytes = 0;
  readonly #outbound = new Outbound<Publication>();
  readonly #quota = new ReceiveMaximum(1);
  #aliases = new TopicAliasOutbound(0);
  /** QoS 0 in the output that was not handed to the transport yet. */
  #handingOver: Publication[] = [];
  readonly #timer: TimerEntry;
  readonly #suspicion = new Suspicion();
  /** Of QoS 2 messages that were given up: the server's session may still know them. */
  #abandonedIdentifiers: number[] = [];
  #idleWaiters: (() => void)[] = [];
  #closedBy: Error | undefined = undefined;

  constructor(state: ClientState) {
    this.#state = state;
    this.#timer = new TimerEntry(() => this.#onTimer());
  }

  /** Messages that wait to be sent. */
  get queuedMessages(): number {
    return this.#queuedMessages;
  }

  /** Messages that were sent and are not acknowledged. */
  get inFlight(): number {
    return this.#outbound.size;
  }

  /** See `Client.publish`. */
  publish(topicName: string, payload: Payload, options: PublishOptions): Promise<PublishResult> {
    const { qos = 0, signal } = options;
    return new Promise((resolve, reject) => {
      const fault = publishFault(topicName, payload, qos);
      if (fault !== undefined) throw fault;
      if (this.#closedBy !== undefined) throw this.#closedBy;
      if (signal?.aborted === true) throw abortError(signal);
      const { settings, connection, clock } = this.#state;
      if (qos === 0 && connection === undefined && !settings.queue.qos0) {
        throw new RequestError(
          "ERR_NOT_CONNECTED",
          "there is no connection, and QoS 0 does not wait for one",
        );
      }
      const publication = makePublication(topicName, payload, options, clock, resolve, reject);
      const { maximumMessages, maximumBytes } = settings.queue;
      if (
        this.#queuedMessages >= maximumMessages ||
        this.#queuedBytes + publication.size > maximumBytes
      ) {
        throw new RequestError(
          "ERR_QUEUE_FULL",
          `${this.#queuedMessages} messages of ${this.#queuedBytes} bytes wait`,
        );
      }
      if (signal !== undefined) {
        publication.stopListening = onAbort(signal, () => this.#abort(publication, signal));
      }
      this.#queue.push(publication);
      this.#enterQueue(publication);
      connection?.wake();
    });
  }

  /** A connection is there. @param sessionPresent  What CONNACK said; false at a first connection. */
  connected(sessionPresent: boolean, limits: ServerLimits): void {
    this.#aliases = new TopicAliasOutbound(limits.topicAliasMaximum); // [MQTT5-3.3.2-7]
    this.#quota.reset(limits.receiveMaximum); // [MQTT5-4.9.0-1]
    this.#suspicion.connected();
    if (sessionPresent) this.#outbound.rewind();
    else this.#startOver();
    if (this.#outbound.size > 0)
      this.#state.wheel.schedule(this.#timer, this.#state.settings.ackTimeoutMs);
  }

  /** There is no connection any more, or still none: QoS 0 that it did not take is not sent again. */
  disconnected(): void {
    this.#state.wheel.cancel(this.#timer);
    if (!this.#state.settings.queue.qos0) {
      const kept: Publication[] = [];
      for (const publication of this.#queue.clear()) {
        if (publication.isSettled) continue;
        if (publication.qos > 0) kept.push(publication);
        else {
          this.#leaveQueue(publication);
          this.#reject(
            publication,
            new RequestError(
              "ERR_NOT_CONNECTED",
              "the connection closed before the message was sent",
            ),
          );
        }
      }
      this.#queue.unshift(kept);
    }
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
    if (publication.qos === 2) this.#abandonedIdentifiers.push(packetIdentifier);
    else identifiers.release(packetIdentifier);
    this.#reject(
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
    this.#tellIdle();
  }

  /** Nothing more is sent: every promise is rejected with `error`. */
  close(error: Error): void {
    this.#closedBy = error;
    this.#state.wheel.cancel(this.#timer);
    const waiting = this.#queue.clear();
    this.#queuedMessages = 0;
    this.#queuedBytes = 0;
    this.#outbound.clear((publication) => waiting.push(publication));
    for (const publication of waiting) this.#reject(publication, error);
    this.#tellIdle();
  }

  /** Settles when nothing waits, everything is acknowledged, and the transport holds nothing back. */
  whenIdle(): Promise<void> {
    return new Promise((resolve) => {
      this.#idleWaiters.push(resolve);
      this.#tellIdle();
    });
  }

  /** Appends what may be sent now to the connection's output. @returns whether there is more. */
  fill(connection: Connection, limits: ServerLimits): boolean {
    const outbound = this.#outbound;
    while (outbound.resendNext !== 0) {
      if (connection.output.position >= outputPerTurn) return true;
      if (this.#isHeldBack(limits)) return false;
      if (!this.#resendNext(connection, limits)) return false;
    }
    if (this.#queue.length === 0) return false;
    const now = this.#state.clock.now();
    for (;;) {
      const publication = this.#queue.peek();
      if (publication === undefined) return false;
      if (connection.output.position >= outputPerTurn) return true;
      if (publication.isSettled) {
        this.#queue.shift();
        continue;
      }
      if (this.#isHeldBack(limits)) return false;
      // In flight counts whole, PUBRELs of the last connection too: stricter than the quota alone.
      if (
        publication.qos > 0 &&
        (outbound.size >= limits.receiveMaximum || this.#quota.available === 0)
      ) {
        return false; // PUBLISH alone [MQTT5-3.3.4-7] [MQTT5-3.3.4-8] [MQTT5-4.9.0-2]
      }
      this.#queue.shift();
      this.#leaveQueue(publication);
      this.#sendFirst(publication, connection, limits, now);
    }
  }

  /** A message goes alone, and was sent. */
  #isHeldBack(limits: ServerLimits): boolean {
    return this.#suspicion.sendsAlone && this.#quota.available < limits.receiveMaximum;
  }

  /** The transport has what `fill` appended. */
  onHandedOver(): void {
    if (this.#handingOver.length === 0) {
      // It may have taken now what it held.
      if (this.#idleWaiters.length > 0) this.#tellIdle();
      return;
    }
    const handedOver = this.#handingOver;
    this.#handingOver = [];
    for (const publication of handedOver) this.#resolve(publication, success);
    this.#tellIdle();
  }

  /** PUBACK, PUBREC or PUBCOMP came. @throws ProtocolError where it cannot be one. */
  onAcknowledgement(type: number, parser: Parser, connection: Connection): void {
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
    parser: Parser,
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
    connection.acknowledge("pubrel", packetIdentifier); // [MQTT5-4.3.3-4] [MQTT5-4.6.0-4] [MQTT3-4.6.0-4]
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
    parser: Parser,
  ): void {
    if (publication === undefined) return;
    this.#state.identifiers.release(packetIdentifier);
    // Only what this connection's quota was taken for is given back to it.
    if (publication.connectionNumber === this.#state.connectionNumber) this.#quota.give();
    const properties =
      parser.propertiesStart === parser.propertiesEnd ? undefined : propertiesOf(parser);
    if (reasonCode >= 0x80) {
      const reason = properties?.reasonString ?? "no reason given";
      this.#reject(
        publication,
        new RequestError(
          "ERR_PUBLISH_REFUSED",
          `the server refused the message: ${hex(reasonCode)}, ${reason}`,
          {
            reasonCode,
          },
        ),
      );
    } else if (reasonCode === 0 && properties === undefined) this.#resolve(publication, success);
    else this.#resolve(publication, { reasonCode, properties });
    this.#tellIdle();
  }

  #sendFirst(
    publication: Publication,
    connection: Connection,
    limits: ServerLimits,
    now: number,
  ): void {
    const { identifiers, connectionNumber } = this.#state;
    const refusal = refusalOf(publication, limits, now);
    if (refusal !== undefined) {
      this.#reject(publication, refusal);
      return;
    }
    const qos = publication.qos;
    const packetIdentifier = qos === 0 ? 0 : identifiers.take(); // [MQTT5-2.2.1-3] [MQTT3-2.3.1-2]
    if (!this.#encode(publication, packetIdentifier, false, connection, limits, now)) {
      if (packetIdentifier !== 0) identifiers.release(packetIdentifier);
      return;
    }
    if (qos === 0) {
      this.#handingOver.push(publication);
      return;
    }
    publication.connectionNumber = connectionNumber;
    this.#quota.take();
    this.#outbound.begin(packetIdentifier, qos, publication, 0, now);
    if (!this.#timer.isScheduled)
      this.#state.wheel.schedule(this.#timer, this.#state.settings.ackTimeoutMs);
  }

  /** @returns false if the quota has to rise first. */
  #resendNext(connection: Connection, limits: ServerLimits): boolean {
    const outbound = this.#outbound;
    const packetIdentifier = outbound.resendNext;
    const now = this.#state.clock.now();
    if (outbound.stateOf(packetIdentifier) === OutboundState.awaitingPubcomp) {
      outbound.resent(now);
      connection.send({ type: "pubrel", packetIdentifier, dup: this.#dupOfPubrel() });
      return true;
    }
    if (!this.#quota.take()) return false;
    const publication = outbound.valueOf(packetIdentifier)!;
    if (!this.#encode(publication, packetIdentifier, true, connection, limits, now)) {
      this.#quota.give();
      outbound.fail(packetIdentifier);
      this.#state.identifiers.release(packetIdentifier);
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

  /** Appends a PUBLISH. @returns false if it cannot be sent: its promise is rejected. */
  #encode(
    publication: Publication,
    packetIdentifier: number,
    dup: boolean,
    connection: Connection,
    limits: ServerLimits,
    now: number,
  ): boolean {
    const output = connection.output;
    const start = output.position;
    const { protocolVersion } = this.#state.settings;
    const packet: PublishPacket = {
      type: "publish",
      topicName: publication.topicName,
      payload: publication.payload,
      qos: publication.qos,
      dup, // [MQTT5-3.3.1-1] [MQTT3-3.3.1-1]
      retain: publication.retain,
      packetIdentifier: packetIdentifier === 0 ? undefined : packetIdentifier,
      properties: protocolVersion === 5 ? this.#propertiesToSend(publication, now) : undefined,
    };
    try {
      this.#assignAlias(packet, publication, limits);
      encodePacket(packet, protocolVersion, output);
      const size = output.position - start;
      if (size <= limits.maximumPacketSize) return true;
      output.position = start; // [MQTT5-3.2.2-15]
      throw new RequestError(
        "ERR_PACKET_TOO_LARGE",
        `PUBLISH of ${size} bytes, the server takes ${limits.maximumPacketSize}`,
        { reasonCode: ReasonCode.packetTooLarge },
      );
    } catch (error) {
      if (!(error instanceof UsageError) && !(error instanceof RequestError)) throw error;
      // The server may not get the alias that was given out: begin anew.
      this.#aliases = new TopicAliasOutbound(limits.topicAliasMaximum);
      this.#reject(publication, error);
      return false;
    }
  }

  #assignAlias(packet: PublishPacket, publication: Publication, limits: ServerLimits): void {
    if (limits.topicAliasMaximum === 0) return;
    const topicAlias = this.#aliases.assign(publication.topicName);
    if (topicAlias === 0) return;
    packet.properties = { ...packet.properties, topicAlias };
    if (!this.#aliases.isNew) packet.topicName = "";
  }

  #propertiesToSend(publication: Publication, now: number): Properties | undefined {
    if (publication.expiresAt === Infinity) return publication.properties;
    // It may have waited here; what was sent once goes on all the same [MQTT5-4.3.3-7].
    // Less a trace, since 60 s may come out of the clock's fractions as 60.0000001.
    const remaining = Math.ceil((publication.expiresAt - now) / 1000 - 1e-6);
    const messageExpiryInterval = Math.max(1, remaining);
    return { ...publication.properties, messageExpiryInterval };
  }

  /**
   * The server has no session: what was in flight is settled or begins anew, in order. QoS 1 is
   * sent as a new message. A QoS 2 message that the server took over (PUBREC) is done; of one that it
   * did not, nobody knows, and sending it again might double it: its promise is rejected.
   */
  #startOver(): void {
    const again: Publication[] = [];
    const identifiers: number[] = [];
    this.#outbound.forEach((packetIdentifier, state, publication) => {
      identifiers.push(packetIdentifier);
      if (state === OutboundState.awaitingPubcomp) this.#resolve(publication, success);
      else if (state === OutboundState.awaitingPubrec) {
        this.#reject(
          publication,
          new RequestError(
            "ERR_SESSION_LOST",
            "the server lost the session; whether the message arrived is not known",
          ),
        );
      } else if (!publication.isSettled) again.push(publication);
    });
    this.#outbound.clear();
    identifiers.push(...this.#abandonedIdentifiers);
    this.#abandonedIdentifiers = [];
    for (const packetIdentifier of identifiers) this.#state.identifiers.release(packetIdentifier);
    for (const publication of again) this.#enterQueue(publication);
    this.#queue.unshift(again);
    this.#tellIdle();
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
      } else this.#encode(publication, packetIdentifier, true, connection, limits, now);
    });
    connection.wake();
    return allowed;
  }

  #abort(publication: Publication, signal: AbortSignalLike): void {
    if (publication.isSettled) return;
    // In flight it stays in the session, and its acknowledgement is taken in silence.
    this.#reject(publication, abortError(signal));
    if (publication.isQueued) this.#leaveQueue(publication);
    this.#tellIdle();
  }

  #enterQueue(publication: Publication): void {
    publication.isQueued = true;
    this.#queuedMessages++;
    this.#queuedBytes += publication.size;
  }

  #leaveQueue(publication: Publication): void {
    publication.isQueued = false;
    this.#queuedMessages--;
    this.#queuedBytes -= publication.size;
  }

  #resolve(publication: Publication, result: PublishResult): void {
    if (publication.isSettled) return;
    publication.isSettled = true;
    publication.stopListening();
    publication.resolve(result);
  }

  #reject(publication: Publication, error: Error): void {
    if (publication.isSettled) return;
    publication.isSettled = true;
    publication.stopListening();
    publication.reject(error);
  }

  #tellIdle(): void {
    if (this.#idleWaiters.length === 0) return;
    if (this.#queuedMessages > 0 || this.#outbound.size > 0 || this.#handingOver.length > 0) return;
    if (this.#state.connection?.isBlocked === true) return;
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const waiter of waiters) waiter();
  }
}

function propertiesOf(parser: Parser): Properties | undefined {
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
