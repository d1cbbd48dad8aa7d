import { UsageError } from "../errors.ts";
import { malformed } from "./malformed.ts";

/** The largest value of a Variable Byte Integer (§1.5.5). */
export const largestVariableByteInteger = 268_435_455;

/**
 * Number of bytes that the value takes as a Variable Byte Integer, 1…4 (§1.5.5).
 *
 * @throws UsageError ERR_USAGE outside 0…268 435 455.
 */
export function variableByteIntegerLength(value: number): number {
  if (value < 0 || value > largestVariableByteInteger) {
    throw new UsageError("ERR_USAGE", `a Variable Byte Integer is 0…268435455, not ${value}`);
  }
  return value < 128 ? 1 : value < 16_384 ? 2 : value < 2_097_152 ? 3 : 4;
}

/**
 * Writes the value, 0…268 435 455, in the fewest bytes [MQTT5-1.5.5-1]; there must be room.
 *
 * @returns the offset behind it.
 */
export function writeVariableByteInteger(bytes: Uint8Array, offset: number, value: number): number {
  while (value > 127) {
    bytes[offset++] = (value & 0x7f) | 0x80;
    value >>>= 7;
  }
  bytes[offset++] = value;
  return offset;
}

/**
 * Finds the end of a Variable Byte Integer inside a packet of MQTT 5.0.
 *
 * @returns the offset behind it, for `readVariableByteInteger`.
 * @throws ProtocolError ERR_MALFORMED_PACKET where it runs past `end`, has a fourth byte with the
 * continuation bit set, or takes more bytes than its value needs [MQTT5-1.5.5-1].
 */
export function variableByteIntegerEnd(bytes: Uint8Array, offset: number, end: number): number {
  for (let width = 1; ; width++) {
    if (offset >= end) throw malformed("a Variable Byte Integer runs past the end of its packet");
    const byte = bytes[offset++]!;
    if (byte < 128) {
      if (byte === 0 && width > 1) throw malformed("a Variable Byte Integer is longer than needed");
      return offset;
    }
    if (width === 4) throw malformed("a Variable Byte Integer has more than four bytes");
  }
}

/** The value of the Variable Byte Integer from `offset` to `integerEnd` (exclusive). */
export function readVariableByteInteger(
  bytes: Uint8Array,
  offset: number,
  integerEnd: number,
): number {
  let value = 0;
  for (let index = integerEnd - 1; index >= offset; index--) {
    value = (value << 7) | (bytes[index]! & 0x7f);
  }
  return value;
}
