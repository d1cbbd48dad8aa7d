import type { MessageNumber } from "../../engine/ports.ts";
import { recordsOf } from "./checkpoint.ts";
import type { Disk } from "./disk.ts";
import type { LogState } from "./log-state.ts";
import { NOWHERE } from "./message-table.ts";
import { messageOf, readBodies } from "./reading.ts";
import type { WantedBody } from "./reading.ts";
import type { LogRecord } from "./log-record.ts";
import { goOn } from "./store-work.ts";
import type { StoreWork } from "./store-work.ts";
import { wait } from "./task.ts";
import type { Task } from "./task.ts";

/** Records that are made at a time. */
const RECORDS = 1000;
/** Messages that are read at a time, and their bytes. */
const MESSAGES = 500;
const BYTES = 4 << 20;

/**
 * Gives all of a state as records: first what is kept, which names messages by their numbers, then
 * the messages, in the order in which they are on the disk. A store that appends them in this order
 * keeps the same.
 *
 * @throws ConnectionError ERR_STORE_DAMAGED where a message is not as it was written.
 */
export function* saveRecords(
  disk: Disk,
  state: LogState,
  salt: number,
  save: (record: LogRecord) => void,
  work: StoreWork,
): Task<void> {
  let count = 0;
  for (const record of recordsOf(state)) {
    save(record);
    count += 1;
    if (count % RECORDS === 0) yield* goOn(disk, work);
  }
  const { messages, segments } = state;
  let ofBytes = 0;
  const numbers = new Map<number, MessageNumber[]>();
  messages.forEach((number, slot, _offset, length) => {
    if (slot === NOWHERE) return;
    ofBytes += length;
    const known = numbers.get(slot);
    if (known === undefined) numbers.set(slot, [number]);
    else known.push(number);
  });
  let bytes = 0;
  for (const segment of segments.all) {
    const wanted = (numbers.get(segment.slot) ?? []).map((number): WantedBody => {
      messages.find(number);
      return { number, segment, offset: messages.offset, length: messages.length };
    });
    wanted.sort((a, b) => a.offset - b.offset);
    for (const slice of slices(wanted)) {
      const found = new Map<MessageNumber, Uint8Array>();
      const take = ({ number }: WantedBody, body: Uint8Array): void => void found.set(number, body);
      const [damage] = yield* wait(readBodies(disk, salt, slice, take));
      if (damage !== undefined) throw damage.error;
      for (const { number, length } of slice) {
        save({ type: "message", message: messageOf(found.get(number) as Uint8Array) });
        bytes += length;
      }
      yield* goOn(disk, work, { step: "copy", bytes, ofBytes });
    }
  }
}

function* slices(wanted: readonly WantedBody[]): Generator<WantedBody[]> {
  let slice: WantedBody[] = [];
  let bytes = 0;
  for (const body of wanted) {
    if (slice.length === MESSAGES || (slice.length > 0 && bytes + body.length > BYTES)) {
      yield slice;
      slice = [];
      bytes = 0;
    }
    slice.push(body);
    bytes += body.length;
  }
  if (slice.length > 0) yield slice;
}
