import type { MessageNumber, SessionKey } from "../../engine/ports.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { newer } from "./error-codes.ts";
import { NOBODY, recordTable } from "./record-table.ts";
import type { KeptRecord, RecordEncoding } from "./record-table.ts";

/** In a checkpoint, behind a session's queue: the sequence that comes next. */
export interface SequenceRecord {
  readonly type: "sequence";
  readonly session: SessionKey;
  readonly next: number;
}

/** In a checkpoint: the highest numbers that were given out. */
export interface NumbersRecord {
  readonly type: "numbers";
  readonly message: MessageNumber;
  readonly session: SessionKey;
}

/** Ends a checkpoint. */
export interface EndRecord {
  readonly type: "end";
  /** Slices before it. */
  readonly slices: number;
  /** The checkpoint may hold effects of batches up to here; they had been flushed. */
  readonly position: number;
}

/** Records that the log writes for itself. */
export type OwnRecord = SequenceRecord | NumbersRecord | EndRecord;

/** Every record in a file, except `moved`, which has no content of its own. */
export type LogRecord = KeptRecord | OwnRecord;

/** The log's own records. */
const ownTable: {
  readonly [T in OwnRecord["type"]]: RecordEncoding<Extract<OwnRecord, { type: T }>>;
} = {
  sequence: {
    id: 65,
    version: 1,
    waits: NOBODY,
    encode: (writer, record) => {
      writer.varint(record.session);
      writer.varint(record.next);
    },
    decode: (reader) => ({ type: "sequence", session: reader.varint(), next: reader.varint() }),
  },
  numbers: {
    id: 66,
    version: 1,
    waits: NOBODY,
    encode: (writer, record) => {
      writer.varint(record.message);
      writer.varint(record.session);
    },
    decode: (reader) => ({ type: "numbers", message: reader.varint(), session: reader.varint() }),
  },
  end: {
    id: 67,
    version: 1,
    waits: NOBODY,
    encode: (writer, record) => {
      writer.varint(record.slices);
      writer.varint(record.position);
    },
    decode: (reader) => ({ type: "end", slices: reader.varint(), position: reader.varint() }),
  },
};

/** In a frame, where a message's content is a body outside the records. */
export const MOVED_ID = 64;
/** Of the entries that stand for a body: `message` and `moved`. */
export const BODY_VERSION = 1;

type AnyEncoding = RecordEncoding<LogRecord>;
const byType = new Map<string, AnyEncoding>();
const byId: (AnyEncoding | undefined)[] = [];
for (const [type, encoding] of [...Object.entries(recordTable), ...Object.entries(ownTable)]) {
  byType.set(type, encoding as AnyEncoding);
  byId[encoding.id] = encoding as AnyEncoding;
}

/** Writes type, version and content. */
export function encodeRecord(writer: ByteWriter, record: LogRecord): void {
  const encoding = byType.get(record.type);
  if (encoding === undefined) throw new RangeError(`no encoding for ${record.type}`);
  writer.byte(encoding.id);
  writer.byte(encoding.version);
  encoding.encode(writer, record);
}

/**
 * Reads the content of a record whose type and version were read.
 *
 * @throws ConnectionError ERR_STORE_NEWER for a type or version that is not known yet.
 */
export function decodeRecord(reader: ByteReader, id: number, version: number): LogRecord {
  const encoding = byId[id];
  if (encoding === undefined) throw newer(`record type ${id}`);
  if (version > encoding.version) throw newer(`record type ${id} version ${version}`);
  return encoding.decode(reader, version);
}

/** What `isLogRecord` writes to. */
const tried = new ByteWriter();

/**
 * Whether a value is a record with all its fields and no others, as it can be kept.
 *
 * @param isEqual  Compares two values deeply.
 */
export function isLogRecord(
  value: unknown,
  isEqual: (a: unknown, b: unknown) => boolean,
): value is LogRecord {
  const { type } = (value ?? {}) as { type?: unknown };
  const encoding = typeof type === "string" ? byType.get(type) : undefined;
  if (encoding === undefined) return false;
  try {
    tried.clear();
    encodeRecord(tried, value as LogRecord);
    const reader = new ByteReader(tried.bytes);
    // What cannot be written, or reads otherwise than it was, is no record.
    return isEqual(decodeRecord(reader, reader.byte(), reader.byte()), value);
  } catch {
    return false;
  }
}
