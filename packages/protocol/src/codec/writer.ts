import { UsageError } from "../errors.ts";
import { utf8Length, writeUtf8 } from "./utf8.ts";
import { variableByteIntegerLength, writeVariableByteInteger } from "./variable-byte-integer.ts";

/**
 * Writes fields of packets one behind the other into memory that grows. `bytes` up to `position` is
 * what was written; growing replaces `bytes`, so ask for it anew after each write. Values out of
 * their range throw UsageError ERR_USAGE.
 */
export class Writer {
  bytes: Uint8Array;
  /** Where the next byte goes. */
  position = 0;

  /** @param capacity  First size. Bytes. */
  constructor(capacity = 256) {
    this.bytes = new Uint8Array(capacity);
  }

  /** Begins at the start of the same memory again; what was written is lost. */
  reset(): void {
    this.position = 0;
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    const needed = this.position + count;
    if (needed <= this.bytes.length) return;
    const bytes = new Uint8Array(Math.max(needed, 2 * this.bytes.length));
    bytes.set(this.bytes.subarray(0, this.position));
    this.bytes = bytes;
  }

  /** One byte, 0…255. */
  byte(value: number): void {
    checkInteger(value, 0xff, "a byte");
    this.reserve(1);
    this.bytes[this.position++] = value;
  }

  /** Two Byte Integer (§1.5.2). */
  uint16(value: number): void {
    checkInteger(value, 0xffff, "a Two Byte Integer");
    this.reserve(2);
    this.bytes[this.position++] = value >> 8;
    this.bytes[this.position++] = value;
  }

  /** Four Byte Integer (§1.5.3). */
  uint32(value: number): void {
    checkInteger(value, 0xffff_ffff, "a Four Byte Integer");
    this.reserve(4);
    this.bytes[this.position++] = value >>> 24;
    this.bytes[this.position++] = value >>> 16;
    this.bytes[this.position++] = value >>> 8;
    this.bytes[this.position++] = value;
  }

  /** Variable Byte Integer (§1.5.5). */
  variableByteInteger(value: number): void {
    checkInteger(value, 0xfff_ffff, "a Variable Byte Integer");
    this.reserve(4);
    this.position = writeVariableByteInteger(this.bytes, this.position, value);
  }

  /** UTF-8 Encoded String (§1.5.4). */
  string(value: string): void {
    const length = utf8Length(value);
    checkLength(length, "a string");
    this.uint16(length);
    this.reserve(length);
    this.position = writeUtf8(this.bytes, this.position, value);
  }

  /** Binary Data (§1.5.6). */
  binary(value: Uint8Array): void {
    checkLength(value.length, "Binary Data");
    this.uint16(value.length);
    this.raw(value);
  }

  /** The bytes as they are. */
  raw(value: Uint8Array): void {
    this.reserve(value.length);
    this.bytes.set(value, this.position);
    this.position += value.length;
  }

  /** A Packet Identifier, 1…65 535 [MQTT5-2.2.1-3] [MQTT5-2.2.1-4] [MQTT3-2.3.1-1]. */
  packetIdentifier(value: number | undefined): void {
    if (value === undefined || value === 0) {
      throw new UsageError("ERR_USAGE", `a Packet Identifier is 1…65535, not ${value}`);
    }
    this.uint16(value);
  }

  /**
   * Leaves `width` bytes for a length that is not known yet: that of all that is written until
   * `closeLength`. A wrong guess costs a move of those bytes.
   *
   * @returns what `closeLength` must be given, with the same width.
   */
  openLength(width: number): number {
    this.reserve(width);
    this.position += width;
    return this.position;
  }

  /** Fills in the length that `openLength` left room for, in the fewest bytes. */
  closeLength(contentStart: number, width: number): void {
    const length = this.position - contentStart;
    const needed = variableByteIntegerLength(length);
    if (needed !== width) {
      if (needed > width) this.reserve(needed - width);
      this.bytes.copyWithin(contentStart + needed - width, contentStart, this.position);
      this.position += needed - width;
    }
    writeVariableByteInteger(this.bytes, contentStart - width, length);
  }
}

function checkLength(length: number, what: string): void {
  if (length > 0xffff)
    throw new UsageError("ERR_USAGE", `${what} has ${length} bytes, more than 65535`);
}

function checkInteger(value: number, highest: number, what: string): void {
  if (!Number.isInteger(value) || value < 0 || value > highest) {
    throw new UsageError("ERR_USAGE", `${what} is an integer 0…${highest}, not ${value}`);
  }
}
