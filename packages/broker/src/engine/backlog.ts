import { OutboundState, TimerEntry } from "@sericite/protocol";
import type { Engine } from "./engine.ts";
import type { Estate } from "./estate.ts";
import type { Extras } from "./extras.ts";
import { packDetail } from "./flight.ts";
import { settledMessage } from "./message.ts";
import type { Message } from "./message.ts";
import type { Position, QueueEntry, QueuePage } from "./ports.ts";
import { META_DUP, META_KEPT, META_QOS, META_RETAIN } from "./queue.ts";
import type { RecoveredSession } from "./records.ts";
import type { Session } from "./session.ts";
import type { Room } from "./forms.ts";
import { messageFromStore, roomFor } from "./stored-message.ts";

/** Messages in the window below which the next page is asked for. */
const LOW = 64;
/** Messages in the window above which everything new goes to the store only. */
const HIGH = 4096;
/** At most so much is asked for at a time, and at least the other. Bytes. */
const PAGE = 32 * 1024;
const SMALL_PAGE = 16 * 1024;
/** Pages on their way at a time, of all sessions: what they bring is the work of one turn. */
const PAGES = 4;
/** Time after which a store that could not be read is asked again. Milliseconds. */
const READ_AGAIN = 1000;

/**
 * What waits for a session behind its queue: entries that are in the store only. While there is a
 * backlog, all that is new goes behind it, so the order stays.
 */
export interface Backlog {
  /** Sequence from which it is read on. */
  first: number;
  count: number;
  /** About. */
  bytes: number;
  /** So many of its first entries may have been sent already, before a crash. */
  resendCount: number;
  /** QoS 0 below this sequence may have been sent before a crash, and is not sent again. */
  freshFrom: number;
  /** Newest position of its entries. */
  position: Position;
  /** Some of it came by a Shared Subscription. */
  hasShared: boolean;
}

/** A page of a backlog on its way. */
export interface BacklogRead {
  /** The queue went back to the store meanwhile: the page is of no use. */
  isStale: boolean;
  /** Called when the store is through with it, after the session has ended meanwhile. */
  whenDone: (() => void) | undefined;
}

/**
 * Messages of one session that may be settled and not known as such to the store. After a crash
 * they are in its queue again, before those that were in flight.
 */
export const SETTLED_UNSAFE = 1024;

/** Notes that a record at `position` gives one message up. */
export function countSettled(engine: Engine, session: Session, position: Position): void {
  if (session.settledAt <= engine.store.durable) {
    session.settledCount = 0;
    session.freedIdentifiers?.clear();
  }
  session.settledCount++;
  session.settledAt = position;
}

/** Who reads a page now, and who would like to. */
export class PageLine {
  running = 0;
  readonly waiting = new Set<Session>();
}

/** Messages that wait for a session, in memory or not. */
export function waitingOf(session: Session): number {
  return (session.queue?.length ?? 0) + (session.backlog?.count ?? 0);
}

/** Of what waits for a session in the store, the first so many that may have been sent. */
export function inFlightOf(session: Session): number {
  return (session.outbound?.size ?? 0) + (session.backlog?.resendCount ?? 0);
}

/**
 * Of what waits for a session in the store, the first so many that may have been sent when a crash
 * ends its connection.
 *
 * @param sendMaximum  Of this connection. Nothing new is sent on it while anything of an earlier one
 *   waits to be sent again.
 */
export function inFlightMaximumOf(session: Session, sendMaximum: number): number {
  return Math.max(inFlightOf(session), sendMaximum + SETTLED_UNSAFE);
}

/** Whether a new message goes to the store only: nobody is there to take it, or the window is full. */
export function goesToBacklog(engine: Engine, session: Session): boolean {
  if (session.backlog !== undefined || session.connection === undefined) return true;
  const queue = session.queue;
  if (queue === undefined) return false;
  const { windowBytes } = engine.settings.session;
  const { windowsBytes } = engine.settings.limits;
  return (
    queue.length >= HIGH ||
    queue.bytes >= windowBytes ||
    (engine.meter.bytes >= windowsBytes && queue.bytes >= SMALL_PAGE)
  );
}

/** Notes that a message was recorded and is not kept in memory. */
export function addToBacklog(
  session: Session,
  sequence: number,
  message: Message,
  extras: Extras | undefined,
  position: Position,
): void {
  const backlog = (session.backlog ??= emptyBacklog(sequence));
  backlog.count++;
  backlog.bytes += message.size;
  backlog.position = position;
  if (extras?.group !== undefined) backlog.hasShared = true;
}

function emptyBacklog(first: number): Backlog {
  return {
    first,
    count: 0,
    bytes: 0,
    resendCount: 0,
    freshFrom: 0,
    position: 0,
    hasShared: false,
  };
}

/** Whether a page of the backlog is on its way: nothing of it may be given up until it is here. */
export function isBeingRead(session: Session): boolean {
  return session.reading !== undefined && !session.reading.isStale;
}

/** Gives up the oldest message of a backlog. @returns false where that may have been sent already. */
export function trimBacklog(engine: Engine, session: Session, backlog: Backlog): boolean {
  // A QoS 2 message that was sent holds its Packet Identifier at the client too.
  const isAnswered = session.answered !== undefined && (session.outbound?.size ?? 0) > 0;
  if (backlog.resendCount > 0 || isAnswered) return false;
  const { key } = session;
  const trimmed = engine.append({ type: "trim", session: key, from: backlog.first, count: 1 });
  countSettled(engine, session, trimmed);
  take(session, backlog, 1, backlog.bytes / backlog.count);
  return true;
}

function take(session: Session, backlog: Backlog, count: number, bytes: number): void {
  backlog.count -= count;
  backlog.bytes = Math.max(0, backlog.bytes - bytes);
  backlog.resendCount = Math.max(0, backlog.resendCount - count);
  if (backlog.count <= 0) session.backlog = undefined;
}

/** The client is gone: what waits in memory and is in the store has no need to be in memory. */
export function unloadQueue(engine: Engine, session: Session): void {
  if (session.reading !== undefined) session.reading.isStale = true;
  const queue = session.queue;
  if (queue === undefined || !session.isKept) return;
  const { backlog } = session;
  let first = -1;
  let count = 0;
  let bytes = 0;
  let resendCount = 0;
  let hasShared = false;
  queue.takeAll((message, meta, sequence, extras) => {
    if ((meta & META_KEPT) === 0) {
      engine.drop("offline-qos0", session.clientId, message, meta & META_QOS);
    } else {
      if (first < 0) first = sequence;
      count++;
      bytes += message.size;
      if ((meta & META_DUP) !== 0) resendCount++;
      if (extras?.group !== undefined) hasShared = true;
    }
    message.release();
  });
  session.queue = undefined;
  if (count === 0) return;
  const behind = (session.backlog = backlog ?? emptyBacklog(first));
  behind.first = first;
  behind.count += count;
  behind.bytes += bytes;
  behind.resendCount += resendCount;
  behind.hasShared ||= hasShared;
  if (backlog === undefined) behind.position = engine.newestPosition;
}

/** Asks for the next page of a backlog where the window runs short, as far as there is memory for it. */
export function pageIn(engine: Engine, session: Session): void {
  const { backlog, queue } = session;
  if (backlog === undefined || session.reading !== undefined || session.isParked) return;
  const waiting = queue?.length ?? 0;
  if (waiting >= LOW) return;
  const room = engine.settings.limits.windowsBytes - engine.meter.bytes;
  const hasWork = waiting > 0 || (session.outbound?.size ?? 0) > 0;
  // Whoever has nothing at all to do gets a page in any case, so everybody gets on.
  if (room < SMALL_PAGE && hasWork) return;
  const bytes = Math.max(
    SMALL_PAGE,
    Math.min(PAGE, room, engine.settings.session.windowBytes - (queue?.bytes ?? 0)),
  );
  const { pages } = engine;
  if (pages.running >= PAGES) {
    pages.waiting.add(session);
    return;
  }
  pages.running++;
  const read: BacklogRead = { isStale: false, whenDone: undefined };
  session.reading = read;
  engine.store.readQueue(session.key, backlog.first, bytes).then(
    (page) => {
      engine.enter();
      session.reading = undefined;
      leaveLine(engine);
      if (session.isEnded) return read.whenDone?.();
      if (!read.isStale) takePage(engine, session, page);
      if (session.connection !== undefined) engine.ready(session.connection);
    },
    (error: unknown) => {
      engine.enter();
      leaveLine(engine);
      engine.log.write("error", "store-read-failed", {
        clientId: session.clientId,
        error: error instanceof Error ? error.message : String(error),
      });
      const timer = new TimerEntry(() => {
        engine.enter();
        session.reading = undefined;
        if (session.isEnded) read.whenDone?.();
        else if (session.connection !== undefined) engine.ready(session.connection);
      });
      engine.wheel.schedule(timer, READ_AGAIN);
    },
  );
}

/** Whoever waits longest is next, if it still wants to: else it asks again when it does. */
function leaveLine(engine: Engine): void {
  const { pages } = engine;
  pages.running--;
  for (const session of pages.waiting) {
    if (pages.running >= PAGES) return;
    pages.waiting.delete(session);
    if (!session.isEnded && session.connection !== undefined) pageIn(engine, session);
  }
}

function takePage(engine: Engine, session: Session, page: QueuePage): void {
  const { backlog } = session;
  if (backlog === undefined) return;
  const { entries, unreadable } = page;
  let last = -1;
  const room = roomFor(entries);
  for (const entry of entries) {
    last = entry.sequence;
    if (session.answered?.has(entry.sequence) === true) continue;
    takeEntry(engine, session, backlog, entry, room);
  }
  if (unreadable.length > 0) {
    last = Math.max(last, unreadable[unreadable.length - 1]!);
    // They are not settled: somebody may still save them.
    engine.dropUnseen("unreadable", session.clientId, unreadable.length);
    take(session, backlog, unreadable.length, 0);
  }
  backlog.first = Math.max(backlog.first, last + 1);
  // Nothing is left to read whatever the count says: it is an estimate where messages were damaged.
  if (last < 0) session.backlog = undefined;
}

function takeEntry(
  engine: Engine,
  session: Session,
  backlog: Backlog,
  entry: QueueEntry,
  room: Room,
): void {
  if (entry.qos === 0 && entry.sequence < backlog.freshFrom) {
    engine.dropUnseen("offline-qos0", session.clientId, 1);
    const { sequence } = entry;
    const settled = engine.append({ type: "settled", session: session.key, sequence });
    countSettled(engine, session, settled);
    backlog.resendCount++;
    return take(session, backlog, 1, entry.message.payload.length);
  }
  const message = messageFromStore(engine, entry.message, room);
  const meta =
    entry.qos |
    (entry.retain ? META_RETAIN : 0) |
    META_KEPT |
    (backlog.resendCount > 0 && entry.qos > 0 ? META_DUP : 0);
  const group = entry.share === "" ? undefined : engine.shared.get(entry.share);
  const extras: Extras | undefined =
    group === undefined && entry.subscriptionIdentifiers.length === 0
      ? undefined
      : { identifiers: entry.subscriptionIdentifiers, group };
  const position = entry.qos === 2 ? backlog.position : 0;
  session.ensureQueue(engine.meter).push(message, meta, extras, position, entry.sequence);
  take(session, backlog, 1, message.size);
}

/** Puts a recovered session's queue behind it: it is read when its client is there. */
export function restoreQueue(
  session: Session,
  recovered: Pick<
    RecoveredSession,
    "queue" | "received" | "inFlight" | "inFlightMaximum" | "detachedAt"
  >,
): void {
  const { queue: summary, received } = recovered;
  // Who detached in time told how many. Else some too many do no harm: DUP says that a message may
  // have been sent. None too few: it is what CONNECT allowed, whatever the settings are now. What
  // PUBREC answered takes nothing of it, since it holds for one connection, and PUBRELs of earlier
  // ones do not count there.
  const sentCount =
    recovered.inFlight === undefined
      ? recovered.inFlightMaximum
      : Math.max(0, recovered.inFlight - received.size);
  session.nextSequence = summary.next;
  for (const sequence of [...received.keys()].sort((a, b) => a - b)) {
    session
      .ensureOutbound()
      .restore(
        received.get(sequence)!,
        OutboundState.awaitingPubcomp,
        settledMessage,
        packDetail(sequence, 2 | META_KEPT),
      );
  }
  if (received.size > 0) session.answered = new Set(received.keys());
  const count = summary.count - received.size;
  if (count <= 0) return;
  session.backlog = {
    first: summary.first,
    count,
    bytes: summary.bytes,
    resendCount: Math.min(count, sentCount),
    // Who detached in time was sent nothing that is not settled.
    freshFrom: recovered.detachedAt === undefined ? summary.next : 0,
    position: 0,
    hasShared: true,
  };
}

/**
 * Takes the backlog off a session that ended.
 *
 * @returns what other members of its Shared Subscriptions may take over; `undefined` where nothing is.
 */
export function takeEstate(engine: Engine, session: Session): Estate | undefined {
  const { backlog } = session;
  if (backlog === undefined) return undefined;
  session.backlog = undefined;
  if (!backlog.hasShared || engine.shared.size === 0) {
    engine.dropUnseen("session-ended", session.clientId, backlog.count);
    return undefined;
  }
  const { first, resendCount } = backlog;
  const { key, clientId, reading } = session;
  return { session: key, clientId, first, resendCount, reading };
}
