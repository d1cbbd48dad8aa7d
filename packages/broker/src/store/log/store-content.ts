import type { MessageNumber, SessionKey } from "../../engine/ports.ts";
import type { TimeMark } from "../../engine/records.ts";
import type { LogSession, LogState } from "./log-state.ts";
import { NOWHERE } from "./message-table.ts";

/** A session's queue as a list of the largest shows it. */
export interface LargeQueue {
  readonly session: SessionKey;
  readonly clientId: string;
  /** Entries that wait. */
  readonly count: number;
  /** What their messages take, each counted for itself. Bytes. */
  readonly bytes: number;
}

/** How much of what a store keeps. */
export interface StoreContent {
  readonly sessions: number;
  /** Sessions whose client was connected when the last process ended. */
  readonly attached: number;
  readonly subscriptions: number;
  /** Entries of all queues. */
  readonly queued: number;
  /** Messages, each once however many queues name it. */
  readonly messages: number;
  /** What they take in the segments. */
  readonly messageBytes: number;
  readonly retained: number;
  readonly wills: number;
  readonly delayed: number;
  readonly bans: number;
  /** The newest mark of both clocks. */
  readonly time: TimeMark | undefined;
  /** Those that take most bytes, the largest first. */
  readonly largestQueues: readonly LargeQueue[];
}

/** Counts what is in a state. @param largest  Queues to list. */
export function contentOf(state: LogState, largest: number): StoreContent {
  let attached = 0;
  let subscriptions = 0;
  let queued = 0;
  let largestQueues: LargeQueue[] = [];
  for (const session of state.sessions.values()) {
    if (session.detachedAt === undefined) attached += 1;
    subscriptions += session.subscriptions?.size ?? 0;
    queued += session.queue.count;
    if (session.queue.count === 0 || largest === 0) continue;
    const { clientId, queue } = session;
    const bytes = bytesOf(state, session);
    largestQueues.push({ session: session.session, clientId, count: queue.count, bytes });
    if (largestQueues.length > 2 * largest)
      largestQueues = largestQueues.sort(bySize).slice(0, largest);
  }
  let messages = 0;
  let messageBytes = 0;
  state.messages.forEach((_number, slot, _offset, length) => {
    if (slot === NOWHERE) return;
    messages += 1;
    messageBytes += length;
  });
  return {
    sessions: state.sessions.size,
    attached,
    subscriptions,
    queued,
    messages,
    messageBytes,
    retained: state.retained.size,
    wills: state.wills.size,
    delayed: state.delayed.size,
    bans: state.bans.size,
    time: state.time,
    largestQueues: largestQueues.sort(bySize).slice(0, largest),
  };
}

/** What loses its message with the messages that cannot be read. */
export interface LostReferences {
  /** Entries of queues. */
  readonly entries: number;
  /** Queues that have such entries. */
  readonly queues: number;
  /** Topic Names. */
  readonly retained: readonly string[];
  readonly delayed: number;
}

/** Takes out of a state everything that names one of these messages. */
export function forgetMessages(state: LogState, lost: ReadonlySet<MessageNumber>): LostReferences {
  let entries = 0;
  let queues = 0;
  let delayed = 0;
  const retained: string[] = [];
  if (lost.size === 0) return { entries, queues, retained, delayed };
  for (const { session, queue } of state.sessions.values()) {
    const sequences: number[] = [];
    queue.forEachFrom(0, ({ message, sequence }) => {
      if (lost.has(message)) sequences.push(sequence);
      return true;
    });
    if (sequences.length === 0) continue;
    entries += sequences.length;
    queues += 1;
    for (const sequence of sequences) state.apply({ type: "settled", session, sequence });
  }
  for (const [topicName, message] of [...state.retained]) {
    if (!lost.has(message)) continue;
    retained.push(topicName);
    state.apply({ type: "retained-clear", topicName });
  }
  for (const { delayedId, message } of [...state.delayed.values()]) {
    if (!lost.has(message)) continue;
    delayed += 1;
    state.apply({ type: "delayed-end", delayedId });
  }
  state.sweep();
  return { entries, queues, retained, delayed };
}

function bytesOf(state: LogState, { queue }: LogSession): number {
  let bytes = 0;
  queue.forEachFrom(0, ({ message }) => {
    if (state.messages.find(message)) bytes += state.messages.length;
    return true;
  });
  return bytes;
}

function bySize(a: LargeQueue, b: LargeQueue): number {
  return b.bytes - a.bytes || b.count - a.count;
}
