import type { Position } from "../../engine/ports.ts";
import { ByteReader } from "./bytes.ts";
import { SLICE_HEADER } from "./checkpoint.ts";
import type { Disk, DiskFile } from "./disk.ts";
import { decodeRecord } from "./log-record.ts";
import type { LogRecord } from "./log-record.ts";
import { decodeFileHeader, FILE_HEADER } from "./segment.ts";
import type { Task } from "./task.ts";
import { WindowReader } from "./window-reader.ts";

/** What could be read of a checkpoint that is not whole. */
export interface SalvagedCheckpoint {
  /** The last batch that it would hold if it were whole. */
  readonly position: Position;
  readonly salt: number;
}

/**
 * Reads what is whole of a damaged checkpoint, slice by slice.
 *
 * @param bad  Is told where a slice is not as it was written. Bytes from the file's start.
 * @returns `undefined` where its header is broken: then nothing was visited.
 */
export function* salvageCheckpoint(
  disk: Disk,
  file: DiskFile,
  size: number,
  visit: (record: LogRecord) => void,
  bad: (offset: number) => void,
): Task<SalvagedCheckpoint | undefined> {
  const crc32 = (bytes: Uint8Array, value: number): number => disk.crc32(bytes, value);
  const reader = new WindowReader(file);
  const header = decodeFileHeader("ckp", yield* reader.at(0, FILE_HEADER), crc32);
  if (header === undefined) {
    bad(0);
    return undefined;
  }
  const { position, salt } = header;
  let isEnded = false;
  let offset = FILE_HEADER;
  while (offset + SLICE_HEADER <= size && !isEnded) {
    const start = yield* reader.at(offset, SLICE_HEADER);
    const view = new DataView(start.buffer, start.byteOffset, SLICE_HEADER);
    const length = view.getUint32(0, true);
    const sum = view.getUint32(4, true);
    if (offset + SLICE_HEADER + length > size) break;
    const slice = yield* reader.at(offset, SLICE_HEADER + length);
    const bytes = slice.subarray(SLICE_HEADER, SLICE_HEADER + length);
    if (crc32(bytes, crc32(slice.subarray(0, 4), salt)) >>> 0 !== sum) bad(offset);
    else {
      const records = new ByteReader(bytes);
      while (records.left > 0) {
        const record = decodeRecord(records, records.byte(), records.byte());
        if (record.type === "end") isEnded = true;
        else visit(record);
      }
    }
    // Where its length is what broke, nothing behind it is found any more.
    offset += SLICE_HEADER + length;
  }
  if (!isEnded) bad(Math.min(offset, size));
  return { position, salt };
}
