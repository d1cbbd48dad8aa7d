import type { MessageNumber, Position } from "../../engine/ports.ts";
import type { Disk } from "./disk.ts";
import { readIndexFile } from "./index-file.ts";
import type { LogState } from "./log-state.ts";
import { readBodies } from "./reading.ts";
import type { WantedBody } from "./reading.ts";
import { fileName } from "./segment.ts";
import type { Segment } from "./segment.ts";
import { pause, wait } from "./task.ts";
import type { Task } from "./task.ts";

/** Copied at a time; the next step waits until this one is flushed. Bytes. */
const STEP = 256 * 1024;
/** Entries of the index that are looked at without a pause. */
const ENTRIES = 8192;
/** Messages that are copied at a time. */
const MESSAGES = 1000;

/** What copying forward needs of the log. */
export interface CompactLog {
  readonly state: LogState;
  readonly salt: number;
  /** Appends a body that is in an older segment. @returns its batch. */
  appendMoved(number: MessageNumber, body: Uint8Array): Position;
  /** Closes the batch of what was appended. */
  closeMoved(): void;
  flushed(position: Position): Task<void>;
}

/** Copies what is still wanted of a sealed segment to the end of the log, at a bounded pace. */
export function* compactSegment(disk: Disk, log: CompactLog, segment: Segment): Task<void> {
  const { messages } = log.state;
  const entries = yield* wait(disk.list());
  const entry = entries.find(({ name }) => name === fileName(segment.number, "idx"));
  const file =
    entry === undefined
      ? undefined
      : yield* readIndexFile(disk, segment.number, entry.size, log.salt);
  if (file === undefined) {
    // Left for the next start, which reads the segment itself.
    segment.isDamaged = true;
    return;
  }
  const { index } = file;
  const isHere = (number: MessageNumber, offset: number): boolean =>
    messages.find(number) && messages.slot === segment.slot && messages.offset === offset;
  for (let at = 0; at < index.count;) {
    const wanted: WantedBody[] = [];
    const end = Math.min(index.count, at + ENTRIES);
    for (let bytes = 0; at < end && bytes < STEP && wanted.length < MESSAGES; at += 1) {
      const number = index.numbers[at] as number;
      const offset = index.offsets[at] as number;
      if (!isHere(number, offset)) continue;
      wanted.push({ number, segment, offset, length: messages.length });
      bytes += messages.length;
    }
    if (wanted.length === 0) {
      yield* pause(disk);
      continue;
    }
    const found: { body: WantedBody; bytes: Uint8Array }[] = [];
    const [damage] = yield* wait(
      readBodies(disk, log.salt, wanted, (body, bytes) => void found.push({ body, bytes })),
    );
    // The segment stays as it is, for whoever wants to save what can be saved.
    if (damage !== undefined) throw damage.error;
    let last = 0;
    for (const { body, bytes } of found)
      if (isHere(body.number, body.offset)) last = log.appendMoved(body.number, bytes);
    if (last === 0) continue;
    log.closeMoved();
    yield* log.flushed(last);
  }
}
