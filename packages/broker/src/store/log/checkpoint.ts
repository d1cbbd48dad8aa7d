import type { Position } from "../../engine/ports.ts";
import type { StoreRecord } from "../../engine/records.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";
import type { Disk, DiskFile } from "./disk.ts";
import type { LogSession, LogState } from "./log-state.ts";
import { writeAll } from "./log-writer.ts";
import { decodeRecord, encodeRecord } from "./log-record.ts";
import type { LogRecord } from "./log-record.ts";
import { decodeFileHeader, encodeFileHeader, fileName, FILE_HEADER } from "./segment.ts";
import { wait } from "./task.ts";
import type { Task } from "./task.ts";
import { WindowReader } from "./window-reader.ts";

/** In front of a slice: length and checksum (u32). */
export const SLICE_HEADER = 8;
/** A slice is closed at this size or with so many records: making one takes a millisecond or two. */
const SLICE_BYTES = 64 * 1024;
const SLICE_RECORDS = 1000;

/**
 * The state as the records that make it, without bodies. It may be read while the state changes:
 * what it gives, and then the whole log from its beginning on, make the state.
 */
export function* recordsOf(state: LogState): Generator<LogRecord> {
  for (const session of state.sessions.values()) {
    yield* sessionRecords(session);
    const at = { from: 0 };
    for (;;) {
      const entries = [...entriesFrom(session, at.from)];
      if (entries.length === 0) break;
      yield* entries;
      at.from = (entries[entries.length - 1] as { sequence: number }).sequence + 1;
    }
    // Behind the entries: a sequence below this one that is not here is settled.
    yield { type: "sequence", session: session.session, next: session.queue.next };
  }
  for (const [topicName, message] of state.retained) yield { type: "retained", topicName, message };
  for (const [session, { clientId, will }] of state.wills)
    yield { type: "will-set", session, clientId, will };
  for (const delayed of state.delayed.values()) yield { type: "delayed", ...delayed };
  for (const ban of state.bans.values()) yield { type: "ban", ...ban };
  if (state.time !== undefined) yield { type: "time-mark", ...state.time };
  yield { type: "numbers", message: state.highestMessage, session: state.highestSession };
}

function sessionRecords(session: LogSession): LogRecord[] {
  const { session: key, sessionExpiryInterval } = session;
  const records: LogRecord[] = [
    {
      type: "session-begin",
      session: key,
      clientId: session.clientId,
      epoch: session.epoch,
      username: session.username,
      sessionExpiryInterval,
      isTrusted: session.isTrusted,
      inFlightMaximum: session.inFlightMaximum,
    },
  ];
  if (session.detachedAt !== undefined)
    records.push({
      type: "session-detach",
      session: key,
      sessionExpiryInterval,
      detachedAt: session.detachedAt,
      inFlight: session.inFlight ?? 0,
    });
  if (session.hasLeft) records.push({ type: "session-leave", session: key });
  if (session.subscriptions !== undefined) records.push(...session.subscriptions.values());
  for (const [packetIdentifier, denied] of session.inbound ?? [])
    records.push({ type: "inbound-begin", session: key, packetIdentifier, denied });
  for (const [sequence, packetIdentifier] of session.received ?? [])
    records.push({ type: "received", session: key, sequence, packetIdentifier });
  return records;
}

function entriesFrom(
  session: LogSession,
  from: number,
): Extract<StoreRecord, { type: "enqueue" }>[] {
  const entries: Extract<StoreRecord, { type: "enqueue" }>[] = [];
  session.queue.forEachFrom(from, (entry) => {
    entries.push({ type: "enqueue", session: session.session, ...entry });
    return entries.length < SLICE_RECORDS;
  });
  return entries;
}

/** What a checkpoint needs of the log that goes on meanwhile. */
export interface CheckpointLog {
  readonly state: LogState;
  readonly salt: number;
  /** The last closed batch. */
  closed(): Position;
  /** Resumes when every batch up to `position`, which may be open still, is flushed. */
  flushed(position: Position): Task<void>;
}

/**
 * Writes a checkpoint, slice by slice. It counts once its last record is there, and that is written
 * only after everything that it may have seen of the log is flushed.
 *
 * @returns the last batch that it holds whole; replaying begins behind it.
 */
export function* writeCheckpoint(
  disk: Disk,
  log: CheckpointLog,
  number: number,
): Task<{ position: Position; bytes: number }> {
  const { state, salt } = log;
  const crc32 = (bytes: Uint8Array, value: number): number => disk.crc32(bytes, value);
  const position = log.closed();
  const file = yield* wait(disk.create(fileName(number, "ckp")));
  let offset = FILE_HEADER;
  try {
    yield* writeAll(file, 0, encodeFileHeader("ckp", { salt, number, position }, crc32));
    const writer = new ByteWriter(2 * SLICE_BYTES);
    let slices = 0;
    let records = 0;
    const flushSlice = function* (): Task<void> {
      const bytes = sliceOf(writer.bytes, crc32, salt);
      writer.clear();
      records = 0;
      yield* writeAll(file, offset, bytes);
      offset += bytes.length;
    };
    for (const record of recordsOf(state)) {
      encodeRecord(writer, record);
      records += 1;
      if (writer.length < SLICE_BYTES && records < SLICE_RECORDS) continue;
      slices += 1;
      yield* flushSlice();
    }
    if (records > 0) {
      slices += 1;
      yield* flushSlice();
    }
    const seen = state.position;
    yield* log.flushed(seen);
    encodeRecord(writer, { type: "end", slices, position: seen });
    yield* flushSlice();
    yield* wait(file.flush());
  } finally {
    yield* wait(file.close());
  }
  yield* wait(disk.flushDirectory());
  return { position, bytes: offset };
}

function sliceOf(
  records: Uint8Array,
  crc32: (bytes: Uint8Array, value: number) => number,
  salt: number,
): Uint8Array {
  const slice = new Uint8Array(SLICE_HEADER + records.length);
  const view = new DataView(slice.buffer);
  view.setUint32(0, records.length, true);
  slice.set(records, SLICE_HEADER);
  view.setUint32(4, crc32(slice.subarray(SLICE_HEADER), crc32(slice.subarray(0, 4), salt)), true);
  return slice;
}

/** A checkpoint that was read whole. */
export interface ReadCheckpoint {
  /** The last batch that it holds whole. */
  readonly position: Position;
  /** It may hold effects of batches up to here: the log must have them. */
  readonly seen: Position;
  readonly salt: number;
}

/**
 * Reads a checkpoint and gives its records to `visit`.
 *
 * @returns `undefined` where it was not finished or is damaged: then what was visited counts for
 * nothing.
 */
export function* readCheckpoint(
  disk: Disk,
  file: DiskFile,
  number: number,
  size: number,
  visit: (record: LogRecord) => void,
): Task<ReadCheckpoint | undefined> {
  const crc32 = (bytes: Uint8Array, value: number): number => disk.crc32(bytes, value);
  const reader = new WindowReader(file);
  const header = decodeFileHeader("ckp", yield* reader.at(0, FILE_HEADER), crc32);
  if (header === undefined || header.number !== number) return undefined;
  const { salt, position } = header;
  let slices = 0;
  for (let offset = FILE_HEADER; offset + SLICE_HEADER <= size;) {
    const start = yield* reader.at(offset, SLICE_HEADER);
    if (start.length < SLICE_HEADER) return undefined;
    const view = new DataView(start.buffer, start.byteOffset, SLICE_HEADER);
    const length = view.getUint32(0, true);
    const sum = view.getUint32(4, true);
    if (offset + SLICE_HEADER + length > size) return undefined;
    const slice = yield* reader.at(offset, SLICE_HEADER + length);
    const bytes = slice.subarray(SLICE_HEADER, SLICE_HEADER + length);
    if (bytes.length < length) return undefined;
    if (crc32(bytes, crc32(slice.subarray(0, 4), salt)) >>> 0 !== sum) return undefined;
    const records = new ByteReader(bytes);
    while (records.left > 0) {
      const record = decodeRecord(records, records.byte(), records.byte());
      if (record.type === "end")
        return record.slices === slices ? { position, seen: record.position, salt } : undefined;
      visit(record);
    }
    slices += 1;
    offset += SLICE_HEADER + length;
  }
  return undefined;
}
