import { ByteRows, decodeUtf8, IntegerRows, utf8Length, writeUtf8 } from "@sericite/protocol";
import type { QoS, TopicNameTable } from "@sericite/protocol";
import { copyBytes } from "./forms.ts";
import type { Room } from "./forms.ts";
import { Message } from "./message.ts";

const bytesColumn = 0;
/** QoS in the two low bits. */
const flagsColumn = 1;
const sizeColumn = 2;
const identifierColumn = 3;
const propertiesStartColumn = 4;
const propertiesEndColumn = 5;
const payloadColumn = 6;
/** These take two columns each: a float of 64 bits. */
const numberColumn = 7;
const expiresColumn = 9;
const columns = 11;

const QOS = 0x03;
const VERSION_5 = 0x04;
const STORED = 0x08;
const OWN = 0x10;

/** Messages are made in pieces of memory of so many bytes, for many of them each: one that waits keeps all of its piece. */
const ROOM = 8192;
/** A message of more bytes has memory of its own. */
const LARGE = 2048;

const float = new Float64Array(1);
const halves = new Int32Array(float.buffer);

/**
 * The retained messages themselves, as rows of integers and bytes: no object for any of a million,
 * which the garbage collector would have to look at each time. A `Message` is made of a row when
 * somebody is to get it.
 */
export class RetainedRows {
  readonly #topicNames: TopicNameTable;
  readonly #rows = new IntegerRows(columns);
  /** The native form, and behind it the publisher in UTF-8. */
  readonly #bytes = new ByteRows();
  /** What messages are made in. */
  #room: Room = { bytes: new Uint8Array(0), used: 0 };
  /** The last one that was asked for: most messages in a row have the same. */
  #publisher = "";

  constructor(topicNames: TopicNameTable) {
    this.#topicNames = topicNames;
  }

  /**
   * Copies a message.
   *
   * @param isOwn  The broker itself published it.
   * @returns its row.
   */
  add(message: Message, isOwn: boolean): number {
    const { start, end, publisher } = message;
    const size = end - start;
    const bytes = this.#bytes.allocate(size + utf8Length(publisher));
    const to = this.#bytes.bytes(bytes);
    const at = this.#bytes.start(bytes);
    copyBytes(message.bytes, start, end, to, at);
    writeUtf8(to, at + size, publisher);

    const rows = this.#rows;
    const row = rows.allocate();
    rows.set(row, bytesColumn, bytes);
    rows.set(
      row,
      flagsColumn,
      message.qos |
        (message.isVersion5 ? VERSION_5 : 0) |
        (message.isStored ? STORED : 0) |
        (isOwn ? OWN : 0),
    );
    rows.set(row, sizeColumn, size);
    rows.set(row, identifierColumn, message.identifierAt);
    rows.set(row, propertiesStartColumn, message.propertiesStart);
    rows.set(row, propertiesEndColumn, message.propertiesEnd);
    rows.set(row, payloadColumn, message.payloadStart);
    this.#setFloat(row, numberColumn, message.number);
    this.#setFloat(row, expiresColumn, message.expiresAt);
    return row;
  }

  remove(row: number): void {
    this.#bytes.free(this.#rows.get(row, bytesColumn));
    this.#rows.free(row);
  }

  /** Bytes of the native form. */
  size(row: number): number {
    return this.#rows.get(row, sizeColumn);
  }

  isOwn(row: number): boolean {
    return (this.#rows.get(row, flagsColumn) & OWN) !== 0;
  }

  /** As `Message.expiresAt`. */
  expiresAt(row: number): number {
    return this.#float(row, expiresColumn);
  }

  /** Makes the message of a row. */
  message(row: number): Message {
    const rows = this.#rows;
    const size = rows.get(row, sizeColumn);
    const stored = rows.get(row, bytesColumn);
    const from = this.#bytes.bytes(stored);
    const at = this.#bytes.start(stored);
    const publisherEnd = at + this.#bytes.length(stored);
    const flags = rows.get(row, flagsColumn);
    const room = this.#roomFor(size);
    const start = room.used;
    copyBytes(from, at, at + size, room.bytes, start);
    room.used += size;
    const message = new Message(
      this.#float(row, numberColumn),
      this.#topicNames,
      room.bytes,
      start,
      start + size,
      rows.get(row, identifierColumn),
      rows.get(row, propertiesStartColumn),
      rows.get(row, propertiesEndColumn),
      rows.get(row, payloadColumn),
      (flags & VERSION_5) !== 0,
      (flags & QOS) as QoS,
      true,
      this.#publisherAt(from, at + size, publisherEnd),
      this.#float(row, expiresColumn),
      undefined,
    );
    message.isStored = (flags & STORED) !== 0;
    return message;
  }

  /** Not a slab: that would hold on to each message until all in it are done, and the garbage collector would take them for old. */
  #roomFor(size: number): Room {
    if (size > LARGE) return { bytes: new Uint8Array(size), used: 0 };
    if (this.#room.used + size > this.#room.bytes.length)
      this.#room = { bytes: new Uint8Array(ROOM), used: 0 };
    return this.#room;
  }

  #publisherAt(bytes: Uint8Array, start: number, end: number): string {
    if (!isAscii(this.#publisher, bytes, start, end))
      this.#publisher = decodeUtf8(bytes, start, end);
    return this.#publisher;
  }

  #float(row: number, column: number): number {
    halves[0] = this.#rows.get(row, column);
    halves[1] = this.#rows.get(row, column + 1);
    return float[0] as number;
  }

  #setFloat(row: number, column: number, value: number): void {
    float[0] = value;
    this.#rows.set(row, column, halves[0] as number);
    this.#rows.set(row, column + 1, halves[1] as number);
  }
}

/** Whether the bytes are a text, and that text is ASCII. */
function isAscii(text: string, bytes: Uint8Array, start: number, end: number): boolean {
  if (text.length !== end - start) return false;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit > 0x7f || unit !== bytes[start + index]) return false;
  }
  return true;
}
