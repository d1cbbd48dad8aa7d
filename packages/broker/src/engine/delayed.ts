import { TimerEntry, topicNameFault } from "@sericite/protocol";
import type { Engine } from "./engine.ts";
import type { LimitName } from "./limit-table.ts";
import type { Message } from "./message.ts";
import type { Position } from "./ports.ts";
import type { StoredDelayed } from "./records.ts";
import { route } from "./route.ts";

const PREFIX = "$delayed/";
const CANCEL = "$delayed/cancel/";

/** What a Topic Name below `$delayed/` asks for. */
export type DelayRequest =
  | { readonly type: "publish"; readonly seconds: number; readonly topicName: string }
  | { readonly type: "cancel"; readonly topicName: string }
  | { readonly type: "invalid"; readonly fault: string };

/** Whether the Topic Name is one of `$delayed/<seconds>/<topic>` and `$delayed/cancel/<topic>`. */
export function isDelayTopic(topicName: string): boolean {
  return topicName.charCodeAt(0) === 36 && topicName.startsWith(PREFIX);
}

/** Reads a Topic Name below `$delayed/`. */
export function parseDelayTopic(topicName: string): DelayRequest {
  if (topicName.startsWith(CANCEL)) {
    return validated({ type: "cancel", topicName: topicName.slice(CANCEL.length) });
  }
  const slash = topicName.indexOf("/", PREFIX.length);
  const seconds = slash < 0 ? "" : topicName.slice(PREFIX.length, slash);
  if (!/^\d{1,10}$/.test(seconds)) {
    return { type: "invalid", fault: `expected $delayed/<seconds>/<topic>, got ${topicName}` };
  }
  return validated({
    type: "publish",
    seconds: Number(seconds),
    topicName: topicName.slice(slash + 1),
  });
}

function validated(request: Exclude<DelayRequest, { type: "invalid" }>): DelayRequest {
  const fault = topicNameFault(request.topicName);
  return fault === undefined ? request : { type: "invalid", fault };
}

/** One message that waits for its time. */
interface Entry {
  readonly id: number;
  readonly message: Message;
  /** Store time. */
  readonly dueAt: number;
  readonly timer: TimerEntry;
}

/** What is known of a delayed message. */
export interface DelayedInfo {
  readonly id: number;
  readonly topicName: string;
  readonly publisher: string;
  /** Milliseconds until it is published. */
  readonly remainingMs: number;
  /** Bytes. */
  readonly size: number;
}

/** Messages published to `$delayed/<seconds>/<topic>`: each enters the engine when its time has come. */
export class DelayedMessages {
  readonly #engine: Engine;
  readonly #entries = new Map<number, Entry>();
  /** By publisher and Topic Name, for cancelling. */
  readonly #byKey = new Map<string, Set<Entry>>();
  #nextId = 1;
  /** Of all that wait. */
  bytes = 0;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  get count(): number {
    return this.#entries.size;
  }

  /** The limit by which a message cannot be taken, or `undefined`. */
  limitOf(seconds: number, size: number): LimitName | undefined {
    const { maximumMessages, maximumBytes, maximumDelay } = this.#engine.settings.delayed;
    if (seconds > maximumDelay) return "delayed.maximumDelay";
    if (this.count >= maximumMessages) return "delayed.maximumMessages";
    return this.bytes + size > maximumBytes ? "delayed.maximumBytes" : undefined;
  }

  /** Takes a message that `limitOf` had nothing against. @returns the record's position. */
  add(message: Message, seconds: number): Position {
    const engine = this.#engine;
    const dueAt = engine.storeTime() + seconds * 1000;
    const entry = this.#keep(this.#nextId++, message, dueAt);
    engine.wheel.schedule(entry.timer, seconds * 1000);
    if (engine.store.isVolatile) return 0;
    engine.recordMessage(message);
    return engine.append({
      type: "delayed",
      delayedId: entry.id,
      message: message.number,
      dueAt,
    });
  }

  /** Takes one back from the store; `resume` lets its time go on. */
  restore({ delayedId, dueAt }: StoredDelayed, message: Message): void {
    this.#nextId = Math.max(this.#nextId, delayedId + 1);
    this.#keep(delayedId, message, dueAt);
  }

  /** Sets the timers of all that were restored. @param isDue  Told of each whose time has come, and of how to publish it. */
  resume(isDue: (dueAt: number, publish: () => void) => void): void {
    const now = this.#engine.storeTime();
    for (const entry of this.#entries.values()) {
      if (entry.dueAt <= now) isDue(entry.dueAt, () => this.#publish(entry));
      else this.#engine.wheel.schedule(entry.timer, entry.dueAt - now);
    }
  }

  #keep(id: number, message: Message, dueAt: number): Entry {
    const entry: Entry = { id, message, dueAt, timer: new TimerEntry(() => this.#publish(entry)) };
    message.refer();
    this.bytes += message.size;
    this.#entries.set(id, entry);
    const key = keyOf(message.publisher, message.topicName);
    const same = this.#byKey.get(key);
    if (same === undefined) this.#byKey.set(key, new Set([entry]));
    else same.add(entry);
    return entry;
  }

  #publish(entry: Entry): void {
    this.#engine.enter();
    this.#forget(entry);
    this.#engine.counters.delayedPublished++;
    route(this.#engine, entry.message, "delayed");
    // Behind what it caused, in the same batch: a crash leaves both or none, and the body stays.
    this.#recordEnd(entry);
    entry.message.release();
  }

  #recordEnd({ id }: Entry): void {
    if (!this.#engine.store.isVolatile) this.#engine.append({ type: "delayed-end", delayedId: id });
  }

  #forget(entry: Entry): void {
    this.#engine.wheel.cancel(entry.timer);
    this.#entries.delete(entry.id);
    this.bytes -= entry.message.size;
    const key = keyOf(entry.message.publisher, entry.message.topicName);
    const same = this.#byKey.get(key);
    same?.delete(entry);
    if (same?.size === 0) this.#byKey.delete(key);
  }

  /** Forgets one message unpublished. @returns whether it was there. */
  cancel(id: number): boolean {
    const entry = this.#entries.get(id);
    if (entry === undefined) return false;
    this.#forget(entry);
    this.#recordEnd(entry);
    entry.message.release();
    return true;
  }

  /** Forgets all that a client delayed for a Topic Name. @returns how many. */
  cancelOf(publisher: string, topicName: string): number {
    const same = this.#byKey.get(keyOf(publisher, topicName));
    if (same === undefined) return 0;
    const entries = [...same];
    for (const entry of entries) this.cancel(entry.id);
    return entries.length;
  }

  /** Up to `limit` of them with an id above `after`, in the order in which they came. */
  list(after: number, limit: number): DelayedInfo[] {
    const found: DelayedInfo[] = [];
    for (const { id, message, timer } of this.#entries.values()) {
      if (id <= after) continue;
      found.push({
        id,
        topicName: message.topicName,
        publisher: message.publisher,
        remainingMs: Math.max(0, timer.deadline - this.#engine.clock.now()),
        size: message.size,
      });
      if (found.length === limit) break;
    }
    return found;
  }
}

function keyOf(publisher: string, topicName: string): string {
  return `${publisher}\0${topicName}`;
}
