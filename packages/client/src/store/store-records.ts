import { crc32 } from "node:zlib";
import { UsageError } from "@sericite/protocol";
import type { SessionChange } from "../session-store.ts";

/** What a file begins with. */
export const magic: Uint8Array = new TextEncoder().encode("SERICLI1");

// A record: length and CRC-32 of its body, then the body: for each change the length of the key, the
// key, the length of the value or `removed`, the value. Numbers are big-endian.
const headerBytes = 8;
const removed = 0xffff_ffff;

/** Bytes of one change in a record. */
export function encodedSize(key: string, value: Uint8Array | undefined): number {
  return 5 + key.length + (value?.length ?? 0);
}

/** Changes as one record: it counts whole or not at all. */
export function encodeRecord(changes: readonly SessionChange[]): Uint8Array {
  let length = headerBytes;
  for (const { key, value } of changes) length += encodedSize(key, value);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  let offset = headerBytes;
  for (const { key, value } of changes) {
    bytes[offset++] = key.length;
    for (let index = 0; index < key.length; index++) bytes[offset++] = key.charCodeAt(index);
    view.setUint32(offset, value?.length ?? removed);
    offset += 4;
    if (value === undefined) continue;
    bytes.set(value, offset);
    offset += value.length;
  }
  view.setUint32(0, length - headerBytes);
  view.setUint32(4, crc32(bytes.subarray(headerBytes)));
  return bytes;
}

/**
 * Reads a file. What follows `end` is a record that was not written whole.
 *
 * @throws UsageError where it is no such file.
 */
export function decodeRecords(
  bytes: Uint8Array,
  path: string,
): { readonly changes: SessionChange[]; readonly end: number } {
  const isOurs = magic.every((byte, index) => index >= bytes.length || bytes[index] === byte);
  if (!isOurs) throw new UsageError("ERR_USAGE", `${path} is not a session store`);
  const changes: SessionChange[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let end = magic.length;
  while (end + headerBytes <= bytes.length) {
    const bodyEnd = end + headerBytes + view.getUint32(end);
    if (bodyEnd > bytes.length) break;
    const body = bytes.subarray(end + headerBytes, bodyEnd);
    if (crc32(body) !== view.getUint32(end + 4)) break;
    decodeBody(body, changes);
    end = bodyEnd;
  }
  return { changes, end: Math.min(end, bytes.length) };
}

function decodeBody(body: Uint8Array, changes: SessionChange[]): void {
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  for (let offset = 0; offset < body.length;) {
    const keyEnd = offset + 1 + body[offset]!;
    const key = String.fromCharCode(...body.subarray(offset + 1, keyEnd));
    const length = view.getUint32(keyEnd);
    offset = keyEnd + 4;
    if (length === removed) changes.push({ key, value: undefined });
    else {
      changes.push({ key, value: body.slice(offset, offset + length) });
      offset += length;
    }
  }
}
