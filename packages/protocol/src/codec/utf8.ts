import { UsageError } from "../errors.ts";
import { malformed } from "./malformed.ts";

// Every JavaScript runtime that the suite is for has it; the language's own library does not.
declare const TextDecoder: new (
  label: "utf-8",
  options: { fatal: true; ignoreBOM: true },
) => { decode(bytes: Uint8Array): string };

// ignoreBOM keeps U+FEFF [MQTT5-1.5.4-3] [MQTT3-1.5.3-3].
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Up to this length a loop in JavaScript is quicker than the call of the decoder. Bytes. */
const SHORT = 12;

/**
 * Whether the bytes are well-formed UTF-8 without U+0000 (§1.5.4): no surrogates, no overlong
 * forms, nothing above U+10FFFF. Control characters and non-characters are taken.
 * Allocates nothing.
 */
export function isUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  let offset = start;
  while (offset < end) {
    const first = bytes[offset++]!;
    if (first < 0x80) {
      if (first === 0) return false; // [MQTT5-1.5.4-2] [MQTT3-1.5.3-2]
      continue;
    }
    let more: number;
    // The second byte alone tells overlong forms, surrogates and what is above U+10FFFF.
    let lowest = 0x80;
    let highest = 0xbf;
    if (first < 0xc2) return false;
    else if (first < 0xe0) more = 1;
    else if (first < 0xf0) {
      more = 2;
      if (first === 0xe0) lowest = 0xa0;
      else if (first === 0xed) highest = 0x9f; // [MQTT5-1.5.4-1] [MQTT3-1.5.3-1]
    } else if (first < 0xf5) {
      more = 3;
      if (first === 0xf0) lowest = 0x90;
      else if (first === 0xf4) highest = 0x8f;
    } else return false;
    if (offset + more > end) return false;
    const second = bytes[offset++]!;
    if (second < lowest || second > highest) return false;
    while (--more > 0) if ((bytes[offset++]! & 0xc0) !== 0x80) return false;
  }
  return true;
}

/**
 * Decodes a UTF-8 Encoded String without its length (§1.5.4).
 *
 * @throws ProtocolError ERR_MALFORMED_PACKET where the bytes are not well-formed UTF-8 or hold U+0000.
 */
export function decodeUtf8(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= SHORT) {
    let string = "";
    for (let offset = start; offset < end; offset++) {
      const byte = bytes[offset]!;
      if (byte === 0 || byte > 0x7f) return decodeLong(bytes, start, end);
      string += String.fromCharCode(byte);
    }
    return string;
  }
  return decodeLong(bytes, start, end);
}

function decodeLong(bytes: Uint8Array, start: number, end: number): string {
  let string: string;
  try {
    string = decoder.decode(bytes.subarray(start, end));
  } catch {
    // The decoder says no more than that it failed.
    throw malformed("a string is not well-formed UTF-8"); // [MQTT5-1.5.4-1] [MQTT3-1.5.3-1]
  }
  if (string.includes("\0")) throw malformed("a string holds U+0000"); // [MQTT5-1.5.4-2] [MQTT3-1.5.3-2]
  return string;
}

/**
 * Length of the string in UTF-8. Bytes.
 *
 * @throws UsageError ERR_USAGE where the string has a lone surrogate or U+0000.
 */
export function utf8Length(string: string): number {
  let length = string.length;
  for (let index = 0; index < string.length; index++) {
    const unit = string.charCodeAt(index);
    if (unit < 0x80) {
      if (unit === 0) throw new UsageError("ERR_USAGE", "a string must not hold U+0000");
    } else if (unit < 0x800) length++;
    else if (unit < 0xd800 || unit > 0xdfff) length += 2;
    else {
      // Two units become four bytes.
      const next = string.charCodeAt(index + 1);
      if (unit > 0xdbff || !(next >= 0xdc00 && next <= 0xdfff)) {
        throw new UsageError("ERR_USAGE", "a string must not hold a lone surrogate");
      }
      length += 2;
      index++;
    }
  }
  return length;
}

/**
 * Writes the string as UTF-8, without a length; there must be room for `utf8Length(string)` bytes.
 *
 * @returns the offset behind it.
 */
export function writeUtf8(bytes: Uint8Array, offset: number, string: string): number {
  for (let index = 0; index < string.length; index++) {
    const unit = string.charCodeAt(index);
    if (unit < 0x80) bytes[offset++] = unit;
    else if (unit < 0x800) {
      bytes[offset++] = 0xc0 | (unit >> 6);
      bytes[offset++] = 0x80 | (unit & 0x3f);
    } else if (unit < 0xd800 || unit > 0xdfff) {
      bytes[offset++] = 0xe0 | (unit >> 12);
      bytes[offset++] = 0x80 | ((unit >> 6) & 0x3f);
      bytes[offset++] = 0x80 | (unit & 0x3f);
    } else {
      const point = 0x10000 + ((unit & 0x3ff) << 10) + (string.charCodeAt(++index) & 0x3ff);
      bytes[offset++] = 0xf0 | (point >> 18);
      bytes[offset++] = 0x80 | ((point >> 12) & 0x3f);
      bytes[offset++] = 0x80 | ((point >> 6) & 0x3f);
      bytes[offset++] = 0x80 | (point & 0x3f);
    }
  }
  return offset;
}
