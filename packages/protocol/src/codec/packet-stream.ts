import { ProtocolError } from "../errors.ts";
import type {
  AcknowledgementPacket,
  AuthPacket,
  ConnackPacket,
  DisconnectPacket,
  PingrespPacket,
  ProtocolVersion,
  PublishPacket,
  SubackPacket,
  UnsubackPacket,
} from "../packet.ts";
import { PacketType } from "../packet.ts";
import { ReasonCode } from "../reason-code.ts";
import { decodeAcknowledgement } from "./acknowledgement.ts";
import { decodeAuth } from "./auth.ts";
import { decodeConnack } from "./connack.ts";
import { decodeDisconnect } from "./disconnect.ts";
import { firstByteError, firstByteFault, packetTitles } from "./fixed-header.ts";
import { malformed } from "./malformed.ts";
import { checkPing } from "./ping.ts";
import { decodePublish } from "./publish.ts";
import { Reader } from "./reader.ts";
import { decodeSuback } from "./suback.ts";
import { decodeUnsuback } from "./unsuback.ts";
import { decodeUtf8 } from "./utf8.ts";

/** A packet that a Server sends. */
export type ServerPacket =
  | AcknowledgementPacket
  | AuthPacket
  | ConnackPacket
  | DisconnectPacket
  | PingrespPacket
  | PublishPacket
  | SubackPacket
  | UnsubackPacket;

const nothing = new Uint8Array(0);

/** Bytes that are set aside for a packet before they come. */
const firstCapacity = 1024;

/**
 * Finds the packets in what a Server sends and makes an object of each: little code, for a client.
 * `Parser` is for whoever wants no objects.
 */
export class PacketStream {
  readonly #protocolVersion: ProtocolVersion;
  readonly #maximumPacketSize: number;
  readonly #reader = new Reader(nothing, 0, 0);
  #firstByte = -1;
  #remainingLength = 0;
  /** Bits of the Remaining Length that have come. */
  #bits = 0;
  /** What has come of a packet in pieces. */
  #body: Uint8Array | undefined = undefined;
  #have = 0;
  /** The last one, and its bytes: one connection mostly brings few topics, and one many times in a row. */
  #topicName = "";
  #topicBytes = nothing;

  /** @param maximumPacketSize  Bytes, fixed header included. A packet that announces more is refused before its body arrives. */
  constructor(protocolVersion: ProtocolVersion, maximumPacketSize: number) {
    this.#protocolVersion = protocolVersion;
    this.#maximumPacketSize = maximumPacketSize;
  }

  /**
   * Takes the bytes from `start` to `end` (exclusive), which are free again afterwards.
   *
   * @param bytes  Not of a subclass, such as Node's Buffer, whose slices are no copies.
   * @param onPacket  Called with each packet that they complete. What it holds is its own. false: no more of them.
   * @throws ProtocolError; the connection is lost then.
   */
  push(
    bytes: Uint8Array,
    start: number,
    end: number,
    onPacket: (packet: ServerPacket) => boolean,
  ): void {
    let offset = start;
    while (offset < end) {
      if (this.#body === undefined) {
        if (!this.#isHeaderWhole(bytes[offset++]!)) continue;
        const packetEnd = offset + this.#remainingLength;
        if (packetEnd <= end) {
          const packet = this.#packetOf(bytes, offset, packetEnd, false);
          offset = packetEnd;
          if (!onPacket(packet)) return;
          continue;
        }
        this.#body = new Uint8Array(Math.min(this.#remainingLength, end - offset + firstCapacity));
      }
      offset = this.#gather(this.#body, bytes, offset, end);
      if (this.#have < this.#remainingLength) return;
      const body = this.#body;
      this.#body = undefined;
      this.#have = 0;
      if (!onPacket(this.#packetOf(body, 0, body.length, true))) return;
    }
  }

  /** Adds to a packet in pieces. @returns the offset behind what was taken. */
  #gather(body: Uint8Array, bytes: Uint8Array, offset: number, end: number): number {
    const length = this.#remainingLength;
    const count = Math.min(length - this.#have, end - offset);
    const needed = this.#have + count;
    if (needed > body.length) {
      // Grows with the bytes that came: an announcement costs nothing.
      const larger = new Uint8Array(Math.min(length, 2 * needed));
      larger.set(body);
      this.#body = body = larger;
    }
    body.set(bytes.subarray(offset, offset + count), this.#have);
    this.#have = needed;
    return offset + count;
  }

  /** Takes a byte of the fixed header. @returns whether it was the last. */
  #isHeaderWhole(byte: number): boolean {
    const version = this.#protocolVersion;
    if (this.#firstByte < 0) {
      const fault = firstByteFault(byte, "server", version);
      if (fault !== 0) throw firstByteError(fault, byte);
      this.#firstByte = byte;
      this.#remainingLength = 0;
      this.#bits = 0;
      return false;
    }
    this.#remainingLength |= (byte & 127) << this.#bits;
    this.#bits += 7;
    if (byte > 127) {
      if (this.#bits === 28) throw malformed("Remaining Length has more than four bytes");
      return false;
    }
    // 5.0 demands the shortest form [MQTT5-1.5.5-1], 3.x does not.
    if (byte === 0 && this.#bits > 7 && version === 5)
      throw malformed(`Remaining Length ${this.#remainingLength} is longer than needed`);
    const size = 1 + this.#bits / 7 + this.#remainingLength;
    if (size <= this.#maximumPacketSize) return true;
    // [X-25] [MQTT5-3.2.2-15] [MQTT5-3.1.2-24]
    throw new ProtocolError(
      "ERR_PACKET_TOO_LARGE",
      ReasonCode.packetTooLarge,
      `${packetTitles[this.#firstByte >> 4]} of ${size} bytes is above the Maximum Packet Size of ${this.#maximumPacketSize}`,
      "maximumPacketSize",
    );
  }

  /** @param isOwn  Nobody else writes to the bytes. */
  #packetOf(bytes: Uint8Array, start: number, end: number, isOwn: boolean): ServerPacket {
    const version = this.#protocolVersion;
    const firstByte = this.#firstByte;
    const type = firstByte >> 4;
    this.#firstByte = -1;
    // Binary values are views: of PUBLISH the payload alone is copied, where that is all there is.
    const isCopied = !isOwn && type !== PacketType.publish && end - start > 2;
    const reader = this.#reader;
    reader.bytes = isCopied ? bytes.slice(start, end) : bytes;
    reader.position = isCopied ? 0 : start;
    reader.end = isCopied ? end - start : end;
    switch (type) {
      case PacketType.publish: {
        const packet = decodePublish(reader, firstByte, version, this.#topicNameOf);
        if (isOwn) return packet;
        packet.payload = packet.payload.slice();
        const data = packet.properties?.correlationData;
        if (data !== undefined)
          packet.properties = { ...packet.properties, correlationData: data.slice() };
        return packet;
      }
      case PacketType.puback:
      case PacketType.pubrec:
      case PacketType.pubrel:
      case PacketType.pubcomp:
        return decodeAcknowledgement(reader, type, version, "server");
      case PacketType.connack:
        return decodeConnack(reader, version);
      case PacketType.suback:
        return decodeSuback(reader, version, reader.packetIdentifier("SUBACK"));
      case PacketType.unsuback:
        return decodeUnsuback(reader, version, reader.packetIdentifier("UNSUBACK"));
      case PacketType.disconnect:
        return decodeDisconnect(reader, version, "server");
      case PacketType.auth:
        return decodeAuth(reader, "server");
      default:
        checkPing(type, end - start);
        return { type: "pingresp" };
    }
  }

  readonly #topicNameOf = (bytes: Uint8Array, start: number, end: number): string => {
    const known = this.#topicBytes;
    let index = end - start;
    if (index === known.length) {
      // From the end: names of one connection differ there.
      while (--index >= 0 && known[index] === bytes[start + index]);
      if (index < 0) return this.#topicName;
    }
    const topicName = decodeUtf8(bytes, start, end);
    this.#topicName = topicName;
    this.#topicBytes = bytes.slice(start, end);
    return topicName;
  };
}
