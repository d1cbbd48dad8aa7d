import { UsageError } from "@sericite/protocol";
import type {
  MessageNumber,
  Position,
  QueuePage,
  SessionKey,
  Store,
  StoredMessage,
  StoreState,
} from "../engine/ports.ts";
import type { Recovery, StoreRecord } from "../engine/records.ts";

/**
 * The store of a broker whose state ends with its process: nothing to wait for, nothing given back.
 * What waits for a client is held by the engine alone.
 */
export class MemoryStore implements Store {
  readonly isVolatile: boolean = true;
  readonly durable: Position = 0;
  readonly state: StoreState = "ok";
  onDurable: (() => void) | undefined = undefined;
  onState: (() => void) | undefined = undefined;

  open(recovery: Recovery): Promise<void> {
    recovery.numbers(0, 0);
    return Promise.resolve();
  }

  append(_record: StoreRecord): Position {
    return 0;
  }

  endTurn(): void {
    // Nothing was taken, so there is no batch.
  }

  readQueue(_session: SessionKey, _from: number, _maximumBytes: number): Promise<QueuePage> {
    return Promise.resolve({ entries: [], unreadable: [], next: undefined });
  }

  readMessage(message: MessageNumber): Promise<StoredMessage> {
    return Promise.reject(
      new UsageError("ERR_USAGE", `message ${message}: a memory store keeps none`),
    );
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
