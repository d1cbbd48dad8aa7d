import { readdirSync, readFileSync, truncateSync } from "node:fs";
import { join } from "node:path";

/** Where a batch stands in a segment. Bytes. */
export interface Frame {
  readonly offset: number;
  readonly length: number;
}

const FILE_HEADER = 32;
const FRAME_HEADER = 40;

/** The batches of a segment, as far as they are whole: lengths are read, checksums are not. */
export function framesOf(bytes: Buffer): Frame[] {
  const frames: Frame[] = [];
  for (let offset = FILE_HEADER; offset + FRAME_HEADER <= bytes.length;) {
    const length = FRAME_HEADER + bytes.readUInt32LE(offset + 8) + bytes.readUInt32LE(offset + 12);
    if (offset + length > bytes.length) break;
    frames.push({ offset, length });
    offset += length;
  }
  return frames;
}

/** Name of the newest segment of a data directory. */
export function newestSegment(dataDirectory: string): string | undefined {
  return readdirSync(dataDirectory)
    .filter((name) => name.endsWith(".log"))
    .toSorted()
    .at(-1);
}

/** Batches that are cut off: as many as may be in flight between a broker and its disk. */
const CUT = 4;

/**
 * A lie of the disk: the last batches of the newest segment are gone, though they had been flushed.
 * The store cannot know; its clients do.
 */
export function cutLastBatches(dataDirectory: string): void {
  const name = newestSegment(dataDirectory);
  if (name === undefined) return;
  const path = join(dataDirectory, name);
  const cut = framesOf(readFileSync(path)).slice(-CUT)[0];
  if (cut !== undefined) truncateSync(path, cut.offset);
}
