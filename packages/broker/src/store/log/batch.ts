import type { MessageNumber, Position, StoredMessage } from "../../engine/ports.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { BODY_VERSION, decodeRecord, encodeRecord, MOVED_ID } from "./log-record.ts";
import { newer } from "./error-codes.ts";
import { decodeMessage, encodeMessage, recordTable } from "./record-table.ts";
import type { LogRecord } from "./log-record.ts";

/** CRC-32 of bytes, going on from a value. */
export type Checksum = (bytes: Uint8Array, value: number) => number;

/** Begins every frame. Nothing but the checksum behind it proves a frame. */
export const FRAME_MAGIC = 0x464c_5253;
export const FRAME_VERSION = 1;
/**
 * magic, version, length of the bodies, length of the records (u32 each), position and flushed
 * position (f64), count of records, checksum of header and records (u32).
 */
export const FRAME_HEADER = 40;
/** In front of a body: its checksum and the length of what follows (u32). */
export const BODY_HEADER = 8;

/** Room that is made at once for batches, at first and later. Bytes. */
const FIRST_CHUNK = 1 << 14;
const CHUNK = 1 << 20;
/** Chunks that are kept for later when all in them is flushed. */
const SPARE_CHUNKS = 4;

/**
 * Makes frames: one batch, one frame. Bodies come first, so that a body's place in the file is
 * known while the batch is still open; the records follow and have each body's checksum, so that
 * no byte is summed twice.
 */
export class BatchBuilder {
  readonly #crc32: Checksum;
  readonly #salt: number;
  readonly #records = new ByteWriter();
  readonly #content = new ByteWriter();
  #chunk = new Uint8Array(FIRST_CHUNK);
  /** Of each chunk, frames that are not released. */
  readonly #frames = new Map<ArrayBufferLike, number>();
  /** Making a chunk costs more than filling it: the system clears it, and memory is collected. */
  readonly #spare: Uint8Array<ArrayBuffer>[] = [];
  #start = 0;
  #end = 0;
  #count = 0;

  /** @param salt  Begins every checksum, so that nobody can send a payload that looks like a frame. */
  constructor(crc32: Checksum, salt: number) {
    this.#crc32 = crc32;
    this.#salt = salt;
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Length that the frame has so far. Bytes. */
  get length(): number {
    return this.#end - this.#start + FRAME_HEADER + this.#records.length;
  }

  /** Adds a record that is no message. @throws UsageError for a string that cannot be written. */
  add(record: LogRecord): void {
    const before = this.#records.length;
    try {
      encodeRecord(this.#records, record);
    } catch (error) {
      // Half a record would make the whole batch unreadable.
      this.#records.length = before;
      throw error;
    }
    this.#count += 1;
  }

  /** Adds a message, copying its bytes. @returns the length of its body; it ends the bodies so far. */
  addMessage(message: StoredMessage): number {
    const content = this.#content;
    content.clear();
    encodeMessage(content, message);
    return this.#addBody(recordTable.message.id, message.number, content.bytes);
  }

  /** Adds the content of a message that is in an older segment. @returns the length of its body. */
  addMoved(number: MessageNumber, content: Uint8Array): number {
    return this.#addBody(MOVED_ID, number, content);
  }

  /** Where the next body will be in the frame. Bytes from the frame's start. */
  get nextBody(): number {
    return FRAME_HEADER + this.#end - this.#start;
  }

  /** A view of a body in the open batch. @param offset  From the frame's start. */
  body(offset: number, length: number): Uint8Array {
    const at = this.#start + offset;
    return this.#chunk.subarray(at, at + length);
  }

  /** Ends the batch. @returns its frame; it will not change until it is released. */
  close(position: Position, flushed: Position): Uint8Array {
    const bodies = this.#end - this.#start;
    const records = this.#records.bytes;
    this.#need(records.length);
    const start = this.#start;
    const end = start + FRAME_HEADER + bodies;
    this.#chunk.set(records, end);
    const frame = this.#chunk.subarray(start, end + records.length);
    const view = new DataView(frame.buffer, frame.byteOffset, FRAME_HEADER);
    view.setUint32(0, FRAME_MAGIC, true);
    view.setUint32(4, FRAME_VERSION, true);
    view.setUint32(8, bodies, true);
    view.setUint32(12, records.length, true);
    view.setFloat64(16, position, true);
    view.setFloat64(24, flushed, true);
    view.setUint32(32, this.#count, true);
    const sum = this.#crc32(frame.subarray(0, FRAME_HEADER - 4), this.#salt);
    view.setUint32(36, this.#crc32(frame.subarray(FRAME_HEADER + bodies), sum), true);
    this.#start = end + records.length;
    this.#end = this.#start;
    this.#count = 0;
    this.#records.clear();
    this.#frames.set(frame.buffer, (this.#frames.get(frame.buffer) ?? 0) + 1);
    return frame;
  }

  /** Nobody needs a frame any more; one that was not made here is none of this one's. */
  release({ buffer }: Uint8Array): void {
    const frames = this.#frames.get(buffer);
    if (frames === undefined) return;
    if (frames > 1) {
      this.#frames.set(buffer, frames - 1);
      return;
    }
    this.#frames.delete(buffer);
    if (buffer !== this.#chunk.buffer) this.#spareChunk(new Uint8Array(buffer as ArrayBuffer));
  }

  #addBody(id: number, number: MessageNumber, content: Uint8Array): number {
    const length = BODY_HEADER + content.length;
    this.#need(length);
    const at = this.#start + FRAME_HEADER + this.#end - this.#start;
    const crc = this.#crc32(content, this.#salt);
    const view = new DataView(this.#chunk.buffer, at, BODY_HEADER);
    view.setUint32(0, crc, true);
    view.setUint32(4, content.length, true);
    this.#chunk.set(content, at + BODY_HEADER);
    this.#end += length;
    this.#count += 1;
    this.#records.byte(id);
    this.#records.byte(BODY_VERSION);
    this.#records.varint(number);
    this.#records.varint(content.length);
    this.#records.u32(crc);
    return length;
  }

  /** Makes room for so many bytes behind the bodies. */
  #need(count: number): void {
    const bodies = this.#end - this.#start;
    const needed = FRAME_HEADER + bodies + count;
    if (this.#start + needed <= this.#chunk.length) return;
    // What went before belongs to frames that are being written.
    const size = Math.max(Math.min(CHUNK, this.#chunk.length * 2), Math.ceil(needed * 1.5));
    const old = this.#chunk;
    const chunk = this.#chunkOf(size);
    chunk.set(old.subarray(this.#start, this.#start + FRAME_HEADER + bodies));
    this.#chunk = chunk;
    this.#start = 0;
    this.#end = bodies;
    if (chunk !== old && !this.#frames.has(old.buffer)) this.#spareChunk(old);
  }

  #chunkOf(size: number): Uint8Array<ArrayBuffer> {
    if (size !== CHUNK) return new Uint8Array(size);
    // All that went before in the present one may be flushed already.
    const present = this.#chunk;
    if (present.length === CHUNK && !this.#frames.has(present.buffer)) return present;
    return this.#spare.pop() ?? new Uint8Array(size);
  }

  #spareChunk(chunk: Uint8Array<ArrayBuffer>): void {
    if (chunk.length === CHUNK && this.#spare.length < SPARE_CHUNKS) this.#spare.push(chunk);
  }
}

/** What a frame's header says. */
export interface FrameHeader {
  readonly version: number;
  readonly bodies: number;
  readonly records: number;
  readonly position: Position;
  readonly flushed: Position;
  readonly count: number;
  /** Of the whole frame. Bytes. */
  readonly length: number;
}

/** Reads a header. @returns `undefined` where none is. */
export function readFrameHeader(bytes: Uint8Array, at: number): FrameHeader | undefined {
  if (bytes.length - at < FRAME_HEADER) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, FRAME_HEADER);
  if (view.getUint32(0, true) !== FRAME_MAGIC) return undefined;
  const bodies = view.getUint32(8, true);
  const records = view.getUint32(12, true);
  return {
    version: view.getUint32(4, true),
    bodies,
    records,
    position: view.getFloat64(16, true),
    flushed: view.getFloat64(24, true),
    count: view.getUint32(32, true),
    length: FRAME_HEADER + bodies + records,
  };
}

/** What takes in the content of a frame, in order. */
export interface FrameVisitor {
  record(record: LogRecord): void;
  /** A message's body, at `offset` from the frame's start; "moved": not a new message. */
  body(number: MessageNumber, offset: number, length: number, isMoved: boolean): void;
}

/** A frame whose checksums are right. */
export interface WholeFrame {
  readonly header: FrameHeader;
  visit(visitor: FrameVisitor): void;
}

/** Told of a body that is not as it was written. Offset and length in bytes, with its header. */
export type BadBody = (number: MessageNumber, offset: number, length: number) => void;

/**
 * Checks a frame with all its bodies.
 *
 * @param frame  As long as its header says.
 * @param badBody  Where it is given, a bad body is told and left out, and makes nothing else bad.
 * @returns `undefined` where anything in it is not as it was written.
 * @throws ConnectionError ERR_STORE_NEWER where it is whole and of a newer version.
 */
export function checkFrame(
  frame: Uint8Array,
  crc32: Checksum,
  salt: number,
  badBody?: BadBody,
): WholeFrame | undefined {
  const header = readFrameHeader(frame, 0);
  if (header === undefined || header.length > frame.length) return undefined;
  const records = frame.subarray(FRAME_HEADER + header.bodies, header.length);
  const sum = crc32(frame.subarray(0, FRAME_HEADER - 4), salt);
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (crc32(records, sum) >>> 0 !== view.getUint32(36, true)) return undefined;
  if (header.version > FRAME_VERSION) throw newer(`batch ${header.position}`);
  const entries: (LogRecord | { number: number; offset: number; length: number; id: number })[] =
    [];
  const reader = new ByteReader(records);
  let offset = FRAME_HEADER;
  while (reader.left > 0) {
    const id = reader.byte();
    const version = reader.byte();
    if (id !== recordTable.message.id && id !== MOVED_ID) {
      entries.push(decodeRecord(reader, id, version));
      continue;
    }
    if (version > BODY_VERSION) throw newer(`a message of batch ${header.position}`);
    const number = reader.varint();
    const length = reader.varint();
    const crc = reader.u32();
    const start = offset + BODY_HEADER;
    if (
      view.getUint32(offset, true) !== crc ||
      view.getUint32(offset + 4, true) !== length ||
      crc32(frame.subarray(start, start + length), salt) >>> 0 !== crc
    ) {
      if (badBody === undefined) return undefined;
      badBody(number, offset, BODY_HEADER + length);
    } else entries.push({ number, offset, length: BODY_HEADER + length, id });
    offset = start + length;
  }
  return {
    header,
    visit: (visitor) => {
      for (const entry of entries) {
        if ("type" in entry) visitor.record(entry);
        else visitor.body(entry.number, entry.offset, entry.length, entry.id === MOVED_ID);
      }
    },
  };
}

/**
 * Reads a body back.
 *
 * @param body  With its header; the message's payload and properties are views of it.
 * @returns `undefined` where it is not as it was written.
 */
export function readBody(
  body: Uint8Array,
  crc32: Checksum,
  salt: number,
): StoredMessage | undefined {
  const content = checkBody(body, crc32, salt);
  return content === undefined ? undefined : decodeMessage(new ByteReader(content));
}

/** The content of a body whose checksum is right. */
export function checkBody(body: Uint8Array, crc32: Checksum, salt: number): Uint8Array | undefined {
  if (body.length < BODY_HEADER) return undefined;
  const view = new DataView(body.buffer, body.byteOffset, BODY_HEADER);
  const content = body.subarray(BODY_HEADER);
  if (view.getUint32(4, true) !== content.length) return undefined;
  return crc32(content, salt) >>> 0 === view.getUint32(0, true) ? content : undefined;
}
