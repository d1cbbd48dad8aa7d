import type { MessageNumber, StoredMessage } from "../../engine/ports.ts";
import { BODY_HEADER, checkBody } from "./batch.ts";
import { ByteReader } from "./bytes.ts";
import type { Disk, DiskFile, Step } from "./disk.ts";
import { damaged } from "./error-codes.ts";
import { decodeMessage } from "./record-table.ts";
import { fileName } from "./segment.ts";
import type { Segment } from "./segment.ts";
import { together } from "./task.ts";

/** Bodies that are no further apart are read at once. Bytes. */
const NEAR = 16 * 1024;
/** Nothing longer is read at once for the sake of being near. Bytes. */
const LONGEST = 1 << 20;

/** A body to read. */
export interface WantedBody {
  readonly number: MessageNumber;
  readonly segment: Segment;
  readonly offset: number;
  readonly length: number;
}

/** Reads bytes of a segment. */
export type ReadSegment = (segment: Segment, offset: number, length: number) => Step<Uint8Array>;

const readFile: ReadSegment = ({ file }, offset, length) => (file as DiskFile).read(offset, length);

/** A body that is not as it was written. */
export interface DamagedBody {
  readonly body: WantedBody;
  /** ERR_STORE_DAMAGED, with file and offset. */
  readonly error: Error;
}

/**
 * Reads bodies of flushed segments, those near each other at once.
 *
 * @param take  Is given each body whole and checked, in any order; the bytes are not to be kept.
 * @param read  How bytes of a segment are read; from its file where nothing is said.
 * @returns a step that gives what is damaged; it fails where the disk does.
 */
export function readBodies(
  disk: Disk,
  salt: number,
  wanted: readonly WantedBody[],
  take: (body: WantedBody, bytes: Uint8Array) => void,
  read: ReadSegment = readFile,
): Step<readonly DamagedBody[]> {
  const sorted = [...wanted].sort(
    (a, b) => a.segment.number - b.segment.number || a.offset - b.offset,
  );
  const runs: WantedBody[][] = [];
  for (const body of sorted) {
    const run = runs[runs.length - 1];
    const first = run?.[0];
    const last = run?.[run.length - 1];
    if (
      run !== undefined &&
      first !== undefined &&
      last !== undefined &&
      first.segment === body.segment &&
      body.offset - (last.offset + last.length) <= NEAR &&
      body.offset + body.length - first.offset <= LONGEST
    )
      run.push(body);
    else runs.push([body]);
  }
  const damage: DamagedBody[] = [];
  const broken = (body: WantedBody): void => {
    body.segment.isDamaged = true;
    const what = `message ${body.number} is not as it was written`;
    const error = damaged(fileName(body.segment.number, "log"), body.offset, what);
    damage.push({ body, error });
  };
  return (resolve, reject) => {
    together(runs.map((run) => readRun(disk, salt, run, take, broken, read)))(
      () => resolve(damage),
      reject,
    );
  };
}

function readRun(
  disk: Disk,
  salt: number,
  run: readonly WantedBody[],
  take: (body: WantedBody, bytes: Uint8Array) => void,
  broken: (body: WantedBody) => void,
  read: ReadSegment,
): Step<void> {
  const first = run[0] as WantedBody;
  const last = run[run.length - 1] as WantedBody;
  const { segment } = first;
  return (resolve, reject) => {
    segment.readers += 1;
    read(
      segment,
      first.offset,
      last.offset + last.length - first.offset,
    )(
      (bytes) => {
        segment.readers -= 1;
        for (const body of run) {
          const start = body.offset - first.offset;
          const part = bytes.subarray(start, start + body.length);
          if (checkBody(part, (some, value) => disk.crc32(some, value), salt) === undefined)
            broken(body);
          else take(body, part);
        }
        resolve();
      },
      (error) => {
        segment.readers -= 1;
        reject(error);
      },
    );
  };
}

/** The message in a body that was checked. Its payload and properties are views of the body. */
export function messageOf(body: Uint8Array): StoredMessage {
  return decodeMessage(new ByteReader(body.subarray(BODY_HEADER)));
}
