import type { MessageNumber, Position } from "../../engine/ports.ts";
import type { Checksum } from "./batch.ts";
import type { DiskFile } from "./disk.ts";
import type { MessageTable } from "./message-table.ts";
import { NOWHERE } from "./message-table.ts";
import { newer } from "./error-codes.ts";

/** Kinds of files, by the end of their names. */
export type FileKind = "log" | "idx" | "ckp";

/** A file's name from its number. */
export function fileName(number: number, kind: FileKind): string {
  return `${String(number).padStart(8, "0")}.${kind}`;
}

/** Number and kind from a name, or `undefined` for a file that is none of the store's. */
export function parseFileName(name: string): { number: number; kind: FileKind } | undefined {
  const match = /^(\d{8,15})\.(log|idx|ckp)$/.exec(name);
  return match === null ? undefined : { number: Number(match[1]), kind: match[2] as FileKind };
}

/** magic, version, salt, salt again, number (u32 each), position (f64), checksum (u32). */
export const FILE_HEADER = 32;
/** Version of all files of this kind; newer ones are refused. */
export const FILE_VERSION = 1;
const MAGIC: Readonly<Record<FileKind, number>> = {
  log: 0x474c_5253,
  idx: 0x4958_5253,
  ckp: 0x4b43_5253,
};

/** What the first bytes of a file say. */
export interface FileHeader {
  readonly salt: number;
  readonly number: number;
  /**
   * Of a segment: its first batch; all before it had been flushed when the file was made. Of a
   * checkpoint: the last batch that it holds whole. Of an index: batches up to here are in it.
   */
  readonly position: Position;
}

/** A file's first bytes. */
export function encodeFileHeader(
  kind: FileKind,
  { salt, number, position }: FileHeader,
  crc32: Checksum,
): Uint8Array {
  const bytes = new Uint8Array(FILE_HEADER);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC[kind], true);
  view.setUint32(4, FILE_VERSION, true);
  // Twice: a broken header must not take away what the frames behind it are checked with.
  view.setUint32(8, salt, true);
  view.setUint32(12, salt, true);
  view.setUint32(16, number, true);
  view.setFloat64(20, position, true);
  view.setUint32(28, crc32(bytes.subarray(0, 28), 0), true);
  return bytes;
}

/**
 * Reads a file's first bytes.
 *
 * @returns `undefined` where they are not as they were written.
 * @throws ConnectionError ERR_STORE_NEWER where they are of a newer version.
 */
export function decodeFileHeader(
  kind: FileKind,
  bytes: Uint8Array,
  crc32: Checksum,
): FileHeader | undefined {
  if (bytes.length < FILE_HEADER) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, FILE_HEADER);
  if (crc32(bytes.subarray(0, 28), 0) >>> 0 !== view.getUint32(28, true)) return undefined;
  const number = view.getUint32(16, true);
  if (view.getUint32(0, true) !== MAGIC[kind]) return undefined;
  if (view.getUint32(4, true) > FILE_VERSION) throw newer(fileName(number, kind));
  return { salt: view.getUint32(8, true), number, position: view.getFloat64(20, true) };
}

/** Where each message of a segment is, in the order of the file. Grows with the segment. */
export class SegmentIndex {
  readonly numbers: MessageNumber[] = [];
  readonly offsets: number[] = [];
  readonly lengths: number[] = [];

  get count(): number {
    return this.numbers.length;
  }

  add(number: MessageNumber, offset: number, length: number): void {
    this.numbers.push(number);
    this.offsets.push(offset);
    this.lengths.push(length);
  }

  /** Forgets all at and behind `offset`. */
  cut(offset: number): void {
    let count = this.count;
    while (count > 0 && (this.offsets[count - 1] as number) >= offset) count -= 1;
    this.numbers.length = count;
    this.offsets.length = count;
    this.lengths.length = count;
  }
}

/** One file of the log. */
export interface Segment {
  readonly number: number;
  readonly slot: number;
  /** First batch. */
  readonly first: Position;
  /** Last batch; below `first` where it has none. */
  last: Position;
  /** Length with what is not written yet. Bytes. */
  size: number;
  /** Length that had been flushed. Bytes. */
  flushed: number;
  /** Nothing more will be added. */
  isSealed: boolean;
  /** Messages in it that are referred to, and their bytes. */
  live: number;
  liveBytes: number;
  /** Batch in which the last reference into it was let go. */
  emptiedAt: Position;
  file: DiskFile | undefined;
  /** Reads under way. */
  readers: number;
  /** Until its index is on the disk. */
  index: SegmentIndex | undefined;
  hasIndexFile: boolean;
  /** A body in it could not be read: it is left alone. */
  isDamaged: boolean;
}

/** All segments, by number and by the slot that a `MessageTable` knows them by. */
export class SegmentSet {
  readonly #slots: (Segment | undefined)[] = [];
  /** By number. */
  readonly all: Segment[] = [];

  /** A new one behind all others. */
  add(number: number, first: Position): Segment {
    let slot = this.#slots.indexOf(undefined);
    if (slot < 0) slot = this.#slots.length;
    if (slot >= NOWHERE) throw new RangeError(`more than ${NOWHERE} segments`);
    const segment: Segment = {
      number,
      slot,
      first,
      last: first - 1,
      size: FILE_HEADER,
      flushed: 0,
      isSealed: false,
      live: 0,
      liveBytes: 0,
      emptiedAt: 0,
      file: undefined,
      readers: 0,
      index: new SegmentIndex(),
      hasIndexFile: false,
      isDamaged: false,
    };
    this.#slots[slot] = segment;
    this.all.push(segment);
    return segment;
  }

  /** The segment in a slot. */
  at(slot: number): Segment {
    const segment = this.#slots[slot];
    if (segment === undefined) throw new RangeError(`no segment in slot ${slot}`);
    return segment;
  }

  remove(segment: Segment): void {
    this.#slots[segment.slot] = undefined;
    this.all.splice(this.all.indexOf(segment), 1);
  }

  /** Bytes of all of them on the disk. */
  get bytes(): number {
    let bytes = 0;
    for (const segment of this.all) bytes += segment.size;
    return bytes;
  }

  /** Counts anew what in each is referred to. */
  recount(messages: MessageTable): void {
    for (const segment of this.all) {
      segment.live = 0;
      segment.liveBytes = 0;
    }
    messages.forEach((_number, slot, _offset, length) => {
      if (slot === NOWHERE) return;
      const segment = this.at(slot);
      segment.live += 1;
      segment.liveBytes += length;
    });
  }
}
