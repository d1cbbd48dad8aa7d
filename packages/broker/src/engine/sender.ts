import { encodePacket, OutboundState, PacketType, writeAcknowledgement } from "@sericite/protocol";
import type { Packet } from "@sericite/protocol";
import type { Connection } from "./connection.ts";
import type { Engine } from "./engine.ts";
import { Output } from "./output.ts";
import { packAcknowledgement, PendingLine } from "./pending.ts";
import type { PendingItem, PendingSink } from "./pending.ts";
import type { Position } from "./ports.ts";

/** Flags of PUBREL's first byte are 0010 [MQTT5-3.6.1-1]. */
const ACKNOWLEDGEMENT_FIRST_BYTE = [0, 0, 0, 0, 0x40, 0x50, 0x62, 0x70];
const pingresp = Uint8Array.of(PacketType.pingresp << 4, 0);

/**
 * What leaves one connection: answers at once, or in line behind what the store and the bus still
 * have to make durable. Everything is written together at the end of the turn.
 */
export class Sender implements PendingSink {
  readonly output = new Output();
  /** QoS 1 and 2 PUBLISHes of the client that were not answered for good yet. */
  unanswered = 0;
  /** CONNACK still waits for the store: nothing goes before it [MQTT5-3.2.0-1] [MQTT3-3.2.0-1]. */
  awaitsConnack = false;
  #pending: PendingLine | undefined;
  /** Engine time since when nothing waits in line. */
  releasedAt = 0;
  readonly #connection: Connection;
  readonly #engine: Engine;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#engine = connection.engine;
  }

  /** Sends a packet at the end of the turn, behind everything sent before, if the client takes one of its size. */
  send(packet: Packet): void {
    const bytes = this.#encode(packet);
    if (bytes === undefined) return;
    this.output.append(bytes, 0, bytes.length);
    this.#engine.ready(this.#connection);
  }

  /**
   * No packet of the broker's own has User Properties [MQTT5-3.2.2-20] [MQTT5-3.9.2-2] [MQTT5-3.11.2-2]
   * [MQTT5-3.14.2-4] [MQTT5-3.15.2-3], and SUBACK, UNSUBACK and AUTH no Reason String [MQTT5-3.9.2-1]
   * [MQTT5-3.11.2-1] [MQTT5-3.15.2-2].
   *
   * @returns `undefined` where the packet is above the client's Maximum Packet Size, even without
   * its Reason String.
   */
  #encode(packet: Packet): Uint8Array | undefined {
    const { protocolVersion, maximumPacketSize } = this.#connection;
    const bytes = encodePacket(packet, protocolVersion);
    if (bytes.length <= maximumPacketSize) return bytes;
    if ("properties" in packet && packet.properties?.reasonString !== undefined) {
      // [MQTT5-3.2.2-19] [MQTT5-3.14.2-3]
      return this.#encode({
        ...packet,
        properties: { ...packet.properties, reasonString: undefined },
      } as Packet);
    }
    return undefined; // [MQTT5-3.1.2-24] [MQTT5-3.1.2-25]
  }

  sendPingresp(): void {
    if (this.awaitsConnack) return this.#wait(pingresp, 0, 0);
    this.output.append(pingresp, 0, 2); // [MQTT5-3.12.4-1] [MQTT3-3.12.4-1]
    this.#engine.ready(this.#connection);
  }

  /** Sends PUBACK, PUBREC, PUBREL or PUBCOMP once the positions are durable, in line. */
  acknowledge(
    packetType: number,
    packetIdentifier: number,
    reasonCode: number,
    store: Position,
    bus: Position,
  ): void {
    if (
      this.#pending === undefined &&
      store <= this.#engine.store.durable &&
      bus <= this.#engine.bus.durable
    ) {
      this.#writeAcknowledgement(packetType, packetIdentifier, reasonCode);
      this.#engine.ready(this.#connection);
    } else this.#wait(packAcknowledgement(packetType, packetIdentifier, reasonCode), store, bus);
  }

  /** Sends a PUBREL again: its record may still be on its way, so it waits for the newest position. */
  resendPubrel(packetIdentifier: number): void {
    const newest = this.#engine.newestPosition;
    const isDurable = this.#pending === undefined && newest <= this.#engine.store.durable;
    if (this.#connection.protocolVersion === 3) {
      // 3.1 alone has DUP on it.
      const bytes = Uint8Array.of(0x6a, 2, packetIdentifier >> 8, packetIdentifier & 0xff);
      if (isDurable) this.output.append(bytes, 0, bytes.length);
      else this.#wait(bytes, newest, 0);
    } else if (isDurable) this.#writeAcknowledgement(PacketType.pubrel, packetIdentifier, 0);
    else this.#wait(packAcknowledgement(PacketType.pubrel, packetIdentifier, 0), newest, 0);
  }

  /**
   * Refuses a PUBLISH of QoS 1 or 2, and says why where the client wants to know [MQTT5-3.1.2-29] and
   * the Reason String fits into its Maximum Packet Size [MQTT5-3.4.2-2] [MQTT5-3.5.2-2]. 5.0 only.
   */
  refusePublish(qos: 1 | 2, packetIdentifier: number, reasonCode: number, reason: string): void {
    const type = qos === 1 ? "puback" : "pubrec";
    const { wantsProblemInformation, maximumPacketSize } = this.#connection;
    const properties = { reasonString: reason };
    const bytes = wantsProblemInformation
      ? encodePacket({ type, packetIdentifier, reasonCode, properties }, 5)
      : undefined;
    if (bytes === undefined || bytes.length > maximumPacketSize) {
      return this.acknowledge(PacketType[type], packetIdentifier, reasonCode, 0, 0);
    }
    if (this.unanswered > 0) this.unanswered--;
    if (this.#pending !== undefined) return this.#wait(bytes, 0, 0);
    this.output.append(bytes, 0, bytes.length);
    this.#engine.ready(this.#connection);
  }

  /** Sends CONNACK once the position is durable. Nothing else leaves before it. @returns false where it is too large for the client. */
  sendConnack(packet: Packet, store: Position): boolean {
    this.awaitsConnack = store > this.#engine.store.durable;
    return this.sendWhenDurable(packet, store, 0);
  }

  /** Sends any other answer once the positions are durable, in line. @returns false where it is too large for the client. */
  sendWhenDurable(packet: Packet, store: Position, bus: Position): boolean {
    const bytes = this.#encode(packet);
    if (bytes === undefined) return false;
    if (
      this.#pending === undefined &&
      store <= this.#engine.store.durable &&
      bus <= this.#engine.bus.durable
    ) {
      this.output.append(bytes, 0, bytes.length);
      this.#engine.ready(this.#connection);
    } else this.#wait(bytes, store, bus);
    return true;
  }

  #wait(item: PendingItem, store: Position, bus: Position): void {
    if (this.#pending === undefined) {
      this.#pending = new PendingLine();
      this.#engine.waiting.add(this);
    }
    this.#pending.push(item, store, bus);
  }

  /** Something became durable: sends what waited for it. */
  drainPending(): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    pending.drain(this.#engine.store.durable, this.#engine.bus.durable, this);
    if (pending.isEmpty) {
      this.#pending = undefined;
      this.releasedAt = this.#engine.now;
      this.#engine.waiting.delete(this);
    }
    if (this.output.size > 0) this.#engine.ready(this.#connection);
  }

  /** Sends what waited in line. */
  sendPending(item: PendingItem): void {
    this.awaitsConnack = false;
    if (typeof item === "number")
      this.#writeAcknowledgement(item >>> 24, item & 0xffff, (item >>> 16) & 0xff);
    else this.output.append(item, 0, item.length);
  }

  /**
   * Without properties, so that it fits whoever takes CONNACK [MQTT5-3.4.2-2] [MQTT5-3.4.2-3]
   * [MQTT5-3.5.2-2] [MQTT5-3.5.2-3] [MQTT5-3.6.2-2] [MQTT5-3.6.2-3] [MQTT5-3.7.2-2] [MQTT5-3.7.2-3].
   */
  #writeAcknowledgement(packetType: number, packetIdentifier: number, reasonCode: number): void {
    const arena = this.#engine.arena;
    const isLong = reasonCode !== 0 && this.#connection.protocolVersion === 5;
    const at = arena.reserve(isLong ? 5 : 4);
    const bytes = arena.bytes;
    const first = ACKNOWLEDGEMENT_FIRST_BYTE[packetType]!;
    if (isLong) {
      bytes[at] = first;
      bytes[at + 1] = 3;
      bytes[at + 2] = packetIdentifier >> 8;
      bytes[at + 3] = packetIdentifier & 0xff;
      bytes[at + 4] = reasonCode;
      this.output.append(bytes, at, at + 5);
    } else {
      writeAcknowledgement(bytes, at, first, packetIdentifier);
      this.output.append(bytes, at, at + 4);
    }
    if (packetType === PacketType.pubrel) this.#noteFirstPubrel(packetIdentifier);
    if (
      packetType !== PacketType.pubrel &&
      (packetType !== PacketType.pubrec || reasonCode >= 0x80) &&
      this.unanswered > 0
    )
      this.unanswered--;
  }

  /** Its retry time counts from when it is handed over, not from when PUBREC came. */
  #noteFirstPubrel(packetIdentifier: number): void {
    const outbound = this.#connection.session?.outbound;
    if (
      outbound === undefined ||
      outbound.stateOf(packetIdentifier) !== OutboundState.awaitingPubcomp
    )
      return;
    if (outbound.sendingsOf(packetIdentifier) === 0)
      outbound.touch(packetIdentifier, this.#engine.now);
  }

  /** Something waits in line for the store or the bus. */
  get isWaiting(): boolean {
    return this.#pending !== undefined;
  }

  /** Forgets what still waits: what was not acknowledged will be sent again. */
  dropPending(): void {
    if (this.#pending === undefined) return;
    this.#pending = undefined;
    this.#engine.waiting.delete(this);
  }
}
