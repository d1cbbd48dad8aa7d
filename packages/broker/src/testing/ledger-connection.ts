import { ReasonCode } from "@sericite/protocol";
import type {
  AcknowledgementPacket,
  ConnackPacket,
  ConnectPacket,
  DisconnectPacket,
  Packet,
  ProtocolVersion,
  PublishPacket,
  SubackPacket,
  UnsubackPacket,
} from "@sericite/protocol";
import type { Ledger } from "./ledger.ts";
import { delayOf } from "./ledger-delayed.ts";
import { deliver } from "./ledger-delivery.ts";
import { LedgerRequests, push, shift } from "./ledger-requests.ts";
import type { Unanswered } from "./ledger-requests.ts";
import type { Flight, LedgerSession } from "./ledger-session.ts";
import type { ArmedWill } from "./ledger-wills.ts";
import type { PacketListener } from "./packet-tap.ts";

/**
 * One connection as it is seen at the broker's end of its link: what the packets promise goes to
 * the ledger, and the rules that can be checked on one connection are checked here.
 */
export class LedgerConnection implements PacketListener {
  readonly ledger: Ledger;
  readonly name: string;
  connect: ConnectPacket | undefined;
  isAccepted = false;
  isClosed = false;
  session: LedgerSession | undefined;
  will: ArmedWill | undefined;
  /** The client's word on how much may be unacknowledged, and how large a packet may be. */
  receiveMaximum = 65535;
  maximumPacketSize = Infinity;
  /** Reason Code of the client's DISCONNECT. */
  leftWith: number | undefined;
  lastReceivedMs: number;
  /** When CONNECT came. */
  connectMs = 0;
  /** Its client breaks rules: the broker need not read what comes after. */
  mayMisbehave = false;
  /** Sent PUBLISHes that count against Receive Maximum. */
  readonly outstanding = new Set<number>();
  /** Packet Identifiers under which something was sent more than once here. */
  readonly resent = new Set<number>();
  readonly #early: Packet[] = [];
  readonly #requests = new LedgerRequests();
  /** Topic Aliases of the client, and of the broker. */
  readonly #aliasesIn = new Map<number, string>();
  readonly #aliasesOut = new Map<number, string>();
  #saidDisconnect = false;
  #how: "asked" | "ended" | "lost" | undefined;
  /** The broker crashed, and may have forgotten what it did because of this connection. */
  isUndone = false;
  /** CONNACK told it so. */
  wasRefused = false;

  constructor(ledger: Ledger, name: string) {
    this.ledger = ledger;
    this.name = name;
    this.lastReceivedMs = ledger.nowMs;
  }

  get version(): ProtocolVersion {
    return this.connect?.protocolVersion ?? 4;
  }

  get clientId(): string {
    return this.session?.clientId ?? this.connect?.clientId ?? "";
  }

  complain(text: string): void {
    this.ledger.complain(
      `${this.name} (${this.clientId || "no Client Identifier"}, version ${this.version}): ${text}`,
    );
  }

  chunk(): void {
    this.ledger.nextPoint();
    this.lastReceivedMs = this.ledger.nowMs;
  }

  // --- what the broker was given ---

  received(packet: Packet, _size: number): void {
    this.ledger.nextPoint();
    this.ledger.onPacket?.(this, "in", packet);
    if (this.isClosed || this.leftWith !== undefined) return;
    if (packet.type === "connect") this.#receivedConnect(packet);
    else if (!this.isAccepted) this.#early.push(keep(packet));
    else this.#receivedNow(packet);
  }

  #receivedNow(packet: Packet): void {
    const session = this.session as LedgerSession;
    switch (packet.type) {
      case "publish":
        return this.#receivedPublish(packet, session);
      case "puback":
      case "pubrec":
      case "pubrel":
      case "pubcomp":
        return this.#receivedAcknowledgement(packet, session);
      case "subscribe": {
        const identifier = packet.properties?.subscriptionIdentifiers?.[0] ?? 0;
        const periods = packet.subscriptions.map((request) =>
          session.begin(request, identifier, this, this.ledger.point),
        );
        push(this.#requests.subscribes, packet.packetIdentifier, {
          packet,
          periods,
          place: this.ledger.durability?.place ?? 0,
        });
        return;
      }
      case "unsubscribe":
        for (const topicFilter of packet.topicFilters)
          session.beginEnd(topicFilter, this.ledger.point);
        push(this.#requests.unsubscribes, packet.packetIdentifier, {
          topicFilters: packet.topicFilters,
          at: this.ledger.point,
          place: this.ledger.durability?.place ?? 0,
        });
        return;
      case "pingreq":
        this.#requests.pings += 1;
        return;
      case "disconnect":
        return this.#receivedDisconnect(packet, session);
      default:
        return;
    }
  }

  #receivedConnect(packet: ConnectPacket): void {
    if (this.connect !== undefined) return;
    this.connect = keep(packet);
    this.receiveMaximum = packet.properties?.receiveMaximum ?? 65535;
    this.maximumPacketSize = packet.properties?.maximumPacketSize ?? Infinity;
    this.connectMs = this.ledger.nowMs;
    this.ledger.connecting(this, this.connect);
  }

  #receivedPublish(packet: PublishPacket, session: LedgerSession): void {
    const { ledger } = this;
    const named = this.#resolveAlias(packet, false);
    const identifier = packet.packetIdentifier ?? 0;
    if (packet.qos === 2) {
      const known = session.inbound.get(identifier);
      if (known !== undefined) {
        if (!known.isSure && !ledger.delayed.again(known)) {
          ledger.messages.reopen(known, ledger.nowMs);
          // Its client has counted the time in between.
          const counted = (known.expiry ?? 0) - (packet.properties?.messageExpiryInterval ?? 0);
          if (counted > 0) known.fromMs = Math.min(known.fromMs, ledger.nowMs - counted * 1000);
        }
        this.#requests.qos2.push({
          packetIdentifier: identifier,
          routing: known,
          atMs: ledger.nowMs,
        });
        return;
      }
    }
    const delay = delayOf(named);
    const topicName = ledger.rewrite(delay?.topicName ?? named);
    const routing =
      delay === undefined
        ? ledger.messages.add(
            session.clientId,
            session.clientId,
            {
              topicName,
              payload: packet.payload,
              qos: packet.qos,
              retain: packet.retain,
              expiry: packet.properties?.messageExpiryInterval,
              userProperties: packet.properties?.userProperties ?? [],
            },
            ledger.point,
            ledger.nowMs,
            this,
          )
        : ledger.delayed.add(this, session.clientId, packet, topicName, delay.seconds);
    if (ledger.isDenied(topicName))
      ledger.messages.refuse(routing, "refused, its client may not publish there");
    if (packet.qos === 1)
      this.#requests.qos1.push({ packetIdentifier: identifier, routing, atMs: ledger.nowMs });
    if (packet.qos === 2) {
      session.inbound.set(identifier, routing);
      // Whether the broker knows the identifier of an earlier life of the Session, who knows?
      routing.mayBeRepeat = packet.dup && routing.message.stream.routings.length > 1;
      this.#requests.qos2.push({ packetIdentifier: identifier, routing, atMs: ledger.nowMs });
    }
  }

  #receivedAcknowledgement(packet: AcknowledgementPacket, session: LedgerSession): void {
    const identifier = packet.packetIdentifier;
    const isFailure = (packet.reasonCode ?? 0) >= 0x80;
    if (packet.type === "pubrel") {
      session.inbound.delete(identifier);
      this.#requests.pubrels.set(identifier, (this.#requests.pubrels.get(identifier) ?? 0) + 1);
      return;
    }
    const flight = session.flights.get(identifier);
    if (flight === undefined) return;
    if (packet.type === "pubrec" && !isFailure) {
      if (flight.qos !== 2 || flight.settledOn !== undefined) return;
      if (flight.state === "sent") {
        flight.state = "received";
        flight.receivedOn = this;
        flight.pubrelOn = undefined;
      }
      this.#requests.owedPubrels.push(identifier);
      return;
    }
    const settles = packet.type === "puback" ? flight.qos === 1 : flight.qos === 2;
    if (!settles) return;
    // Until it is known that the broker read it, it may be sent again after a reconnect.
    flight.settledOn = this;
    this.outstanding.delete(identifier);
  }

  #receivedDisconnect(packet: DisconnectPacket, session: LedgerSession): void {
    this.leftWith = packet.reasonCode ?? 0;
    if (this.will !== undefined && this.leftWith !== 0) this.ledger.leaving(this.will);
    const expiry = packet.properties?.sessionExpiryInterval;
    if (expiry !== undefined && session.expiry > 0) {
      session.expiry = Math.min(expiry, this.ledger.maximumExpiry);
      session.expiryChangedAt = this.ledger.point;
    }
  }

  // --- what the broker sent ---

  sent(packet: Packet, size: number): void {
    const { ledger } = this;
    ledger.nextPoint();
    ledger.onPacket?.(this, "out", packet);
    if (size > this.maximumPacketSize)
      this.complain(
        `${packet.type} of ${size} bytes, the client takes ${this.maximumPacketSize} [MQTT5-3.1.2-24]`,
      );
    if (this.#saidDisconnect) this.complain(`${packet.type} after DISCONNECT [MQTT5-3.14.4-1]`);
    if (packet.type === "connack") return this.#sentConnack(packet);
    if (!this.isAccepted)
      return this.complain(`${packet.type} before CONNACK [MQTT5-3.2.0-1] [MQTT3-3.2.0-1]`);
    const session = this.session as LedgerSession;
    if (session.connection !== this) {
      if (packet.type !== "disconnect")
        this.complain(
          `${packet.type} to a connection that was taken over [MQTT5-3.1.4-3] [MQTT3-3.1.4-2]`,
        );
      this.#saidDisconnect ||= packet.type === "disconnect";
      return;
    }
    switch (packet.type) {
      case "publish":
        return deliver(this, session, packet, this.#resolveAlias(packet, true));
      case "puback":
        return this.#sentAnswer(packet, this.#requests.qos1, session);
      case "pubrec":
        return this.#sentAnswer(packet, this.#requests.qos2, session);
      case "pubrel":
        return this.#sentPubrel(packet, session);
      case "pubcomp":
        return this.#sentPubcomp(packet, session);
      case "suback":
        return this.#sentSuback(packet, session);
      case "unsuback":
        return this.#sentUnsuback(packet, session);
      case "pingresp":
        this.#requests.pings -= 1;
        if (this.#requests.pings < 0) this.complain("PINGRESP without PINGREQ");
        return;
      case "disconnect":
        this.#saidDisconnect = true;
        if (this.version !== 5) this.complain("DISCONNECT to a client before 5.0 [X-90]");
        return;
      default:
        return this.complain(`${packet.type} from the broker [X-3]`);
    }
  }

  sentNonsense(reason: string): void {
    this.ledger.nextPoint();
    this.complain(`the broker sent no packet: ${reason}`);
  }

  #sentConnack(packet: ConnackPacket): void {
    const { connect, ledger } = this;
    if (connect === undefined) return this.complain("CONNACK without CONNECT");
    if (this.isAccepted) return this.complain("a second CONNACK");
    if (packet.reasonCode !== 0) {
      this.wasRefused = true;
      ledger.refused(this, connect);
      if (packet.sessionPresent)
        this.complain("CONNACK with a failure and Session Present [MQTT5-3.2.2-6] [MQTT3-3.2.2-4]");
      return;
    }
    this.isAccepted = true;
    if (connect.will !== undefined && ledger.isDenied(ledger.rewrite(connect.will.topicName)))
      this.complain(`let in, but its Will may not be published to ${connect.will.topicName}`);
    this.session = ledger.attach(this, connect, packet);
    if (Number.isFinite(this.maximumPacketSize)) {
      this.session.hadSmallPackets = true;
      // What does not fit counts as sent [MQTT5-3.1.2-25].
      for (const flight of this.session.flights.values()) flight.isUncertain = true;
    }
    const early = this.#early.splice(0);
    for (const one of early) this.#receivedNow(one);
  }

  #sentAnswer(
    packet: AcknowledgementPacket,
    unanswered: Unanswered[],
    session: LedgerSession,
  ): void {
    const { ledger } = this;
    const first = unanswered[0];
    const title = packet.type.toUpperCase();
    if (first === undefined)
      return this.complain(`${title} ${packet.packetIdentifier} without a PUBLISH`);
    if (first.packetIdentifier !== packet.packetIdentifier) {
      // [MQTT5-4.6.0-2] [MQTT5-4.6.0-3] [MQTT3-4.6.0-2] [MQTT3-4.6.0-3]
      this.complain(
        `${title} ${packet.packetIdentifier} out of order, ${first.packetIdentifier} comes first [MQTT5-4.6.0-2] [MQTT5-4.6.0-3]`,
      );
      return;
    }
    unanswered.shift();
    const { routing } = first;
    if ((packet.reasonCode ?? 0) >= 0x80) {
      if (packet.type === "pubrec") session.inbound.delete(packet.packetIdentifier); // [MQTT5-4.3.3-9]
      if (!routing.isSure)
        ledger.messages.refuse(
          routing,
          `refused, ${title} told its client so (0x${packet.reasonCode?.toString(16)})`,
        );
      return;
    }
    if (!ledger.delayed.accept(routing)) ledger.messages.confirm(routing, ledger.point);
    ledger.durability?.acknowledged(this, session, routing, packet);
  }

  #sentPubrel(packet: AcknowledgementPacket, session: LedgerSession): void {
    const identifier = packet.packetIdentifier;
    if ((packet.reasonCode ?? 0) >= 0x80) return;
    const flight = session.flights.get(identifier);
    // Behind what is no packet the tap reads nothing more.
    if (this.mayMisbehave && flight?.state !== "received") return;
    const isRevived = session.revived.some(
      (one) => one.packetIdentifier === identifier && one.wasReleased,
    );
    // That PUBCOMP came was forgotten in a crash, perhaps in another one before.
    if (isRevived && flight?.state !== "received") return;
    if (flight === undefined || flight.state !== "received")
      return this.complain(`PUBREL ${identifier}, but no PUBREC was received`);
    if (
      flight.pubrelOn === this &&
      !this.#requests.owedPubrels.includes(identifier) &&
      !this.resent.has(identifier)
    )
      this.#checkRetry(`PUBREL ${identifier}`, flight.pubrelAtMs);
    const owed = this.#requests.owedPubrels.indexOf(identifier);
    if (owed > 0)
      this.complain(
        `PUBREL ${identifier} before PUBREL ${this.#requests.owedPubrels[0]} [MQTT5-4.6.0-4] [MQTT3-4.6.0-4]`,
      );
    if (owed >= 0) this.#requests.owedPubrels.splice(owed, 1);
    flight.pubrelOn = this;
    flight.wasReleased = true;
    flight.pubrelAtMs = this.ledger.nowMs;
    this.ledger.durability?.released(this, session, identifier);
  }

  #sentPubcomp(packet: AcknowledgementPacket, session: LedgerSession): void {
    const identifier = packet.packetIdentifier;
    const left = (this.#requests.pubrels.get(identifier) ?? 0) - 1;
    if (left < 0) return this.complain(`PUBCOMP ${identifier} without PUBREL`);
    if (left === 0) this.#requests.pubrels.delete(identifier);
    else this.#requests.pubrels.set(identifier, left);
    this.ledger.durability?.completed(this, session, identifier);
  }

  #sentSuback(packet: SubackPacket, session: LedgerSession): void {
    const pending = shift(this.#requests.subscribes, packet.packetIdentifier);
    if (pending === undefined)
      return this.complain(`SUBACK ${packet.packetIdentifier} without SUBSCRIBE`);
    const { periods } = pending;
    if (packet.reasonCodes.length !== periods.length) {
      return this.complain(
        `SUBACK with ${packet.reasonCodes.length} codes for ${periods.length} Topic Filters [MQTT5-3.8.4-6] [MQTT3-3.8.4-5]`,
      );
    }
    for (const [index, period] of periods.entries()) {
      const code = packet.reasonCodes[index] as number;
      if (code >= 0x80) session.refuse(period);
      else {
        if (code !== period.request.qos)
          this.complain(
            `SUBACK grants QoS ${code} for ${period.request.topicFilter}, asked for ${period.request.qos}`,
          );
        session.grant(period, this.ledger.point);
        this.ledger.durability?.subscribed(
          this,
          session,
          period.request.topicFilter,
          pending.place,
        );
      }
    }
  }

  #sentUnsuback(packet: UnsubackPacket, session: LedgerSession): void {
    const pending = shift(this.#requests.unsubscribes, packet.packetIdentifier);
    if (pending === undefined)
      return this.complain(`UNSUBACK ${packet.packetIdentifier} without UNSUBSCRIBE`);
    for (const topicFilter of pending.topicFilters) {
      session.end(topicFilter, pending.at, this.ledger.point);
      this.ledger.durability?.unsubscribed(this, session, topicFilter, pending.place);
    }
  }

  /** A packet was sent again on a live connection: not in 5.0, and not too soon [MQTT5-4.4.0-1]. */
  checkResend(flight: Flight): void {
    this.#checkRetry(
      `PUBLISH ${flight.packetIdentifier} (${flight.message.name})`,
      flight.sentAtMs,
    );
  }

  #checkRetry(what: string, lastMs: number): void {
    if (this.version === 5)
      return this.complain(`${what} was sent again on a live connection [MQTT5-4.4.0-1]`);
    const waited = this.ledger.nowMs - lastMs;
    if (waited < this.ledger.retryIntervalMs)
      this.complain(`${what} was sent again after ${waited} ms`);
  }

  #resolveAlias(packet: PublishPacket, isSent: boolean): string {
    const alias = packet.properties?.topicAlias;
    if (alias === undefined) return packet.topicName;
    if (isSent && alias > (this.connect?.properties?.topicAliasMaximum ?? 0)) {
      this.complain(
        `Topic Alias ${alias}, the client takes ${this.connect?.properties?.topicAliasMaximum ?? 0} [MQTT5-3.1.2-26]`,
      );
    }
    const aliases = isSent ? this.#aliasesOut : this.#aliasesIn;
    if (packet.topicName !== "") aliases.set(alias, packet.topicName);
    return aliases.get(alias) ?? "";
  }

  // --- the end ---

  closed(how: "asked" | "ended" | "lost"): void {
    if (this.isClosed) return;
    // While another CONNECT waits, it may have been taken over unseen.
    this.#how = how === "ended" && (this.session?.contenders.size ?? 0) > 0 ? "asked" : how;
    this.ledger.nextPoint();
    this.ledger.onPacket?.(this, "closed", undefined);
    this.isClosed = true;
    if (this.isAccepted) this.ledger.detach(this, this.session as LedgerSession);
    else if (this.connect !== undefined && !this.wasRefused) this.ledger.gaveUp(this, this.connect);
  }

  /** Everything that could happen has happened, and nothing stands in the way: what is left is a fault. */
  checkAtRest(): void {
    if (this.isAccepted && this.session?.connection !== this) {
      // [MQTT5-3.1.4-3] [MQTT3-3.1.4-2]
      return this.complain(
        `still open, though ${this.session?.connection?.name ?? "another connection"} took its session over [MQTT5-3.1.4-3]`,
      );
    }
    if (this.connect !== undefined && !this.isAccepted) this.complain("CONNECT was never answered");
    for (const request of this.#requests.open()) this.complain(`${request} was never answered`);
    const keepAlive = this.connect?.keepAlive ?? 0;
    const silentMs = this.ledger.nowMs - this.lastReceivedMs;
    // While it is not read it need not speak.
    const wasHeld = this.ledger.wasTroubledSince(this.lastReceivedMs);
    if (keepAlive > 0 && !wasHeld && silentMs > keepAlive * 1500 + 2000) {
      this.complain(
        `still open ${silentMs} ms after its last packet, Keep Alive ${keepAlive} s [MQTT5-3.1.2-22] [MQTT3-3.1.2-24]`,
      );
    }
  }

  /** It has an answer to all that it asked for before `sinceMs`. */
  checkHeld(sinceMs: number): void {
    for (const { packetIdentifier, routing, atMs } of this.#requests.publishes())
      if (atMs < sinceMs)
        this.complain(
          `PUBLISH ${packetIdentifier} (${routing.message.name}) has waited for ${this.ledger.nowMs - atMs} ms`,
        );
  }

  /** Whether the broker surely read everything that it was given before it closed the connection. */
  get wasReadToEnd(): boolean {
    return (
      !this.isUndone &&
      !this.ledger.mayPark &&
      !(this.ledger.mayLag && (this.#how === "asked" || this.#how === "lost")) &&
      !this.mayMisbehave &&
      !this.ledger.wasTroubledSince(this.lastReceivedMs)
    );
  }

  /** Whether the broker has reason to close it, and may have done so unseen while its link is full. */
  get mayBeGone(): boolean {
    const keepAlive = this.connect?.keepAlive ?? 0;
    const isSilent = keepAlive > 0 && this.ledger.nowMs - this.lastReceivedMs >= keepAlive * 1500;
    return this.mayMisbehave || isSilent || this.ledger.wasTroubledSince(this.connectMs);
  }

  /** Whether something that it was given may still wait to be handled. */
  get mayHaveUnread(): boolean {
    return (
      this.ledger.mayPark || this.ledger.mayLag || this.ledger.wasTroubledSince(this.lastReceivedMs)
    );
  }

  /** Whether it is open and its CONNECT not answered. */
  get isUndecided(): boolean {
    return this.connect !== undefined && !this.isAccepted && !this.wasRefused && !this.isClosed;
  }

  /** Whether the client left in order, as far as its Will goes. */
  get leftInOrder(): boolean {
    return this.leftWith === ReasonCode.normalDisconnection;
  }
}

/** A copy whose views stay good. */
function keep<P extends Packet>(packet: P): P {
  return structuredClone(packet);
}
