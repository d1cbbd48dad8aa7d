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
  readonly cursor: TopicNameCursor<Message>;
  /** Of the subscription, packed. */
  readonly options: number;
  readonly extras: Extras | undefined;
}

/** The retained messages: one a Topic Name at most (§3.3.1.3) [MQTT3-3.1.2-7]. */
export class Retained {
  readonly #engine: Engine;
  readonly #messages = new TopicNameTree<Message>();
  /** Of all messages in native form. */
  bytes = 0;
  /** Of these the broker's own, below `$SYS/`: they are bounded by themselves and take nobody's place. */
  #ownCount = 0;
  #ownBytes = 0;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  get count(): number {
    return this.#messages.size;
  }

  get(topicName: string): Message | undefined {
    return this.#messages.get(topicName);
  }

  /** The limit by which a message cannot be retained, or `undefined`. */
  limitOf(message: Message): LimitName | undefined {
    if (message.payloadLength === 0 || isOwn(message)) return undefined;
    const { retainedMessages, retainedBytes } = this.#engine.settings.limits;
    const before = this.#messages.get(message.topicName);
    if (
      retainedMessages > 0 &&
      before === undefined &&
      this.count - this.#ownCount >= retainedMessages
    )
      return "limits.retainedMessages";
    const bytes = this.bytes - this.#ownBytes + message.size - (before?.size ?? 0);
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
    this.#replace(message); // [MQTT5-3.3.1-5] [MQTT3-3.3.1-5] [MQTT3-3.3.1-7]
    if (engine.store.isVolatile || isOwn(message)) return 0;
    engine.recordMessage(message);
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
    message.refer();
    if (message.expiresAt !== 0) this.#engine.retainedSweep.arm();
    this.#count(message, 1);
    this.#forget(this.#messages.set(message.topicName, message));
  }

  #forget(message: Message | undefined): void {
    if (message === undefined) return;
    this.#count(message, -1);
    message.release();
  }

  #count(message: Message, sign: 1 | -1): void {
    const bytes = sign * message.size;
    this.bytes += bytes;
    if (!isOwn(message)) return;
    this.#ownCount += sign;
    this.#ownBytes += bytes;
  }

  /** Removes the message of a Topic Name. @returns the record's position. */
  clear(topicName: string): Position {
    const before = this.#messages.delete(topicName);
    if (before === undefined) return 0;
    this.#forget(before);
    return this.#engine.store.isVolatile
      ? 0
      : this.#engine.append({ type: "retained-clear", topicName });
  }

  /** Begins to give a new subscription what is retained [MQTT3-3.3.1-6]. */
  replay(session: Session, topicFilter: string, options: number, identifier: number): void {
    // Asked for again while it is under way: it begins anew.
    (session.replays ??= new Map()).set(topicFilter, {
      topicFilter,
      cursor: this.#messages.cursor(topicFilter),
      options,
      extras: identifier === 0 ? undefined : { identifiers: [identifier], group: undefined },
    });
    if (session.connection !== undefined) this.#engine.ready(session.connection);
  }

  /** Walks all of them, but those of `$`-topics, which do not expire. */
  cursor(): TopicNameCursor<Message> {
    return this.#messages.cursor("#");
  }

  /** A retained message whose time is over is none any more. */
  expire(message: Message): boolean {
    if (message.expiresAt === 0 || message.expiresAt > this.#engine.now) return false;
    if (this.#messages.get(message.topicName) === message) this.clear(message.topicName);
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
    const message = replay.cursor.next(LOOKS);
    steps--;
    if (message === undefined) {
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
    if (engine.retained.expire(message)) continue;
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
