import { TopicNameTree } from "@sericite/protocol";
import type { TopicNameCursor } from "@sericite/protocol";
import { waitingOf } from "./backlog.ts";
import { enqueue } from "./enqueue.ts";
import type { Engine } from "./engine.ts";
import type { LimitName } from "./limit-table.ts";
import type { Extras } from "./extras.ts";
import type { Message } from "./message.ts";
import type { Position } from "./ports.ts";
import { META_RETAIN } from "./queue.ts";
import { RetainedRows } from "./retained-rows.ts";
import { OPTION_NO_LOCAL, OPTION_QOS } from "./session.ts";
import type { Session } from "./session.ts";

/** Waiting messages below which a session takes more of the retained ones that it still has to get. */
const WINDOW = 64;
/** Messages taken in one go. */
const STEPS = 256;
/** Levels looked at in one go without coming upon a message: less than a millisecond. */
const LOOKS = 1024;

/** Retained messages that one subscription still has to get: a cursor, however many there are. */
export interface RetainedReplay {
  readonly topicFilter: string;
  readonly cursor: TopicNameCursor;
  /** Of the subscription, packed. */
  readonly options: number;
  readonly extras: Extras | undefined;
}

/** The retained messages: one a Topic Name at most (§3.3.1.3) [MQTT3-3.1.2-7]. */
export class Retained {
  readonly #engine: Engine;
  /** Of each Topic Name, the row of its message. */
  readonly #names: TopicNameTree;
  readonly #rows: RetainedRows;
  /** Of all messages in native form. */
  bytes = 0;
  /** Of these the broker's own, below `$SYS/`: they are bounded by themselves and take nobody's place. */
  #ownCount = 0;
  #ownBytes = 0;

  /** @param seed  An integer that no client can guess. */
  constructor(engine: Engine, seed: number) {
    this.#engine = engine;
    this.#names = new TopicNameTree({ seed });
    this.#rows = new RetainedRows(engine.topicNames);
  }

  get count(): number {
    return this.#names.size;
  }

  /** Whether a Topic Name has a message, expired perhaps. */
  has(topicName: string): boolean {
    return this.#names.get(topicName) >= 0;
  }

  /** The message of a Topic Name. */
  get(topicName: string): Message | undefined {
    const row = this.#names.get(topicName);
    return row < 0 ? undefined : this.#rows.message(row);
  }

  /** The message of a row that a cursor gave. */
  at(row: number): Message {
    return this.#rows.message(row);
  }

  /** Whether the message of a row may expire. */
  canExpire(row: number): boolean {
    return this.#rows.expiresAt(row) !== 0;
  }

  /** The limit by which a message cannot be retained, or `undefined`. */
  limitOf(message: Message): LimitName | undefined {
    if (message.payloadLength === 0 || isOwn(message)) return undefined;
    const { retainedMessages, retainedBytes } = this.#engine.settings.limits;
    const before = this.#names.get(message.topicName);
    if (retainedMessages > 0 && before < 0 && this.count - this.#ownCount >= retainedMessages)
      return "limits.retainedMessages";
    const bytes =
      this.bytes - this.#ownBytes + message.size - (before < 0 ? 0 : this.#rows.size(before));
    return retainedBytes > 0 && bytes > retainedBytes ? "limits.retainedBytes" : undefined;
  }

  /** Keeps a message, or with an empty payload removes the one of its Topic Name. @returns the record's position. */
  put(message: Message): Position {
    if (message.payloadLength === 0) return this.clear(message.topicName); // [MQTT5-3.3.1-6] [MQTT5-3.3.1-7] [MQTT3-3.3.1-10] [MQTT3-3.3.1-11]
    const engine = this.#engine;
    const limit = this.limitOf(message);
    if (limit !== undefined) {
      engine.limitReached(limit, { clientId: message.publisher, username: undefined });
      engine.drop("retained-full", "", message, message.qos);
      // The one before is not the topic's last message any more.
      return this.clear(message.topicName);
    }
    const isKept = !engine.store.isVolatile && !isOwn(message);
    if (isKept) engine.recordMessage(message);
    this.#replace(message); // [MQTT5-3.3.1-5] [MQTT3-3.3.1-5] [MQTT3-3.3.1-7]
    if (!isKept) return 0;
    return engine.append({
      type: "retained",
      topicName: message.topicName,
      message: message.number,
    });
  }

  /** Takes one back from the store. */
  restore(message: Message): void {
    this.#replace(message);
  }

  #replace(message: Message): void {
    if (message.expiresAt !== 0) this.#engine.retainedSweep.arm();
    const row = this.#rows.add(message, isOwn(message));
    this.#count(row, 1);
    this.#forget(this.#names.set(message.topicName, row));
  }

  #forget(row: number): void {
    if (row < 0) return;
    this.#count(row, -1);
    this.#rows.remove(row);
  }

  #count(row: number, sign: 1 | -1): void {
    const bytes = sign * this.#rows.size(row);
    this.bytes += bytes;
    if (!this.#rows.isOwn(row)) return;
    this.#ownCount += sign;
    this.#ownBytes += bytes;
  }

  /** Removes the message of a Topic Name. @returns the record's position. */
  clear(topicName: string): Position {
    const before = this.#names.delete(topicName);
    if (before < 0) return 0;
    this.#forget(before);
    return this.#engine.store.isVolatile
      ? 0
      : this.#engine.append({ type: "retained-clear", topicName });
  }

  /** Begins to give a new subscription what is retained [MQTT3-3.3.1-6]. */
  replay(session: Session, topicFilter: string, options: number, identifier: number): void {
    // Asked for again while it is under way: it begins anew.
    session.endReplay(topicFilter);
    (session.replays ??= new Map()).set(topicFilter, {
      topicFilter,
      cursor: this.#names.cursor(topicFilter),
      options,
      extras: identifier === 0 ? undefined : { identifiers: [identifier], group: undefined },
    });
    if (session.connection !== undefined) this.#engine.ready(session.connection);
  }

  /** Walks all of them, but those of `$`-topics, which do not expire. */
  cursor(): TopicNameCursor {
    return this.#names.cursor("#");
  }

  /** A retained message whose time is over is none any more. */
  expire(row: number): boolean {
    const expiresAt = this.#rows.expiresAt(row);
    if (expiresAt === 0 || expiresAt > this.#engine.now) return false;
    this.clear(this.#rows.message(row).topicName);
    return true;
  }
}

/** Whether the broker itself published it. */
function isOwn(message: Message): boolean {
  return message.topicName.startsWith("$SYS/");
}

/** Moves retained messages into the queue while it is short: few come at once, a million never do. */
export function refill(engine: Engine, session: Session): void {
  const replays = session.replays!;
  let steps = STEPS;
  let replay = first(replays);
  while (replay !== undefined && steps > 0) {
    if (waitingOf(session) >= WINDOW) return;
    const row = replay.cursor.next(LOOKS);
    steps--;
    if (row < 0) {
      if (!replay.cursor.done) return;
      replays.delete(replay.topicFilter);
      if (session.isKept)
        engine.append({
          type: "retained-sent",
          session: session.key,
          topicFilter: replay.topicFilter,
        });
      replay = first(replays);
      continue;
    }
    if (engine.retained.expire(row)) continue;
    const message = engine.retained.at(row);
    if ((replay.options & OPTION_NO_LOCAL) !== 0 && message.publisher === session.clientId)
      continue;
    // RETAIN 1: it is sent because of the subscription [X-45] [MQTT3-3.3.1-8].
    enqueue(
      engine,
      session,
      message,
      Math.min(replay.options & OPTION_QOS, message.qos) | META_RETAIN,
      replay.extras,
    );
  }
  if (replays.size === 0) session.replays = undefined;
}

function first(replays: ReadonlyMap<string, RetainedReplay>): RetainedReplay | undefined {
  for (const replay of replays.values()) return replay;
  return undefined;
}
