import { ProtocolError } from "../errors.ts";
import type { Packet, ProtocolVersion, PublishPacket, QoS } from "../packet.ts";
import { PacketType } from "../packet.ts";
import { ReasonCode } from "../reason-code.ts";
import type { TopicName } from "../topic/topic-name-table.ts";
import type { AcknowledgementFields } from "./acknowledgement.ts";
import { acknowledgementNames, scanAcknowledgement } from "./acknowledgement.ts";
import { firstByteFaults } from "./first-byte-tables.ts";
import { firstByteError, packetTitles } from "./fixed-header.ts";
import { malformed, protocolError } from "./malformed.ts";
import type { PacketLimits } from "./packet-limits.ts";
import type { PacketSource } from "./packet-source.ts";
import { checkPing } from "./ping.ts";
import { decodeProperties } from "./read-properties.ts";
import type { PublishFields } from "./publish.ts";
import { scanPublish } from "./publish.ts";
import { Reader } from "./reader.ts";
import type { KnownTopic, TopicNames } from "./topic-names.ts";

/** What a `Parser` is made with. */
export interface ParserOptions<Topic extends KnownTopic = TopicName> {
  /** Whose packets are parsed: `fromClient` or `fromServer`. */
  readonly from: PacketSource;
  /** Absent: unknown until CONNECT says it, and nothing but a CONNECT may come first. */
  readonly protocolVersion?: ProtocolVersion | undefined;
  /** Bytes, fixed header included. A packet that announces more is refused before its body arrives. */
  readonly maximumPacketSize: number;
  readonly topicNames: TopicNames<Topic>;
  /** Default: none. */
  readonly limits?: PacketLimits | undefined;
}

const nothing = new Uint8Array(0);

/** First size of the memory in which a packet in pieces is put together. Bytes. */
const firstCapacity = 1024;

/**
 * Finds the packets in a stream of bytes. `push` bytes, then call `next` until it gives 0. A
 * PUBLISH or an acknowledgement is read into the parser's own fields, without an object; `packet`
 * makes one for any type. After an error the connection is lost, and `next` goes on throwing it.
 *
 * ```ts
 * parser.push(bytes, 0, bytes.length);
 * for (let type = parser.next(); type !== 0; type = parser.next()) {
 *   if (type === PacketType.publish) handlePublish(parser);
 *   else handle(parser.packet());
 * }
 * ```
 */
export class Parser<Topic extends KnownTopic = TopicName>
  implements PublishFields, AcknowledgementFields
{
  /** Bytes, fixed header included. */
  maximumPacketSize: number;

  // The current packet: valid until the next call of next().

  /** Holds the whole packet, fixed header included, from `start` to `end`. */
  bytes: Uint8Array = nothing;
  start = 0;
  /** Exclusive. */
  end = 0;
  /** `bytes` was made for this packet alone: nobody writes to it again. */
  owned = false;
  /** Of a PUBLISH; `undefined` for a zero-length Topic Name (5.0, with a Topic Alias). */
  topic: Topic | undefined = undefined;
  /** Of a PUBLISH; 0: none. */
  topicAlias = 0;
  /** Of a PUBLISH: seconds; -1: absent. */
  messageExpiryInterval = -1;
  hasSubscriptionIdentifier = false;
  /** Offset in `bytes` of the two-byte length of the Topic Name. */
  topicStart = 0;
  /** Of PUBLISH and the four acknowledgements: the first property, behind the length. */
  propertiesStart = 0;
  /** Equal to `propertiesStart` when there are none. */
  propertiesEnd = 0;
  payloadStart = 0;
  /** 0: the packet has none. */
  packetIdentifier = 0;
  /** Of PUBACK, PUBREC, PUBREL and PUBCOMP; 0 when absent. */
  reasonCode = 0;

  readonly #from: PacketSource;
  readonly #topicNames: TopicNames<Topic>;
  readonly #limits: PacketLimits | undefined;
  #protocolVersion: ProtocolVersion;
  #firstByteFaults: Uint8Array;
  /** Offset of the variable header of the current packet. */
  #bodyStart = 0;
  /** Where to look first: most connections publish to one topic many times. */
  #lastTopic: Topic | undefined = undefined;

  // What is not parsed yet: first the beginning of one packet, then the rest of what was pushed.

  /** The beginning of a packet, in memory for it alone. */
  #piece: Uint8Array | undefined = undefined;
  #pieceLength = 0;
  /** Whole length of the packet that `#piece` begins; 0: its fixed header is not whole either. */
  #pieceTotal = 0;
  #input: Uint8Array = nothing;
  #position = 0;
  #inputEnd = 0;
  /** `#input` is the parser's own copy. */
  #isHeld = false;

  constructor(options: ParserOptions<Topic>) {
    this.#from = options.from;
    this.#topicNames = options.topicNames;
    this.#limits = options.limits;
    this.maximumPacketSize = options.maximumPacketSize;
    this.#protocolVersion = options.protocolVersion ?? 4;
    this.#firstByteFaults = firstByteFaults(options.from.sender, options.protocolVersion);
  }

  /**
   * The version that is parsed. Set from CONNECT as soon as `next` comes to it; where CONNECT
   * names one that does not exist, the nearest, in which the refusal can be read.
   */
  get protocolVersion(): ProtocolVersion {
    return this.#protocolVersion;
  }

  set protocolVersion(version: ProtocolVersion) {
    this.#protocolVersion = version;
    this.#firstByteFaults = firstByteFaults(this.#from.sender, version);
  }

  /**
   * Takes the bytes from `start` to `end` (exclusive). They are parsed in place, not copied: they
   * must stay unchanged until `next` has returned 0 or `hold` was called.
   */
  push(bytes: Uint8Array, start: number, end: number): void {
    if (this.#position < this.#inputEnd) this.#append(bytes, start, end);
    else {
      this.#input = bytes;
      this.#position = start;
      this.#inputEnd = end;
      this.#isHeld = false;
    }
  }

  /**
   * Copies what is not parsed yet into memory of its own: the pushed bytes are free again, except
   * for those of the current packet.
   */
  hold(): void {
    if (this.#isHeld) return;
    const length = this.#inputEnd - this.#position;
    if (length === 0) this.#input = nothing;
    else this.#input = this.#input.slice(this.#position, this.#inputEnd);
    this.#position = 0;
    this.#inputEnd = length;
    this.#isHeld = true;
  }

  /** Puts bytes behind those that still wait. */
  #append(bytes: Uint8Array, start: number, end: number): void {
    const added = end - start;
    const rest = this.#inputEnd - this.#position;
    if (!this.#isHeld || this.#inputEnd + added > this.#input.length) {
      // Twice the need, so that many small appends do not copy the rest each time. Never moved
      // down in place: packets that were handed out stand before the rest.
      const input = new Uint8Array(this.#isHeld ? 2 * (rest + added) : rest + added);
      input.set(this.#input.subarray(this.#position, this.#inputEnd));
      this.#input = input;
      this.#position = 0;
      this.#inputEnd = rest;
      this.#isHeld = true;
    }
    this.#input.set(bytes.subarray(start, end), this.#inputEnd);
    this.#inputEnd += added;
  }

  /**
   * Goes to the next whole packet.
   *
   * @returns its `PacketType`, or 0 when more bytes are needed; then no reference to the pushed
   * bytes is left.
   * @throws ProtocolError
   */
  next(): number {
    if (this.#piece !== undefined) return this.#nextFromPieces();
    const bytes = this.#input;
    const start = this.#position;
    const inputEnd = this.#inputEnd;
    if (start === inputEnd) return this.#wait(0);
    const firstByte = bytes[start]!;
    const fault = this.#firstByteFaults[firstByte]!;
    if (fault !== 0) throw firstByteError(fault, firstByte);
    let offset = start + 1;
    if (offset === inputEnd) return this.#wait(0);
    let remainingLength = bytes[offset++]!;
    if (remainingLength > 127) {
      remainingLength &= 127;
      for (let shift = 7; ; shift += 7) {
        if (offset === inputEnd) return this.#wait(0);
        const byte = bytes[offset++]!;
        remainingLength |= (byte & 127) << shift;
        if (byte < 128) break;
        if (shift === 21) throw malformed("Remaining Length has more than four bytes");
      }
    }
    const end = offset + remainingLength;
    if (end - start > this.maximumPacketSize) throw this.#tooLarge(firstByte, end - start);
    if (end > inputEnd) return this.#wait(end - start);
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.owned = false;
    this.#enter(firstByte, offset, end);
    this.#position = end;
    return firstByte >> 4;
  }

  /** Keeps the beginning of a packet until the rest comes. `total`: its whole length, 0 if not known. */
  #wait(total: number): 0 {
    const have = this.#inputEnd - this.#position;
    if (have > 0) {
      this.#piece = new Uint8Array(capacityFor(have, 0, total));
      this.#piece.set(this.#input.subarray(this.#position, this.#inputEnd));
      this.#pieceLength = have;
      this.#pieceTotal = total;
    }
    this.#releaseInput();
    return 0;
  }

  #releaseInput(): void {
    this.#input = nothing;
    this.#position = 0;
    this.#inputEnd = 0;
    this.#isHeld = false;
    this.bytes = nothing;
    this.start = 0;
    this.end = 0;
  }

  /** `next` where the packet began in bytes that are gone. */
  #nextFromPieces(): number {
    // The fixed header byte by byte: no byte of the packet behind may come along.
    while (this.#pieceTotal === 0) {
      if (!this.#readPieceHeader()) {
        if (this.#position === this.#inputEnd) return this.#wait(0);
        this.#addToPiece(1);
      }
    }
    const missing = this.#pieceTotal - this.#pieceLength;
    const available = this.#inputEnd - this.#position;
    this.#addToPiece(Math.min(missing, available));
    if (missing > available) return this.#wait(0);
    const bytes = this.#piece!;
    const firstByte = bytes[0]!;
    this.bytes = bytes;
    this.start = 0;
    this.end = bytes.length;
    this.owned = true;
    this.#enter(firstByte, headerEnd(bytes), bytes.length);
    this.#piece = undefined;
    return firstByte >> 4;
  }

  /** Reads the Remaining Length in `#piece`; its first byte is checked. false: more bytes are needed. */
  #readPieceHeader(): boolean {
    const bytes = this.#piece!;
    let remainingLength = 0;
    for (let offset = 1; offset < this.#pieceLength; offset++) {
      const byte = bytes[offset]!;
      remainingLength |= (byte & 127) << (7 * (offset - 1));
      if (byte < 128) {
        const total = offset + 1 + remainingLength;
        if (total > this.maximumPacketSize) throw this.#tooLarge(bytes[0]!, total);
        this.#pieceTotal = total;
        return true;
      }
      if (offset === 4) throw malformed("Remaining Length has more than four bytes");
    }
    return false;
  }

  #addToPiece(count: number): void {
    const needed = this.#pieceLength + count;
    let piece = this.#piece!;
    const total = this.#pieceTotal;
    // A header that just became whole may have left more room than the packet needs.
    if (needed > piece.length || (needed === total && piece.length !== total)) {
      piece = new Uint8Array(capacityFor(needed, piece.length, total));
      piece.set(this.#piece!.subarray(0, this.#pieceLength));
      this.#piece = piece;
    }
    piece.set(this.#input.subarray(this.#position, this.#position + count), this.#pieceLength);
    this.#pieceLength = needed;
    this.#position += count;
  }

  #tooLarge(firstByte: number, size: number): ProtocolError {
    // [X-25] [MQTT5-3.2.2-15] [MQTT5-3.1.2-24]
    return new ProtocolError(
      "ERR_PACKET_TOO_LARGE",
      ReasonCode.packetTooLarge,
      `${packetTitles[firstByte >> 4]} of ${size} bytes is above the Maximum Packet Size of ${this.maximumPacketSize}`,
      "maximumPacketSize",
    );
  }

  /** Reads what `next` reads of the packet that begins at `start`. */
  #enter(firstByte: number, offset: number, end: number): void {
    this.#bodyStart = offset;
    const type = firstByte >> 4;
    if (type === PacketType.publish) {
      this.#checkHeaderLength(offset, end);
      this.#enterPublish(firstByte, offset, end);
      return;
    }
    if (type === PacketType.connect) {
      this.protocolVersion = this.#from.versionOfConnect!(this.bytes, offset, end);
    }
    this.#checkHeaderLength(offset, end);
    this.packetIdentifier = 0;
    switch (type) {
      case PacketType.puback:
      case PacketType.pubrec:
      case PacketType.pubrel:
      case PacketType.pubcomp:
        scanAcknowledgement(
          this,
          this.bytes,
          type,
          offset,
          end,
          this.#protocolVersion,
          this.#from.sender,
        );
        return;
      case PacketType.subscribe:
      case PacketType.suback:
      case PacketType.unsubscribe:
      case PacketType.unsuback: {
        if (offset + 2 > end) throw malformed(`${packetTitles[type]} has no Packet Identifier`);
        const identifier = (this.bytes[offset]! << 8) | this.bytes[offset + 1]!;
        if (identifier === 0) throw protocolError(`${packetTitles[type]} has Packet Identifier 0`); // [MQTT5-2.2.1-3] [MQTT3-2.3.1-1]
        this.packetIdentifier = identifier;
        return;
      }
      case PacketType.pingreq:
      case PacketType.pingresp:
        checkPing(type, end - offset);
    }
  }

  /** 5.0 demands the shortest form [MQTT5-1.5.5-1], 3.x does not. */
  #checkHeaderLength(offset: number, end: number): void {
    if (offset - this.start > 2 && this.bytes[offset - 1] === 0 && this.#protocolVersion === 5) {
      throw malformed(`Remaining Length ${end - offset} is longer than needed`);
    }
  }

  #enterPublish(firstByte: number, offset: number, end: number): void {
    const bytes = this.bytes;
    const topicEnd = scanPublish(
      this,
      bytes,
      firstByte,
      offset,
      end,
      this.#protocolVersion,
      this.#from.sender,
    );
    if (this.propertiesEnd > this.propertiesStart)
      this.#limits?.checkProperties(
        bytes,
        this.propertiesStart,
        this.propertiesEnd,
        PacketType.publish,
      );
    const nameStart = offset + 2;
    const length = topicEnd - nameStart;
    if (length === 0) {
      this.topic = undefined;
      return;
    }
    let topic = this.#lastTopic;
    if (topic !== undefined) {
      const known = topic.bytes;
      if (known.length === length) {
        // From the end: names of one connection differ there.
        let index = length - 1;
        while (index >= 0 && known[index] === bytes[nameStart + index]) index--;
        if (index < 0) {
          this.topic = topic;
          return;
        }
      }
    }
    topic = this.#topicNames.lookup(bytes, nameStart, topicEnd);
    this.#lastTopic = topic;
    this.topic = topic;
  }

  /**
   * Makes the object of the current packet. Payload and binary values are views of `bytes`.
   *
   * @throws ProtocolError for what `next` has not read: all but PUBLISH and the acknowledgements.
   */
  packet(): Packet {
    const version = this.#protocolVersion;
    const firstByte = this.bytes[this.start]!;
    const type = firstByte >> 4;
    const dup = (firstByte & 8) !== 0;
    switch (type) {
      case PacketType.publish:
        return this.#publish(firstByte);
      case PacketType.puback:
      case PacketType.pubrec:
      case PacketType.pubrel:
      case PacketType.pubcomp:
        return {
          type: acknowledgementNames[type]!,
          packetIdentifier: this.packetIdentifier,
          reasonCode: this.reasonCode === 0 ? undefined : this.reasonCode,
          dup: version === 3 && type === PacketType.pubrel && dup ? true : undefined,
          properties: this.#properties(type),
        };
    }
    const reader = new Reader(this.bytes, this.#bodyStart, this.end, this.#limits);
    const { packetIdentifier } = this;
    if (packetIdentifier !== 0) reader.skip(2);
    return this.#from.decode(type, firstByte & 0x0f, reader, version, packetIdentifier);
  }

  #publish(firstByte: number): PublishPacket {
    return {
      type: "publish",
      topicName: this.topic === undefined ? "" : this.topic.name,
      payload: this.bytes.subarray(this.payloadStart, this.end),
      qos: ((firstByte >> 1) & 3) as QoS,
      dup: (firstByte & 8) !== 0,
      retain: (firstByte & 1) !== 0,
      packetIdentifier: this.packetIdentifier === 0 ? undefined : this.packetIdentifier,
      properties: this.#properties(PacketType.publish),
    };
  }

  #properties(packetType: number) {
    return this.propertiesStart === this.propertiesEnd
      ? undefined
      : decodeProperties(this.bytes, this.propertiesStart, this.propertiesEnd, packetType);
  }
}

/** Grows with the bytes that came, never beyond the packet: an announcement costs nothing. */
function capacityFor(needed: number, capacity: number, total: number): number {
  const roomy = Math.max(needed, 2 * capacity, firstCapacity);
  return total === 0 ? needed + 4 : Math.min(total, roomy);
}

/** Offset behind a fixed header that is known to be whole. */
function headerEnd(bytes: Uint8Array): number {
  let offset = 1;
  while (bytes[offset]! > 127) offset++;
  return offset + 1;
}
