import type { Position, Store } from "../engine/ports.ts";
import type { StoreRecord } from "../engine/records.ts";

/** A record with the batch that it went into. */
export interface KeptRecord {
  readonly position: Position;
  readonly record: StoreRecord;
}

/** A store into which the ledger of a simulation looks. */
export interface WatchedStore extends Store {
  /** Every record that survived the crashes so far or was taken since, durable or not, oldest first. */
  readonly records: readonly KeptRecord[];
  /** Time at which it last was not "ok". Milliseconds; -1: never. */
  readonly troubledAtMs: number;
}

/** A record whose bytes are its own: those of a message are the caller's again. */
export function ownRecord(record: StoreRecord): StoreRecord {
  if (record.type !== "message") return record;
  const { message } = record;
  const payload = message.payload.slice();
  const properties = message.properties.slice();
  return { type: "message", message: { ...message, payload, properties } };
}
