import type { Position } from "../../engine/ports.ts";
import { writeCheckpoint } from "./checkpoint.ts";
import type { CheckpointLog } from "./checkpoint.ts";
import { compactSegment } from "./compact.ts";
import type { CompactLog } from "./compact.ts";
import type { Disk } from "./disk.ts";
import type { StoreErrorCode } from "./error-codes.ts";
import { writeIndexFile } from "./index-file.ts";
import { fileName } from "./segment.ts";
import type { Segment } from "./segment.ts";
import { goOn } from "./store-work.ts";
import type { StoreWork } from "./store-work.ts";
import { stepOf, wait } from "./task.ts";
import type { Task } from "./task.ts";

/** Every start begins a segment. So many are allowed behind a checkpoint, and so many small ones. */
const SEGMENTS = 16;
/** Small is a segment below this share of a full one. */
const SMALL = 1 / 16;
/** Whoever asks for all to be compacted has segments copied of which less than this is wanted. */
const DENSE = 0.9;

/** When a log is tidied. */
export interface HousekeepingOptions {
  /** Of a full segment. Bytes. */
  readonly segmentBytes: number;
  /** A checkpoint is made after so much log. Bytes. */
  readonly checkpointBytes: number;
  /** A sealed segment is copied forward when less than this share of it is referred to, 0…1. */
  readonly compactBelow: number;
  /** So many full segments may be wasted before anything is copied forward. */
  readonly compactSlack: number;
  /** Bound of all segments. Bytes. */
  readonly maximumBytes: number;
  /** What failed is tried again after so long. Milliseconds. */
  readonly retryMs: number;
}

/** What housekeeping needs of the log. */
export interface HousekeptLog extends CheckpointLog, CompactLog {
  /** The last write failed: nothing can be written. */
  readonly isRefusing: boolean;
  /** Space is short: there is none to waste. */
  readonly isShort: boolean;
  /** Everything that a start took in is flushed. */
  readonly isSettled: boolean;
  flushedPosition(): Position;
  takeNumber(): number;
  failed(error: Error): void;
}

/** What there is on the disk beside the log. */
export interface HousekeepingStart {
  readonly checkpoints: readonly string[];
  readonly garbage: readonly string[];
}

/** Does one thing at a time beside the log: removes, indexes, checkpoints, copies forward. */
export class Housekeeping {
  readonly #disk: Disk;
  readonly #log: HousekeptLog;
  readonly #options: HousekeepingOptions;
  #garbage: string[];
  #checkpoint: Position = 0;
  #checkpointBytes = 0;
  /** Files that the next checkpoint takes the place of. */
  #checkpoints: readonly string[];
  /** The segment that was written to when the newest checkpoint was begun, and its length then. */
  #begun: { readonly segment: Segment | undefined; readonly size: number } = {
    segment: undefined,
    size: 0,
  };
  #isMerging = false;
  #isBusy = false;
  #isStopped = false;
  /** After a failure, until the time to try again. */
  #isPausing = false;
  #cancelPause: (() => void) | undefined;
  #onStopped: (() => void) | undefined;
  /** Takes over from what runs. */
  #onEnd: (() => void) | undefined;

  constructor(
    disk: Disk,
    log: HousekeptLog,
    options: HousekeepingOptions,
    start: HousekeepingStart,
  ) {
    this.#disk = disk;
    this.#log = log;
    this.#options = options;
    this.#garbage = [...start.garbage];
    this.#checkpoints = start.checkpoints;
  }

  /** The last batch that the newest checkpoint of this process holds whole; 0 before it. */
  get checkpoint(): Position {
    return this.#checkpoint;
  }

  /** Does what is due, if anything is. */
  look(): void {
    if (this.#isBusy || this.#isStopped || !this.#log.isSettled) return;
    const task = this.#due();
    if (task === undefined) return;
    this.#isBusy = true;
    stepOf(task)(
      () => {
        this.#isBusy = false;
        this.#end();
        this.look();
      },
      (error) => {
        if (!this.#isStopped) this.#log.failed(error);
        // Not again at once: what failed may have been long.
        this.#cancelPause = this.#disk.later(this.#options.retryMs, () => {
          this.#isBusy = false;
          this.#isPausing = false;
          this.look();
        });
        this.#isPausing = true;
        this.#end();
      },
    );
  }

  /** Begins nothing more; resumes when nothing runs. */
  *stop(): Task<void> {
    this.#isStopped = true;
    this.#cancelPause?.();
    if (!this.#isBusy || this.#isPausing) return;
    yield* wait<void>((resolve) => {
      this.#onStopped = () => resolve();
    });
  }

  /**
   * Does all at once that would be due some time or other, and more: what is wanted of segments is
   * copied together where that makes them smaller.
   */
  *compact(work: StoreWork): Task<void> {
    if (this.#isBusy && !this.#isPausing)
      yield* wait<void>((resolve) => {
        this.#onEnd = () => resolve();
      });
    this.#cancelPause?.();
    this.#isPausing = false;
    this.#isBusy = true;
    try {
      yield* this.#compactAll(work);
    } finally {
      this.#isBusy = false;
      this.#end();
    }
    this.look();
  }

  *#compactAll(work: StoreWork): Task<void> {
    const { segments } = this.#log.state;
    yield* this.#removeAll();
    yield* this.#writeCheckpoint();
    yield* this.#removeAll();
    // Only those of now: of copies, however dense, another copy could be made for ever.
    const small = segments.all.filter((segment) => this.#isSmall(segment));
    const sparse = segments.all.filter(
      (segment) =>
        this.#isMovable(segment) &&
        (segment.liveBytes < segment.size * DENSE || (small.length > 1 && small.includes(segment))),
    );
    const ofBytes = sparse.reduce((sum, { size }) => sum + size, 0);
    let bytes = 0;
    for (const segment of sparse) {
      if (!this.#isMovable(segment)) continue;
      yield* goOn(this.#disk, work, { step: "compact", bytes, ofBytes });
      bytes += segment.size;
      try {
        yield* compactSegment(this.#disk, this.#log, segment);
      } catch (error) {
        const { code } = error as { code?: string };
        if (code !== ("ERR_STORE_DAMAGED" satisfies StoreErrorCode)) throw error;
        // It stays as it is; the others are compacted all the same.
        this.#log.failed(error as Error);
      }
      yield* this.#removeAll();
    }
    if (sparse.length === 0) return;
    // Else the next start would read every copy.
    yield* this.#writeCheckpoint();
    yield* this.#removeAll();
  }

  /** Removes all that may go, and writes the indexes that are missing. */
  *#removeAll(): Task<void> {
    for (let task = this.#tidying(); task !== undefined; task = this.#tidying()) yield* task;
  }

  #end(): void {
    this.#onEnd?.();
    this.#onEnd = undefined;
    if (this.#isStopped) this.#onStopped?.();
  }

  #due(): Task<void> | undefined {
    const task = this.#tidying();
    if (task !== undefined) return task;
    if (this.#log.isRefusing) return undefined;
    if (this.#isCheckpointDue()) return this.#writeCheckpoint();
    const sparse = (this.#isWasteful() ? this.#sparsest() : undefined) ?? this.#smallest();
    return sparse === undefined ? undefined : compactSegment(this.#disk, this.#log, sparse);
  }

  /** What can be removed, or lacks an index. */
  #tidying(): Task<void> | undefined {
    const { segments } = this.#log.state;
    if (this.#garbage.length > 0) return this.#removeGarbage();
    const dead = segments.all.find((segment) => this.#isDead(segment));
    if (dead !== undefined) return this.#remove(dead);
    // What is above makes room; all else takes some.
    if (this.#log.isRefusing) return undefined;
    const bare = segments.all.find(
      (segment) => segment.isSealed && !segment.hasIndexFile && segment.flushed === segment.size,
    );
    return bare === undefined ? undefined : this.#writeIndex(bare);
  }

  /**
   * No message in it is wanted, for sure and on the disk, and all else is in the checkpoint; or
   * nothing of it was ever flushed.
   */
  #isDead(segment: Segment): boolean {
    if (!segment.isSealed || segment.live > 0 || segment.readers > 0) return false;
    if (segment.last < segment.first) return true;
    return segment.emptiedAt <= this.#log.flushedPosition() && segment.last <= this.#checkpoint;
  }

  #isCheckpointDue(): boolean {
    let bytes = 0;
    let count = 0;
    for (const segment of this.#log.state.segments.all) {
      if (segment.last <= this.#checkpoint) continue;
      bytes += segment.size;
      count += 1;
      if (segment === this.#begun.segment) bytes -= this.#begun.size;
      if (segment.isSealed && segment.live === 0 && segment.last >= segment.first) return true;
    }
    if (count > SEGMENTS) return true;
    // A large state is written less often.
    return bytes >= Math.max(this.#options.checkpointBytes, 2 * this.#checkpointBytes);
  }

  #isWasteful(): boolean {
    if (this.#log.isShort) return true;
    const { compactSlack, segmentBytes, maximumBytes } = this.#options;
    let wasted = 0;
    for (const segment of this.#log.state.segments.all)
      if (segment.isSealed) wasted += segment.size - segment.liveBytes;
    return wasted > Math.min(compactSlack * segmentBytes, maximumBytes / 4);
  }

  /** The segment that gives the most space for what is copied, where one is worth it. */
  #sparsest(): Segment | undefined {
    let sparsest: Segment | undefined;
    let share = this.#options.compactBelow;
    for (const segment of this.#log.state.segments.all) {
      const wanted = segment.liveBytes / segment.size;
      if (wanted >= share || !this.#isMovable(segment)) continue;
      share = wanted;
      sparsest = segment;
    }
    return sparsest;
  }

  /** A small segment, where there are too many of them. */
  #smallest(): Segment | undefined {
    const small = this.#log.state.segments.all.filter((segment) => this.#isSmall(segment));
    // Once begun, half of them go, so that not every start has to.
    this.#isMerging = small.length > (this.#isMerging ? SEGMENTS / 2 : SEGMENTS);
    return this.#isMerging ? small[0] : undefined;
  }

  #isSmall(segment: Segment): boolean {
    return segment.size < this.#options.segmentBytes * SMALL && this.#isMovable(segment);
  }

  #isMovable(segment: Segment): boolean {
    return (
      segment.isSealed &&
      !segment.isDamaged &&
      segment.hasIndexFile &&
      segment.live > 0 &&
      segment.last <= this.#checkpoint
    );
  }

  *#removeGarbage(): Task<void> {
    for (let name = this.#garbage[0]; name !== undefined; name = this.#garbage[0]) {
      yield* wait(this.#disk.unlink(name));
      this.#garbage.shift();
    }
  }

  *#remove(segment: Segment): Task<void> {
    const { file } = segment;
    segment.file = undefined;
    if (file !== undefined) yield* wait(file.close());
    yield* wait(this.#disk.unlink(fileName(segment.number, "idx")));
    yield* wait(this.#disk.unlink(fileName(segment.number, "log")));
    this.#log.state.segments.remove(segment);
  }

  *#writeIndex(segment: Segment): Task<void> {
    segment.hasIndexFile = true;
    try {
      yield* writeIndexFile(this.#disk, segment, this.#log.salt);
    } catch (error) {
      segment.hasIndexFile = false;
      this.#garbage.push(fileName(segment.number, "idx"));
      throw error;
    }
    segment.index = undefined;
  }

  *#writeCheckpoint(): Task<void> {
    const number = this.#log.takeNumber();
    const segment = this.#log.state.segments.all.at(-1);
    const begun = { segment, size: segment?.size ?? 0 };
    let written: { position: Position; bytes: number };
    try {
      written = yield* writeCheckpoint(this.#disk, this.#log, number);
    } catch (error) {
      this.#garbage.push(fileName(number, "ckp"));
      throw error;
    }
    this.#garbage.push(...this.#checkpoints);
    this.#checkpoint = written.position;
    this.#checkpointBytes = written.bytes;
    this.#checkpoints = [fileName(number, "ckp")];
    this.#begun = begun;
  }
}
