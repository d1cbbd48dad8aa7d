import { checkFrame, FRAME_HEADER, FRAME_MAGIC, readFrameHeader } from "./batch.ts";
import type { BadBody, WholeFrame } from "./batch.ts";
import type { Disk, DiskFile } from "./disk.ts";
import { FILE_HEADER } from "./segment.ts";
import type { Task } from "./task.ts";
import { WindowReader } from "./window-reader.ts";

/** A whole frame and where it is. */
export interface FoundFrame {
  readonly frame: WholeFrame;
  readonly offset: number;
  /** The frame itself; a view of what was read. */
  readonly bytes: Uint8Array;
}

/** How reading a segment ended. */
export interface ScanEnd {
  /** Behind the last whole frame. Bytes. */
  readonly offset: number;
  /** Whether anything follows it. */
  readonly isBroken: boolean;
}

/**
 * Reads the frames of a segment from front to back, up to the first that is not whole.
 *
 * @param badBody  Is told of bad bodies in frames that are whole but for them; offsets are the
 * file's. Without it such a frame is not whole.
 */
export function* scanFrames(
  disk: Disk,
  file: DiskFile,
  size: number,
  salt: number,
  visit: (found: FoundFrame) => void,
  badBody?: BadBody,
): Task<ScanEnd> {
  const reader = new WindowReader(file);
  let offset = FILE_HEADER;
  while (offset < size) {
    const found = yield* frameAt(disk, reader, offset, size, salt, badBody);
    if (found === undefined) return { offset, isBroken: true };
    visit(found);
    offset += found.bytes.length;
  }
  return { offset, isBroken: false };
}

/**
 * Looks for whole frames behind a broken place.
 *
 * @param badBody  As for `scanFrames`.
 */
export function* framesBehind(
  disk: Disk,
  file: DiskFile,
  from: number,
  size: number,
  salt: number,
  visit: (found: FoundFrame) => void,
  badBody?: BadBody,
): Task<void> {
  const reader = new WindowReader(file);
  let offset = from;
  while (offset + FRAME_HEADER <= size) {
    const bytes = yield* reader.at(offset, FRAME_HEADER);
    const at = findMagic(bytes);
    if (at < 0) {
      offset += Math.max(1, bytes.length - 3);
      continue;
    }
    offset += at;
    const found = yield* frameAt(disk, reader, offset, size, salt, badBody);
    if (found !== undefined) visit(found);
    offset += found?.bytes.length ?? 1;
  }
}

function* frameAt(
  disk: Disk,
  reader: WindowReader,
  offset: number,
  size: number,
  salt: number,
  badBody?: BadBody,
): Task<FoundFrame | undefined> {
  const start = yield* reader.at(offset, FRAME_HEADER);
  const header = readFrameHeader(start, 0);
  // A broken length must not make anybody read, or take memory for, what is not there.
  if (header === undefined || offset + header.length > size) return undefined;
  const view = yield* reader.at(offset, header.length);
  if (view.length < header.length) return undefined;
  const bytes = view.subarray(0, header.length);
  const frame = checkFrame(
    bytes,
    (part, value) => disk.crc32(part, value),
    salt,
    badBody && ((number, at, length) => badBody(number, offset + at, length)),
  );
  return frame === undefined ? undefined : { frame, offset, bytes };
}

function findMagic(bytes: Uint8Array): number {
  const first = FRAME_MAGIC & 0xff;
  for (let at = bytes.indexOf(first); at >= 0; at = bytes.indexOf(first, at + 1)) {
    if (at + 4 > bytes.length) return -1;
    if (
      bytes[at + 1] === ((FRAME_MAGIC >>> 8) & 0xff) &&
      bytes[at + 2] === ((FRAME_MAGIC >>> 16) & 0xff) &&
      bytes[at + 3] === FRAME_MAGIC >>> 24
    )
      return at;
  }
  return -1;
}
