import type { MessageNumber, Position, SessionKey } from "../../engine/ports.ts";
import { readCheckpoint } from "./checkpoint.ts";
import type { Disk, DiskEntry, DiskFile } from "./disk.ts";
import { readIndexFile } from "./index-file.ts";
import { LogState } from "./log-state.ts";
import { NOWHERE } from "./message-table.ts";
import { PositionSet } from "./positions.ts";
import type { PositionRange } from "./positions.ts";
import { readBodies } from "./reading.ts";
import type { WantedBody } from "./reading.ts";
import type { LogRecord } from "./log-record.ts";
import type { Recovered } from "./recover.ts";
import { salvageCheckpoint } from "./salvage-checkpoint.ts";
import { framesBehind, scanFrames } from "./scan.ts";
import type { FoundFrame } from "./scan.ts";
import { decodeFileHeader, fileName, FILE_HEADER, parseFileName } from "./segment.ts";
import type { Segment } from "./segment.ts";
import type { StoreWork } from "./store-work.ts";
import { wait } from "./task.ts";
import type { Task } from "./task.ts";

/** Progress is told after so much. Bytes. */
const PART = 4 << 20;

/** A place in a file where something is not as it was written. */
export interface StoreDamage {
  readonly file: string;
  /** Bytes from the file's start. */
  readonly offset: number;
  readonly what: string;
}

/** Bytes of a segment that are no whole batch. */
interface Gap {
  readonly segment: Segment;
  readonly offset: number;
  readonly end: number;
  /** Batch before it in the file; 0 where none is. */
  readonly after: Position;
  /** Batch behind it in the file. */
  readonly before: Position | undefined;
}

/**
 * Reads all of a store, every body too, and finds out what is damaged and what that costs.
 *
 * Where a start would take the store, its state is what the start takes; else it is all that can
 * be pieced together from what is whole.
 */
export class Survey {
  readonly #disk: Disk;
  readonly #work: StoreWork;
  readonly #opens: boolean;
  readonly state: LogState;
  readonly damage: StoreDamage[] = [];
  /** Messages that something names and that cannot be read. */
  readonly lostMessages = new Set<MessageNumber>();
  /** Batches that had been flushed and are not there. */
  lostBatches: readonly PositionRange[] = [];
  /** Sessions of which later records tell, and whose beginning is not there. */
  readonly lostSessions = new Set<SessionKey>();
  batches = 0;
  lastBatch: Position = 0;
  #salt: number | undefined;
  #checkpoint: Position = 0;
  /** The highest batch of which something says that it was flushed. */
  #flushed: Position = 0;
  /** Sessions up to here may have ended before what is read here begins. */
  #knownSessions: SessionKey = 0;
  readonly #ended = new Set<SessionKey>();
  readonly #seen = new PositionSet();
  /** By slot. */
  readonly #gaps = new Map<number, Gap[]>();
  /** Lengths of segments, by slot. Bytes. */
  readonly #sizes = new Map<number, number>();
  /** Offsets of bad bodies, by slot. */
  readonly #badBodies = new Map<number, Set<number>>();
  readonly #files: DiskFile[] = [];
  #done = 0;
  #told = 0;
  #ofBytes = 0;

  /** @param recovered  What a start takes; its files are closed with the survey's. */
  constructor(disk: Disk, work: StoreWork, recovered: Recovered | undefined) {
    this.#disk = disk;
    this.#work = work;
    this.#opens = recovered !== undefined;
    this.state = recovered?.state ?? new LogState();
    this.#salt = recovered?.salt;
    for (const { file } of recovered?.state.segments.all ?? [])
      if (file !== undefined) this.#files.push(file);
  }

  /** Begins every checksum. */
  get salt(): number {
    return this.#salt ?? 0;
  }

  /** @param entries  All files of the store, by name. */
  *run(entries: readonly DiskEntry[]): Task<void> {
    const of = (kind: string): DiskEntry[] => entries.filter(({ name }) => name.endsWith(kind));
    const sizes = new Map(entries.map(({ name, size }) => [name, size]));
    if (!this.#opens) {
      yield* this.#openSegments(of("log"));
      yield* this.#readCheckpoints(of("ckp").reverse());
    }
    const segments = this.state.segments.all.map((segment) => ({
      segment,
      size: sizes.get(fileName(segment.number, "log")) ?? 0,
    }));
    this.#ofBytes = segments.reduce((sum, { size }) => sum + size, 0);
    for (const { segment, size } of segments) {
      yield* this.#readSegment(segment, size);
      this.#sizes.set(segment.slot, size);
      this.#done += size;
      this.#tell(0);
    }
    this.state.sweep();
    if (!this.#opens)
      this.lostBatches = this.#seen.missing(
        this.#checkpoint + 1,
        Math.max(this.#flushed, this.lastBatch),
      );
    this.#judgeGaps();
    yield* this.#findLost(of("idx"));
    this.damage.sort((a, b) =>
      a.file === b.file ? a.offset - b.offset : a.file < b.file ? -1 : 1,
    );
  }

  /** Closes all files. */
  *close(): Task<void> {
    for (const file of this.#files.splice(0)) yield* wait(file.close());
  }

  *#openSegments(entries: readonly DiskEntry[]): Task<void> {
    const crc32 = (bytes: Uint8Array, value: number): number => this.#disk.crc32(bytes, value);
    const headless: string[] = [];
    for (const { name } of entries) {
      const file = yield* wait(this.#disk.open(name));
      this.#files.push(file);
      const number = parseFileName(name)?.number as number;
      const header = decodeFileHeader("log", yield* wait(file.read(0, FILE_HEADER)), crc32);
      if (header === undefined) headless.push(name);
      this.#salt ??= header?.salt;
      this.#flushed = Math.max(this.#flushed, (header?.position ?? 0) - 1);
      this.state.segments.add(number, header?.position ?? 0).file = file;
    }
    for (const name of headless) this.#note(name, 0, "its header is broken");
  }

  /** Takes in the newest whole checkpoint, or what is whole of one where the log does not do without. */
  *#readCheckpoints(newestFirst: readonly DiskEntry[]): Task<void> {
    for (const { name, size } of newestFirst) {
      const file = yield* wait(this.#disk.open(name));
      this.#files.push(file);
      const number = parseFileName(name)?.number as number;
      // Nothing of a checkpoint counts before its end is seen, so it is read twice: memory is bounded.
      const isWhole =
        (yield* readCheckpoint(this.#disk, file, number, size, () => undefined)) !== undefined;
      if (!isWhole) {
        this.#note(name, 0, "a checkpoint that is not whole");
        continue;
      }
      const read = yield* readCheckpoint(this.#disk, file, number, size, (record) =>
        this.#apply(record),
      );
      if (read === undefined) continue;
      this.#salt = read.salt;
      this.#checkpoint = read.position;
      this.#flushed = Math.max(this.#flushed, read.seen);
      this.#knownSessions = this.state.highestSession;
      return;
    }
    const first = this.state.segments.all.find((segment) => segment.first > 0);
    const newest = newestFirst[0];
    if (newest === undefined || first?.first === 1) return;
    const file = yield* wait(this.#disk.open(newest.name));
    this.#files.push(file);
    const salvaged = yield* salvageCheckpoint(
      this.#disk,
      file,
      newest.size,
      (record) => this.#apply(record),
      (offset) => this.#note(newest.name, offset, "a part of the checkpoint is not whole"),
    );
    this.#salt ??= salvaged?.salt;
    this.#checkpoint = salvaged?.position ?? 0;
    this.#flushed = Math.max(this.#flushed, this.#checkpoint);
  }

  *#readSegment(segment: Segment, size: number): Task<void> {
    const disk = this.#disk;
    const file = segment.file as DiskFile;
    let last = 0;
    let end = 0;
    const take = (found: FoundFrame): void => {
      this.#take(found, segment);
      last = found.frame.header.position;
      end = found.offset + found.bytes.length;
      this.#tell(end);
    };
    const badBody = (number: MessageNumber, offset: number): void => {
      this.#note(file.name, offset, `message ${number} is not as it was written`);
      const bad = this.#badBodies.get(segment.slot) ?? new Set();
      this.#badBodies.set(segment.slot, bad.add(offset));
    };
    const scanned = yield* scanFrames(disk, file, size, this.salt, take, badBody);
    if (!scanned.isBroken) return;
    end = scanned.offset;
    const note = (to: number, before: Position | undefined): void => {
      if (to === end) return;
      const gaps = this.#gaps.get(segment.slot) ?? [];
      gaps.push({ segment, offset: end, end: to, after: last, before });
      this.#gaps.set(segment.slot, gaps);
    };
    yield* framesBehind(
      disk,
      file,
      end + 1,
      size,
      this.salt,
      (found) => {
        note(found.offset, found.frame.header.position);
        take(found);
      },
      badBody,
    );
    note(size, undefined);
  }

  #take({ frame, offset }: FoundFrame, segment: Segment): void {
    const { position, flushed } = frame.header;
    const isNew = !this.#seen.has(position);
    if (isNew) this.batches += 1;
    this.#seen.add(position);
    this.#flushed = Math.max(this.#flushed, flushed);
    this.lastBatch = Math.max(this.lastBatch, position);
    if (this.#opens) return;
    const isNews = isNew && position > this.#checkpoint;
    frame.visit({
      record: (record) => {
        if (isNews) this.#apply(record);
      },
      body: (number, at, length) => {
        this.state.messages.place(number, segment.slot, offset + at, length);
        if (number > this.state.highestMessage) this.state.highestMessage = number;
      },
    });
  }

  #apply(record: LogRecord): void {
    if ("session" in record && record.type !== "numbers") {
      const { session, type } = record;
      if (type === "session-end") this.#ended.add(session);
      // A Will may belong to a connection that no session is kept for.
      else if (type !== "session-begin" && !type.startsWith("will-")) this.#noteUnknown(session);
    }
    this.state.apply(record);
  }

  #noteUnknown(session: SessionKey): void {
    if (session <= this.#knownSessions || this.#ended.has(session)) return;
    if (!this.state.sessions.has(session)) this.lostSessions.add(session);
  }

  /** A gap is damage where a batch had been flushed that is neither there nor anywhere else. */
  #judgeGaps(): void {
    for (const { segment, offset, after, before } of [...this.#gaps.values()].flat()) {
      const isDamage =
        before === undefined
          ? !this.#opens && after + 1 <= this.#flushed && !this.#seen.has(after + 1)
          : this.#seen.missing(after + 1, before - 1).length > 0;
      if (isDamage)
        this.#note(fileName(segment.number, "log"), offset, "a batch that is not whole");
    }
  }

  /** Finds out which of the messages that are wanted cannot be read. */
  *#findLost(indexes: readonly DiskEntry[]): Task<void> {
    const { messages, segments } = this.state;
    const nowhere = new Set<MessageNumber>();
    const unsure: WantedBody[] = [];
    messages.forEach((number, slot, offset, length) => {
      if (slot === NOWHERE) nowhere.add(number);
      else if (this.#badBodies.get(slot)?.has(offset) === true) this.lostMessages.add(number);
      else if (this.#isUnsure(slot, offset, length))
        unsure.push({ number, segment: segments.at(slot), offset, length });
    });
    if (nowhere.size > 0) yield* this.#lookUp(nowhere, indexes, unsure);
    for (const number of nowhere) this.lostMessages.add(number);
    for (const body of unsure) {
      const { number, segment, offset, length } = body;
      this.#work.signal?.throwIfAborted();
      const [damage] = yield* wait(readBodies(this.#disk, this.salt, [body], () => undefined));
      if (damage !== undefined) {
        this.lostMessages.add(number);
        const what = `message ${number} is not as it was written`;
        this.#note(fileName(segment.number, "log"), offset, what);
        continue;
      }
      messages.place(number, segment.slot, offset, length);
      this.lostMessages.delete(number);
    }
  }

  /** An index knows where a body is, even where the batch around it is broken. */
  *#lookUp(
    nowhere: ReadonlySet<MessageNumber>,
    indexes: readonly DiskEntry[],
    unsure: WantedBody[],
  ): Task<void> {
    for (const slot of this.#gaps.keys()) {
      const segment = this.state.segments.at(slot);
      const entry = indexes.find(({ name }) => name === fileName(segment.number, "idx"));
      if (entry === undefined) continue;
      const read = yield* readIndexFile(this.#disk, segment.number, entry.size, this.salt);
      const index = read?.index;
      for (let at = 0; at < (index?.count ?? 0); at += 1) {
        const number = index?.numbers[at] as number;
        const offset = index?.offsets[at] as number;
        const length = index?.lengths[at] as number;
        if (nowhere.has(number) && this.#isUnsure(segment.slot, offset, length))
          unsure.push({ number, segment, offset, length });
      }
    }
  }

  /** Whether bytes lie where no batch is whole, or behind the end of a file that was cut off. */
  #isUnsure(slot: number, offset: number, length: number): boolean {
    if (offset + length > (this.#sizes.get(slot) ?? 0)) return true;
    const gaps = this.#gaps.get(slot) ?? [];
    return gaps.some((gap) => gap.offset <= offset && offset < gap.end);
  }

  #note(file: string, offset: number, what: string): void {
    this.damage.push({ file, offset, what });
  }

  #tell(inFile: number): void {
    const bytes = this.#done + inFile;
    if (bytes - this.#told < PART && inFile > 0) return;
    this.#told = bytes;
    this.#work.signal?.throwIfAborted();
    this.#work.progress?.({ step: "check", bytes, ofBytes: this.#ofBytes });
  }
}
