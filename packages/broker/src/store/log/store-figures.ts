import type { Position } from "../../engine/ports.ts";
import type { Disk } from "./disk.ts";
import type { LogRecord } from "./log-record.ts";
import { recover } from "./recover.ts";
import type { Recovered } from "./recover.ts";
import { saveRecords } from "./save-records.ts";
import { fileName, parseFileName } from "./segment.ts";
import { contentOf } from "./store-content.ts";
import type { StoreContent } from "./store-content.ts";
import type { StoreWork } from "./store-work.ts";
import { wait } from "./task.ts";
import type { Task } from "./task.ts";

/** A segment as `stat` shows it. Sizes are bytes. */
export interface SegmentFigures {
  readonly file: string;
  readonly bytes: number;
  /** Of the messages in it that are still wanted. */
  readonly liveBytes: number;
  readonly messages: number;
}

/** What a store that nobody has open holds, and what that takes. Sizes are bytes. */
export interface StoreFigures extends StoreContent {
  readonly files: number;
  readonly bytes: number;
  readonly lastBatch: Position;
  readonly segments: readonly SegmentFigures[];
  readonly segmentBytes: number;
  /** Share of the segments that is still wanted, 0…1; 1 where there are none. */
  readonly liveShare: number;
  readonly checkpointBytes: number;
  readonly indexBytes: number;
}

/**
 * Reads what a start would read, and counts. It changes nothing; nobody else may have the directory
 * open meanwhile: lock it first.
 *
 * @param largest  Queues to list.
 * @throws ConnectionError ERR_STORE_DAMAGED or ERR_STORE_NEWER where a start would fail.
 */
export function* statStore(disk: Disk, largest: number): Task<StoreFigures> {
  const entries = (yield* wait(disk.list())).filter(({ name }) => parseFileName(name));
  const found = yield* recover(disk);
  try {
    const sizes = new Map(entries.map(({ name, size }) => [name, size]));
    const segments = found.state.segments.all.map(({ number, live, liveBytes }) => {
      const file = fileName(number, "log");
      return { file, bytes: sizes.get(file) ?? 0, liveBytes, messages: live };
    });
    const sum = (kind: string): number =>
      entries.reduce((bytes, { name, size }) => (name.endsWith(kind) ? bytes + size : bytes), 0);
    const segmentBytes = sum("log");
    const liveBytes = segments.reduce((bytes, segment) => bytes + segment.liveBytes, 0);
    return {
      files: entries.length,
      bytes: sum(""),
      lastBatch: found.position,
      segments,
      segmentBytes,
      liveShare: segmentBytes === 0 ? 1 : liveBytes / segmentBytes,
      checkpointBytes: sum("ckp"),
      indexBytes: sum("idx"),
      ...contentOf(found.state, largest),
    };
  } finally {
    yield* closeFiles(found);
  }
}

/**
 * Gives all that a store keeps, as records in an order in which an empty store may take them. It
 * changes nothing; nobody else may have the directory open meanwhile: lock it first.
 *
 * @throws ConnectionError ERR_STORE_DAMAGED where a start would fail, or a message is not as it was
 * written: `checkStore` gives what can be saved.
 */
export function* exportStore(
  disk: Disk,
  save: (record: LogRecord) => void,
  work: StoreWork = {},
): Task<StoreContent> {
  const found = yield* recover(disk);
  try {
    yield* saveRecords(disk, found.state, found.salt, save, work);
    return contentOf(found.state, 0);
  } finally {
    yield* closeFiles(found);
  }
}

function* closeFiles({ state }: Recovered): Task<void> {
  for (const { file } of state.segments.all) if (file !== undefined) yield* wait(file.close());
}
