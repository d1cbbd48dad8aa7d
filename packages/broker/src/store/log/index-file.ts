import { ByteReader, ByteWriter } from "./bytes.ts";
import type { Disk } from "./disk.ts";
import { writeAll } from "./log-writer.ts";
import {
  decodeFileHeader,
  encodeFileHeader,
  fileName,
  FILE_HEADER,
  SegmentIndex,
} from "./segment.ts";
import type { Segment } from "./segment.ts";
import { pause, wait } from "./task.ts";
import type { Task } from "./task.ts";

/** Entries that are written or read without a pause. */
const ENTRIES = 8192;

/** What an index file says of its segment. */
export interface IndexFile {
  /** Last batch of the segment. */
  readonly last: number;
  /** Length of the segment up to the end of that batch. Bytes. */
  readonly size: number;
  readonly index: SegmentIndex;
}

/**
 * Writes the index of a sealed segment beside it. It only spares reading the segment: where it is
 * missing or broken the segment itself is read. So nothing waits for the directory's flush.
 */
export function* writeIndexFile(disk: Disk, segment: Segment, salt: number): Task<void> {
  const index = segment.index ?? new SegmentIndex();
  const crc32 = (bytes: Uint8Array, value: number): number => disk.crc32(bytes, value);
  const writer = new ByteWriter(64 + index.count * 12);
  writer.raw(
    encodeFileHeader("idx", { salt, number: segment.number, position: segment.last }, crc32),
  );
  writer.varint(segment.size);
  writer.varint(index.count);
  let offset = 0;
  for (let at = 0; at < index.count; at += 1) {
    writer.varint(index.numbers[at] as number);
    writer.varint((index.offsets[at] as number) - offset);
    writer.varint(index.lengths[at] as number);
    offset = index.offsets[at] as number;
    if (at % ENTRIES === ENTRIES - 1) yield* pause(disk);
  }
  writer.u32(crc32(writer.bytes, salt));
  const file = yield* wait(disk.create(fileName(segment.number, "idx")));
  try {
    yield* writeAll(file, 0, writer.bytes);
    yield* wait(file.flush());
  } finally {
    yield* wait(file.close());
  }
}

/** Reads an index file. @returns `undefined` where it is not whole. */
export function* readIndexFile(
  disk: Disk,
  number: number,
  size: number,
  salt: number,
): Task<IndexFile | undefined> {
  const crc32 = (bytes: Uint8Array, value: number): number => disk.crc32(bytes, value);
  const file = yield* wait(disk.open(fileName(number, "idx")));
  let bytes: Uint8Array;
  try {
    bytes = yield* wait(file.read(0, size));
  } finally {
    yield* wait(file.close());
  }
  const header = decodeFileHeader("idx", bytes, crc32);
  if (header === undefined || header.number !== number || bytes.length < FILE_HEADER + 4)
    return undefined;
  const end = bytes.length - 4;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (crc32(bytes.subarray(0, end), salt) >>> 0 !== view.getUint32(end, true)) return undefined;
  const reader = new ByteReader(bytes.subarray(FILE_HEADER, end));
  const index = new SegmentIndex();
  const segmentSize = reader.varint();
  let offset = 0;
  for (let left = reader.varint(); left > 0; left -= 1) {
    const message = reader.varint();
    offset += reader.varint();
    index.add(message, offset, reader.varint());
    if (left % ENTRIES === 0) yield* pause(disk);
  }
  return { last: header.position, size: segmentSize, index };
}
