import type { MessageNumber, Position } from "../../engine/ports.ts";
import { BatchBuilder, FRAME_HEADER } from "./batch.ts";
import type { Disk, DiskFile } from "./disk.ts";
import type { LogState } from "./log-state.ts";
import { encodeFileHeader, fileName, FILE_HEADER } from "./segment.ts";
import type { Segment } from "./segment.ts";
import { stepOf, wait } from "./task.ts";
import type { Task } from "./task.ts";

/** How a log is written. Sizes are bytes, times milliseconds. */
export interface WriterOptions {
  /** "strict": a batch counts once it is flushed; "relaxed": once it is written. */
  readonly durability: "strict" | "relaxed";
  /** A segment of this size gets no more batches. */
  readonly segmentBytes: number;
  /** Nor one with so many messages, so that its index stays small. */
  readonly segmentMessages: number;
  /** At most so much goes out in one write and flush. */
  readonly writeBytes: number;
  /** Relaxed: time between flushes. */
  readonly flushEveryMs: number;
  /** Relaxed: flush earlier where so much is written and not flushed. */
  readonly flushBytes: number;
  /** Time after which a refusing disk is tried again. */
  readonly retryMs: number;
}

/** What a writer tells. Never from inside `add`. */
export interface WriterEvents {
  /** `durable` or `flushed` rose. */
  written(): void;
  /** These bytes of a segment are flushed; they are the writer's again when this returns. */
  flushed(segment: Segment, offset: number, bytes: Uint8Array): void;
  /** A write or flush failed; it will be tried again. */
  failed(error: Error): void;
}

/** A closed batch that has not been flushed. */
interface Pending {
  readonly position: Position;
  readonly bytes: Uint8Array;
  segment: Segment;
  offset: number;
}

/**
 * Writes and flushes closed batches: one flush at a time, and what is closed meanwhile goes with
 * the next. All that has not been flushed stays in memory, for when a flush fails: the file is then
 * left alone for ever, and everything behind its last good flush goes to a new one.
 */
export class LogWriter {
  readonly #disk: Disk;
  readonly #state: LogState;
  readonly #options: WriterOptions;
  readonly #events: WriterEvents;
  readonly #salt: number;
  readonly builder: BatchBuilder;
  /** Closed and not flushed, oldest first. */
  #pending: Pending[] = [];
  #pendingBytes = 0;
  /** Of `#pending`, those that are written. */
  #written = 0;
  #writtenBytes = 0;
  #active: Segment | undefined;
  readonly #takeNumber: () => number;
  #flushed: Position;
  #durable: Position;
  #isRunning = false;
  #isFlushDue = false;
  #cancelTimer: (() => void) | undefined;
  #failure: Error | undefined;
  #isClosing = false;
  /** For the time to try again. */
  #isWaiting = false;

  /** `takeNumber` gives the number of a new file, `flushed` is the last batch that is on the disk. */
  constructor(
    disk: Disk,
    state: LogState,
    options: WriterOptions,
    events: WriterEvents,
    start: { salt: number; takeNumber: () => number; flushed: Position },
  ) {
    this.#disk = disk;
    this.#state = state;
    this.#options = options;
    this.#events = events;
    this.#salt = start.salt;
    this.#takeNumber = start.takeNumber;
    this.#flushed = start.flushed;
    this.#durable = start.flushed;
    this.builder = new BatchBuilder((bytes, value) => disk.crc32(bytes, value), start.salt);
  }

  /** Every batch up to here is flushed. */
  get flushed(): Position {
    return this.#flushed;
  }

  /** Every batch up to here counts as durable. */
  get durable(): Position {
    return this.#durable;
  }

  /** Closed batches that are not flushed. Bytes. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Why the last write failed, until one succeeds. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  get isIdle(): boolean {
    return this.#pending.length === 0 && !this.#isRunning;
  }

  /** The segment that the open batch will go to; `first` is its position, where a new one is begun. */
  segmentFor(first: Position): Segment {
    const active = this.#active;
    const { segmentBytes, segmentMessages } = this.#options;
    if (
      active !== undefined &&
      (!this.builder.isEmpty ||
        (active.size < segmentBytes && (active.index?.count ?? 0) < segmentMessages))
    )
      return active;
    if (active !== undefined) active.isSealed = true;
    return (this.#active = this.#newSegment(first));
  }

  /** Closes the open batch, and begins to write it if nothing else is being written. */
  close(position: Position): void {
    const segment = this.segmentFor(position);
    this.add(position, this.builder.close(position, this.#flushed), segment);
    this.#run();
  }

  /** Adds a frame behind all others without writing yet. */
  add(position: Position, bytes: Uint8Array, segment: Segment): void {
    this.#pending.push({ position, bytes, segment, offset: segment.size });
    this.#pendingBytes += bytes.length;
    segment.size += bytes.length;
    segment.last = position;
  }

  /** Writes and flushes what was added. */
  flushNow(): void {
    this.#isFlushDue = true;
    this.#run();
  }

  /** A body that is not flushed yet, or `undefined` where the file has it. */
  peek(segment: Segment, offset: number, length: number): Uint8Array | undefined {
    if (offset < segment.flushed) return undefined;
    if (segment === this.#active && offset >= segment.size)
      return this.builder.body(offset - segment.size, length);
    const pending = this.#pending;
    let low = 0;
    let high = pending.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const at = pending[middle] as Pending;
      if (
        at.segment.number < segment.number ||
        (at.segment === segment && at.offset + at.bytes.length <= offset)
      )
        low = middle + 1;
      else high = middle;
    }
    const found = pending[low];
    if (found === undefined || found.segment !== segment || found.offset > offset) return undefined;
    return found.bytes.subarray(offset - found.offset, offset - found.offset + length);
  }

  /** From now on everything is flushed at once; a failure is not tried again by itself. */
  finish(): void {
    this.#isClosing = true;
    this.#isFlushDue = true;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (this.#isWaiting) this.#isRunning = false;
    this.#isWaiting = false;
    this.#run();
  }

  /** Stops what waits. */
  stop(): void {
    this.#isClosing = true;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#isRunning = true;
  }

  #newSegment(first: Position): Segment {
    return this.#state.segments.add(this.#takeNumber(), first);
  }

  #run(): void {
    if (this.#isRunning || this.#pending.length === 0) return;
    if (this.#written === this.#pending.length && !this.#mustFlush()) return;
    this.#isRunning = true;
    stepOf(this.#writeSome())(
      () => {
        this.#isRunning = false;
        this.#failure = undefined;
        this.#run();
        this.#events.written();
      },
      (error) => this.#fail(error),
    );
  }

  #mustFlush(): boolean {
    if (this.#options.durability === "strict" || this.#isFlushDue) return true;
    const first = this.#pending[0];
    const next = this.#pending[this.#written];
    // A new file says that all before it was flushed.
    return (
      this.#writtenBytes >= this.#options.flushBytes ||
      (next !== undefined && next.segment !== first?.segment)
    );
  }

  /** One write of what is closed, up to a limit and within one segment; then the flush. */
  *#writeSome(): Task<void> {
    const pending = this.#pending;
    const { segment } = pending[0] as Pending;
    let isNew = false;
    if (segment.file === undefined) {
      segment.file = yield* wait(this.#disk.create(fileName(segment.number, "log")));
      const header = { salt: this.#salt, number: segment.number, position: segment.first };
      yield* writeAll(
        segment.file,
        0,
        encodeFileHeader("log", header, (bytes, value) => this.#disk.crc32(bytes, value)),
      );
      isNew = true;
    }
    const { file } = segment;
    let end = this.#written;
    let bytes = 0;
    while (end < pending.length && bytes < this.#options.writeBytes) {
      const next = pending[end] as Pending;
      if (next.segment !== segment) break;
      bytes += next.bytes.length;
      end += 1;
    }
    for (const range of joined(pending, this.#written, end))
      yield* writeAll(file, range.offset, range.bytes);
    this.#written = end;
    this.#writtenBytes += bytes;
    if (isNew || this.#mustFlush()) {
      this.#isFlushDue = this.#isClosing;
      const last = pending[end - 1] as Pending;
      yield* wait(file.flush());
      if (isNew) yield* wait(this.#disk.flushDirectory());
      segment.flushed = last.offset + last.bytes.length;
      this.#flushed = last.position;
      for (const { bytes: flushed, offset } of pending.splice(0, end)) {
        this.#events.flushed(segment, offset, flushed);
        this.#pendingBytes -= flushed.length;
        this.builder.release(flushed);
      }
      this.#written = 0;
      this.#writtenBytes = 0;
      this.#durable = Math.max(this.#durable, this.#flushed);
    } else {
      this.#durable = (pending[end - 1] as Pending).position;
      this.#cancelTimer ??= this.#disk.later(this.#options.flushEveryMs, () => {
        this.#cancelTimer = undefined;
        this.#isFlushDue = true;
        this.#run();
      });
    }
  }

  #fail(error: Error): void {
    this.#failure = error;
    this.#abandon();
    this.#events.failed(error);
    if (this.#isClosing) return;
    this.#cancelTimer?.();
    this.#isWaiting = true;
    this.#cancelTimer = this.#disk.later(this.#options.retryMs, () => {
      this.#cancelTimer = undefined;
      this.#isWaiting = false;
      this.#isRunning = false;
      this.#run();
    });
  }

  /** Gives everything that is not flushed, and the open batch, places in a new segment. */
  #abandon(): void {
    const pending = this.#pending;
    const first = pending[0] as Pending;
    const fresh = this.#newSegment(first.position);
    const moves: { number: MessageNumber; offset: number; length: number }[] = [];
    const move = (from: Segment, start: number, end: number, to: number): void => {
      const { index } = from;
      if (index === undefined) return;
      for (let at = lowerBound(index.offsets, start); at < index.count; at += 1) {
        const offset = index.offsets[at] as number;
        if (offset >= end) break;
        moves.push({
          number: index.numbers[at] as number,
          offset: offset - start + to,
          length: index.lengths[at] as number,
        });
      }
    };
    const left = new Map<Segment, { offset: number; position: Position }>();
    for (const frame of pending) {
      if (!left.has(frame.segment))
        left.set(frame.segment, { offset: frame.offset, position: frame.position - 1 });
      move(frame.segment, frame.offset, frame.offset + frame.bytes.length, fresh.size);
      frame.segment = fresh;
      frame.offset = fresh.size;
      fresh.size += frame.bytes.length;
      fresh.last = frame.position;
    }
    const active = this.#active as Segment;
    if (!this.builder.isEmpty) move(active, active.size, Infinity, fresh.size);
    if (!left.has(active)) left.set(active, { offset: active.size, position: active.last });
    this.#active = fresh;
    this.#written = 0;
    this.#writtenBytes = 0;
    for (const { number, offset, length } of moves) {
      fresh.index?.add(number, offset, length);
      const { messages } = this.#state;
      // It may have been let go meanwhile.
      if (messages.find(number)) this.#state.moveMessage(number, fresh, offset, length);
    }
    for (const [segment, { offset, position }] of left) {
      segment.isSealed = true;
      segment.size = offset;
      segment.last = Math.max(position, segment.first - 1);
      segment.flushed = offset;
      segment.index?.cut(offset);
    }
  }
}

/** Writes all of it, however little goes at a time. */
export function* writeAll(file: DiskFile, offset: number, bytes: Uint8Array): Task<void> {
  for (let done = 0; done < bytes.length;)
    done += yield* wait(file.write(offset + done, done === 0 ? bytes : bytes.subarray(done)));
}

/** Frames that follow each other in memory too are one range. */
function joined(
  pending: readonly Pending[],
  start: number,
  end: number,
): { offset: number; bytes: Uint8Array }[] {
  const ranges: { offset: number; bytes: Uint8Array }[] = [];
  for (let index = start; index < end; index += 1) {
    const { bytes, offset } = pending[index] as Pending;
    const last = ranges[ranges.length - 1];
    if (
      last !== undefined &&
      last.bytes.buffer === bytes.buffer &&
      last.bytes.byteOffset + last.bytes.length === bytes.byteOffset
    )
      last.bytes = new Uint8Array(
        bytes.buffer,
        last.bytes.byteOffset,
        last.bytes.length + bytes.length,
      );
    else ranges.push({ offset, bytes });
  }
  return ranges;
}

function lowerBound(sorted: readonly number[], value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A frame is never shorter; segments below this size hold nothing. */
export const SMALLEST_SEGMENT = FILE_HEADER + FRAME_HEADER;
