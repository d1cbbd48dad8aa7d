import { malformed, protocolError } from "./malformed.ts";
import type { PacketLimits } from "./packet-limits.ts";
import { decodeUtf8 } from "./utf8.ts";
import { readVariableByteInteger, variableByteIntegerEnd } from "./variable-byte-integer.ts";

/**
 * Reads the fields of one packet in order. A read past the packet's end throws ProtocolError
 * ERR_MALFORMED_PACKET. Binary values are views.
 */
export class Reader {
  bytes: Uint8Array;
  /** Offset of what is read next. */
  position: number;
  /** End of the packet, exclusive. */
  end: number;
  /** Absent: none. */
  readonly limits: PacketLimits | undefined;

  constructor(bytes: Uint8Array, position: number, end: number, limits?: PacketLimits) {
    this.bytes = bytes;
    this.position = position;
    this.end = end;
    this.limits = limits;
  }

  /** Nothing is left. */
  get isAtEnd(): boolean {
    return this.position === this.end;
  }

  /** Moves over `length` bytes and gives the offset of the first. */
  skip(length: number): number {
    const start = this.position;
    if (length > this.end - start) throw malformed("a field runs past the end of its packet");
    this.position = start + length;
    return start;
  }

  /** One byte, 0…255. */
  byte(): number {
    return this.bytes[this.skip(1)]!;
  }

  /** Two Byte Integer (§1.5.2). */
  uint16(): number {
    const offset = this.skip(2);
    return (this.bytes[offset]! << 8) | this.bytes[offset + 1]!;
  }

  /** A Packet Identifier, not 0 [MQTT5-2.2.1-3] [MQTT3-2.3.1-1]. `title` names the packet. */
  packetIdentifier(title: string): number {
    const packetIdentifier = this.uint16();
    if (packetIdentifier === 0) throw protocolError(`${title} has Packet Identifier 0`);
    return packetIdentifier;
  }

  /** Variable Byte Integer (§1.5.5). */
  variableByteInteger(): number {
    const start = this.position;
    this.position = variableByteIntegerEnd(this.bytes, start, this.end);
    return readVariableByteInteger(this.bytes, start, this.position);
  }

  /** UTF-8 Encoded String (§1.5.4). */
  string(): string {
    const length = this.uint16();
    const start = this.skip(length);
    return decodeUtf8(this.bytes, start, start + length);
  }

  /** Binary Data (§1.5.6): a view. */
  binary(): Uint8Array {
    const length = this.uint16();
    const start = this.skip(length);
    return this.bytes.subarray(start, start + length);
  }

  /** All that is left, as a view. */
  rest(): Uint8Array {
    const start = this.position;
    this.position = this.end;
    return this.bytes.subarray(start, this.end);
  }

  /** Throws unless the packet ends here. `title` names the packet. */
  finish(title: string): void {
    if (this.position !== this.end) {
      throw malformed(`${title} has ${this.end - this.position} bytes behind its last field`);
    }
  }
}
