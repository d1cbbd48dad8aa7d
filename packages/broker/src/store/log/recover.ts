import type { Position } from "../../engine/ports.ts";
import type { FrameVisitor } from "./batch.ts";
import { readCheckpoint } from "./checkpoint.ts";
import type { ReadCheckpoint } from "./checkpoint.ts";
import type { Disk, DiskEntry, DiskFile } from "./disk.ts";
import { damaged } from "./error-codes.ts";
import { readIndexFile } from "./index-file.ts";
import { LogState } from "./log-state.ts";
import { NOWHERE } from "./message-table.ts";
import { framesBehind, scanFrames } from "./scan.ts";
import type { FoundFrame } from "./scan.ts";
import { decodeFileHeader, fileName, FILE_HEADER, parseFileName } from "./segment.ts";
import type { FileKind, Segment } from "./segment.ts";
import { wait } from "./task.ts";
import type { Task } from "./task.ts";

/** A frame that nobody is known to have flushed; it is written again, to a new file. */
export interface TailFrame {
  readonly position: Position;
  readonly bytes: Uint8Array;
  readonly segment: Segment;
  readonly offset: number;
}

/** What was found in a store's directory. */
export interface Recovered {
  readonly state: LogState;
  readonly salt: number;
  /** The last batch. */
  readonly position: Position;
  /** The last batch that is known to have been flushed. */
  readonly flushed: Position;
  /** What is behind `flushed`, in order. */
  readonly tail: readonly TailFrame[];
  /**
   * Checkpoints that were found. None of them is known to have been flushed: nothing that one
   * stands for may be removed before this process has written one of its own.
   */
  readonly checkpoints: readonly string[];
  /** For the next file of any kind. */
  readonly nextNumber: number;
  /** Files that are of no use: unfinished, superseded, or an index without its segment. */
  readonly garbage: readonly string[];
}

/** A segment's file before it is known what is in it. */
interface Candidate {
  readonly number: number;
  readonly first: Position;
  readonly file: DiskFile;
  readonly size: number;
  segment: Segment | undefined;
}

/** A file whose first bytes are broken. */
interface Headless {
  readonly entry: DiskEntry & { readonly number: number };
  readonly salts: readonly number[];
  readonly file: DiskFile;
}

interface Broken {
  readonly file: string;
  readonly offset: number;
}

/**
 * Reads a store's directory: the newest whole checkpoint, the log behind it, and of older segments
 * the indexes only.
 *
 * @throws ConnectionError ERR_STORE_DAMAGED where something that had been flushed is not whole,
 * ERR_STORE_NEWER where something is of a newer version.
 */
export function* recover(disk: Disk): Task<Recovered> {
  const reading = new Reading(disk);
  try {
    return yield* reading.run();
  } catch (error) {
    yield* reading.close();
    throw error;
  }
}

class Reading {
  readonly #disk: Disk;
  #state = new LogState();
  #salt: number | undefined;
  #checkpoint: ReadCheckpoint | undefined;
  #position: Position = 0;
  #flushed: Position = 0;
  #tail: TailFrame[] = [];
  #broken: Broken | undefined;
  /** Where no checkpoint was whole. */
  #brokenCheckpoint: Broken | undefined;
  /** The one that has the last batch. */
  #lastSegment: Segment | undefined;
  readonly #headless: Headless[] = [];
  readonly #opened = new Set<DiskFile>();
  readonly #garbage: string[] = [];
  readonly #files: Record<FileKind, (DiskEntry & { readonly number: number })[]> = {
    log: [],
    idx: [],
    ckp: [],
  };

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  *run(): Task<Recovered> {
    let highest = 0;
    for (const entry of yield* wait(this.#disk.list())) {
      const parsed = parseFileName(entry.name);
      if (parsed === undefined) continue;
      highest = Math.max(highest, parsed.number);
      this.#files[parsed.kind].push({ ...entry, number: parsed.number });
    }
    for (const files of Object.values(this.#files)) files.sort((a, b) => a.number - b.number);

    yield* this.#readCheckpoints();
    const candidates = yield* this.#openSegments();
    const { behind, before } = this.#divide(candidates);
    for (const candidate of behind) yield* this.#replay(candidate);
    yield* this.#lookBehindBrokenHeaders();
    if (this.#position < this.#flushed) throw this.#missing(this.#position + 1);
    yield* this.#locate(before);
    const missing = this.#state.sweep();
    if (missing !== undefined) {
      const { file, offset } = this.#broken ?? { file: this.#disk.name, offset: 0 };
      throw damaged(file, offset, `message ${missing}, which is still wanted, is not there`);
    }
    this.#state.position = this.#position;
    this.#findGarbage();
    const flushed = Math.min(this.#flushed, this.#position);
    return {
      state: this.#state,
      salt: this.#salt ?? this.#disk.salt(),
      position: this.#position,
      flushed,
      tail: this.#tail.filter(({ position }) => position > flushed),
      checkpoints: this.#files.ckp
        .map(({ name }) => name)
        .filter((name) => !this.#garbage.includes(name)),
      nextNumber: highest + 1,
      garbage: this.#garbage,
    };
  }

  /** Closes what was opened. */
  *close(): Task<void> {
    for (const file of this.#opened) yield* wait(file.close());
  }

  /** Takes in the newest whole checkpoint. */
  *#readCheckpoints(): Task<void> {
    for (const { name, number, size } of [...this.#files.ckp].reverse()) {
      const state = new LogState();
      const file = yield* wait(this.#disk.open(name));
      let read: ReadCheckpoint | undefined;
      try {
        read = yield* readCheckpoint(this.#disk, file, number, size, (record) =>
          state.apply(record),
        );
      } finally {
        yield* wait(file.close());
      }
      if (read === undefined) {
        this.#garbage.push(name);
        this.#brokenCheckpoint ??= { file: name, offset: 0 };
        continue;
      }
      this.#brokenCheckpoint = undefined;
      this.#checkpoint = read;
      this.#state = state;
      this.#salt = read.salt;
      this.#position = read.position;
      this.#flushed = read.seen;
      return;
    }
  }

  *#openSegments(): Task<Candidate[]> {
    const candidates: Candidate[] = [];
    for (const entry of this.#files.log) {
      const file = yield* wait(this.#disk.open(entry.name));
      this.#opened.add(file);
      const start = yield* wait(file.read(0, FILE_HEADER));
      const header = decodeFileHeader("log", start, (bytes, value) =>
        this.#disk.crc32(bytes, value),
      );
      if (header?.number !== entry.number) {
        this.#headless.push({ entry, salts: saltsOf(start), file });
        continue;
      }
      this.#salt ??= header.salt;
      // A file is made only when all before it is flushed.
      this.#flushed = Math.max(this.#flushed, header.position - 1);
      candidates.push(this.#candidate(entry, header.position, file));
    }
    for (const headless of this.#headless.splice(0)) {
      const { entry, file } = headless;
      const first = yield* this.#firstFrame(headless);
      if (first === undefined) this.#headless.push(headless);
      else candidates.push(this.#candidate(entry, first, file));
    }
    candidates.sort((a, b) => a.number - b.number);
    for (const candidate of candidates) {
      const segment = this.#state.segments.add(candidate.number, candidate.first);
      segment.file = candidate.file;
      segment.isSealed = true;
      candidate.segment = segment;
    }
    return candidates;
  }

  #candidate(entry: DiskEntry & { number: number }, first: Position, file: DiskFile): Candidate {
    // The segment comes when all are known: they are kept in the order of their numbers.
    return { number: entry.number, first, file, size: entry.size, segment: undefined };
  }

  /** First batch of a file whose header is broken, where the frame behind it is whole. */
  *#firstFrame({ entry, salts, file }: Headless): Task<Position | undefined> {
    for (const salt of this.#salt === undefined ? salts : [this.#salt]) {
      let first: Position | undefined;
      yield* scanFrames(this.#disk, file, entry.size, salt, (found) => {
        first ??= found.frame.header.position;
      });
      if (first === undefined) continue;
      this.#salt ??= salt;
      return first;
    }
    return undefined;
  }

  /**
   * The segments that may have batches behind the checkpoint, and those that have none. A segment
   * that begins right behind the checkpoint may be an unfinished copy of what the one before it
   * holds, so that one is read too.
   */
  #divide(candidates: readonly Candidate[]): { behind: Candidate[]; before: Candidate[] } {
    const behind: Candidate[] = [];
    const before: Candidate[] = [];
    for (const [index, candidate] of candidates.entries()) {
      const next = candidates[index + 1];
      if (next !== undefined && next.first <= this.#position) before.push(candidate);
      else behind.push(candidate);
    }
    return { behind, before };
  }

  *#replay(candidate: Candidate): Task<void> {
    const { size } = candidate;
    const segment = candidate.segment as Segment;
    const name = fileName(segment.number, "log");
    const file = segment.file as DiskFile;
    const salt = this.#salt ?? 0;
    let isGap = false;
    const end = yield* scanFrames(this.#disk, file, size, salt, (found) => {
      if (isGap) return;
      const { position, flushed } = found.frame.header;
      this.#flushed = Math.max(this.#flushed, flushed);
      if (position > this.#position + 1) {
        isGap = true;
        return;
      }
      this.#take(found, segment);
    });
    if (isGap) {
      // Something is missing in front of this segment: cut there, unless it had been flushed.
      if (this.#position < this.#flushed) throw this.#missing(this.#position + 1);
      segment.index?.cut(0);
      segment.size = FILE_HEADER;
      return;
    }
    segment.size = end.offset;
    segment.flushed = end.offset;
    if (!end.isBroken) return;
    this.#broken = { file: name, offset: end.offset };
    const stated = yield* this.#flushedBehind(file, end.offset + 1, size, salt);
    this.#flushed = Math.max(this.#flushed, stated);
  }

  /** The highest flushed position that a frame behind a broken place states; 0 where there is none. */
  *#flushedBehind(file: DiskFile, from: number, size: number, salt: number): Task<Position> {
    let stated = 0;
    yield* framesBehind(this.#disk, file, from, size, salt, ({ frame: { header } }) => {
      // What is left of an earlier try at the same batches says nothing new.
      if (header.position > this.#position) stated = Math.max(stated, header.flushed);
    });
    return stated;
  }

  /** A whole frame: news, or a newer copy of one that is known, or what the checkpoint has. */
  #take(found: FoundFrame, segment: Segment): void {
    const { frame, offset } = found;
    const { position } = frame.header;
    const state = this.#state;
    const isNews = position > this.#position;
    const isOld = position <= (this.#checkpoint?.position ?? 0);
    const visitor: FrameVisitor = {
      record: (record) => {
        if (isNews) state.apply(record);
      },
      body: (number, at, length, isMoved) => {
        segment.index?.add(number, offset + at, length);
        if (isOld) return;
        if (isNews && !isMoved) state.addMessage(number, segment, offset + at, length);
        else if (isMoved || state.messages.find(number))
          state.moveMessage(number, segment, offset + at, length);
      },
    };
    state.position = position;
    frame.visit(visitor);
    if (position > segment.last) segment.last = position;
    if (isNews) {
      this.#position = position;
      this.#lastSegment = segment;
    }
    if (isOld) return;
    const kept = { position, bytes: found.bytes, segment, offset };
    const known = isNews ? -1 : this.#tail.findIndex((before) => before.position === position);
    if (known >= 0) this.#tail[known] = kept;
    else if (isNews) this.#tail.push(kept);
    const sure = this.#tail.findIndex((before) => before.position > this.#flushed);
    if (sure !== 0) this.#tail.splice(0, sure < 0 ? this.#tail.length : sure);
  }

  /** A segment whose first bytes are broken may have held what was flushed. */
  *#lookBehindBrokenHeaders(): Task<void> {
    for (const { entry, salts, file } of this.#headless) {
      const known = this.#salt === undefined ? salts : [this.#salt, ...salts];
      let flushed = 0;
      for (const salt of new Set(known))
        flushed = Math.max(flushed, yield* this.#flushedBehind(file, 0, entry.size, salt));
      this.#opened.delete(file);
      yield* wait(file.close());
      if (flushed > this.#position) throw damaged(entry.name, 0, "its header is broken");
      this.#broken ??= { file: entry.name, offset: 0 };
      this.#garbage.push(entry.name);
    }
  }

  #missing(position: Position): Error {
    const what = `batch ${position} had been flushed and is not there`;
    const place = this.#broken ?? this.#brokenCheckpoint;
    if (place !== undefined) return damaged(place.file, place.offset, what);
    const headless = this.#headless[0];
    if (headless !== undefined) return damaged(headless.entry.name, 0, what);
    const last = this.#lastSegment ?? this.#state.segments.all[0];
    if (last === undefined) return damaged(this.#disk.name, 0, what);
    return damaged(fileName(last.number, "log"), last.size, what);
  }

  /** Finds the bodies that are still wanted in segments that need not be replayed. */
  *#locate(before: readonly Candidate[]): Task<void> {
    const state = this.#state;
    const behind = state.segments.all.filter(
      (segment) => !before.some((candidate) => candidate.segment === segment),
    );
    const take = (segment: Segment): void => {
      const { index } = segment;
      if (index === undefined) return;
      const { messages } = state;
      for (let at = 0; at < index.count; at += 1) {
        const number = index.numbers[at] as number;
        if (!messages.find(number)) continue;
        // A copy in a later segment has the place.
        if (messages.slot !== NOWHERE && state.segments.at(messages.slot).number > segment.number)
          continue;
        messages.place(
          number,
          segment.slot,
          index.offsets[at] as number,
          index.lengths[at] as number,
        );
      }
    };
    const indexes = new Map(this.#files.idx.map((entry) => [entry.number, entry]));
    for (const { segment: known, size } of before) {
      const segment = known as Segment;
      const entry = indexes.get(segment.number);
      const read =
        entry === undefined
          ? undefined
          : yield* readIndexFile(this.#disk, segment.number, entry.size, this.#salt ?? 0);
      if (read !== undefined) {
        segment.index = read.index;
        segment.last = read.last;
        segment.size = read.size;
        segment.hasIndexFile = true;
      } else {
        if (entry !== undefined) this.#garbage.push(entry.name);
        yield* this.#scanForIndex(segment, size);
      }
      segment.flushed = segment.size;
      take(segment);
      if (segment.hasIndexFile) segment.index = undefined;
    }
    for (const segment of behind) {
      take(segment);
      const entry = indexes.get(segment.number);
      if (entry === undefined) continue;
      const { number } = segment;
      const read = yield* readIndexFile(this.#disk, number, entry.size, this.#salt ?? 0);
      segment.hasIndexFile = read?.size === segment.size && read.last === segment.last;
      if (!segment.hasIndexFile) this.#garbage.push(entry.name);
    }
  }

  *#scanForIndex(segment: Segment, size: number): Task<void> {
    const file = segment.file as DiskFile;
    const end = yield* scanFrames(this.#disk, file, size, this.#salt ?? 0, (found) => {
      segment.last = Math.max(segment.last, found.frame.header.position);
      found.frame.visit({
        record: () => undefined,
        body: (number, at, length) => segment.index?.add(number, found.offset + at, length),
      });
    });
    segment.size = end.offset;
    if (end.isBroken)
      this.#broken ??= { file: fileName(segment.number, "log"), offset: end.offset };
  }

  #findGarbage(): void {
    const numbers = new Set(this.#files.log.map(({ number }) => number));
    for (const { name, number } of this.#files.idx)
      if (!numbers.has(number) && !this.#garbage.includes(name)) this.#garbage.push(name);
  }
}

/** What may be the salt of a file whose header is broken. */
function saltsOf(start: Uint8Array): number[] {
  if (start.length < 16) return [];
  const view = new DataView(start.buffer, start.byteOffset, 16);
  return [view.getUint32(8, true), view.getUint32(12, true)];
}
