import type { MessageNumber, Position, SessionKey } from "../../engine/ports.ts";
import type { Disk } from "./disk.ts";
import type { StoreErrorCode } from "./error-codes.ts";
import type { PositionRange } from "./positions.ts";
import type { LogRecord } from "./log-record.ts";
import { recover } from "./recover.ts";
import type { Recovered } from "./recover.ts";
import { saveRecords } from "./save-records.ts";
import { parseFileName } from "./segment.ts";
import { contentOf, forgetMessages } from "./store-content.ts";
import type { LostReferences, StoreContent } from "./store-content.ts";
import type { StoreWork } from "./store-work.ts";
import { Survey } from "./survey.ts";
import type { StoreDamage } from "./survey.ts";
import { wait } from "./task.ts";
import type { Task } from "./task.ts";

/** What damage took away. */
export interface StoreLoss extends LostReferences {
  /** Messages that something names and that cannot be read. */
  readonly messages: readonly MessageNumber[];
  /** Sessions whose beginning is gone. */
  readonly sessions: readonly SessionKey[];
  /** Batches that had been flushed and are gone; nobody knows what else they said. */
  readonly batches: readonly PositionRange[];
}

/** What was found in a store's directory. Sizes are bytes; what is counted is what can be saved. */
export interface StoreReport extends StoreContent {
  /** Whether a start would take it as it is. */
  readonly opens: boolean;
  /** Why it would not. */
  readonly refusal: string | undefined;
  readonly files: number;
  readonly bytes: number;
  readonly batches: number;
  readonly lastBatch: Position;
  readonly damage: readonly StoreDamage[];
  readonly lost: StoreLoss;
}

/** How a store is checked. */
export interface CheckOptions extends StoreWork {
  /**
   * Is given the records that make what can be saved, in an order in which an empty store may
   * append them.
   */
  readonly save?: ((record: LogRecord) => void) | undefined;
  /** Queues in `largestQueues`. Default 0. */
  readonly largest?: number | undefined;
}

/**
 * Reads all of a store, every body too, and says what is damaged and what can be saved. It changes
 * nothing; nobody else may have the directory open meanwhile: lock it first.
 *
 * @throws ConnectionError where the disk fails, or a file is of a newer version.
 */
export function* checkStore(disk: Disk, options: CheckOptions = {}): Task<StoreReport> {
  const entries = (yield* wait(disk.list()))
    .filter(({ name }) => parseFileName(name) !== undefined)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const opened = yield* tryToOpen(disk);
  const recovered = typeof opened === "string" ? undefined : opened;
  const survey = new Survey(disk, options, recovered);
  const { state } = survey;
  try {
    yield* survey.run(entries);
    const references = forgetMessages(state, survey.lostMessages);
    if (options.save !== undefined)
      yield* saveRecords(disk, state, survey.salt, options.save, options);
    const refusal =
      typeof opened === "string"
        ? opened
        : (references.retained.length > 0 || references.delayed > 0) && survey.damage[0]
          ? // A start reads these messages.
            placeOf(survey.damage[0])
          : undefined;
    return {
      opens: refusal === undefined,
      refusal,
      files: entries.length,
      bytes: entries.reduce((sum, { size }) => sum + size, 0),
      batches: survey.batches,
      lastBatch: recovered?.position ?? survey.lastBatch,
      damage: survey.damage,
      lost: {
        ...references,
        messages: [...survey.lostMessages].sort((a, b) => a - b),
        sessions: [...survey.lostSessions].sort((a, b) => a - b),
        batches: survey.lostBatches,
      },
      ...contentOf(state, options.largest ?? 0),
    };
  } finally {
    yield* survey.close();
  }
}

function placeOf({ file, offset, what }: StoreDamage): string {
  return `${file} is damaged at byte ${offset}: ${what}`;
}

/** @returns what a start takes, or why it would fail. */
function* tryToOpen(disk: Disk): Task<Recovered | string> {
  try {
    return yield* recover(disk);
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (code !== ("ERR_STORE_DAMAGED" satisfies StoreErrorCode)) throw error;
    return message;
  }
}
