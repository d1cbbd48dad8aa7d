import { TimerEntry } from "@sericite/protocol";
import type { BacklogRead } from "./backlog.ts";
import type { Engine } from "./engine.ts";
import { takesMessages } from "./ports.ts";
import type { QueueEntry, QueuePage, SessionKey } from "./ports.ts";
import { messageFromStore } from "./stored-message.ts";

/** Bytes that are passed on in one turn. */
const PAGE = 256 * 1024;
/** Time after which a store that is in trouble is asked again. Milliseconds. */
const READ_AGAIN = 1000;

/** What an ended session left in the store. */
export interface Estate {
  readonly session: SessionKey;
  readonly clientId: string;
  /** Sequence from which it is read on. */
  first: number;
  /** So many of its first entries may have been sent: of those, QoS 2 ends with its session. */
  resendCount: number;
  /** A page that was on its way for the session when it ended: the first of the estate comes after it. */
  reading: BacklogRead | undefined;
}

/**
 * Passes on what an ended session got by Shared Subscriptions to other members, page by page
 * [MQTT5-4.8.2-4] [MQTT5-4.8.2-5]; what it got by itself is dropped. What goes to another
 * member and what is settled here are of one batch, so a crash between two pages doubles nothing.
 */
export function passOnEstate(engine: Engine, estate: Estate): void {
  // A store reads one page of a session at a time.
  const { reading } = estate;
  if (reading !== undefined) {
    estate.reading = undefined;
    reading.whenDone = () => passOnEstate(engine, estate);
    return;
  }
  if (!takesMessages(engine.store.state)) return tryLater(engine, estate);
  engine.store.readQueue(estate.session, estate.first, PAGE).then(
    (page) => {
      engine.enter();
      takePage(engine, estate, page);
    },
    (error: unknown) => {
      engine.enter();
      engine.log.write("error", "store-read-failed", {
        clientId: estate.clientId,
        error: error instanceof Error ? error.message : String(error),
      });
      tryLater(engine, estate);
    },
  );
}

function tryLater(engine: Engine, estate: Estate): void {
  const timer = new TimerEntry(() => {
    engine.enter();
    passOnEstate(engine, estate);
  });
  engine.wheel.schedule(timer, READ_AGAIN);
}

function takePage(engine: Engine, estate: Estate, page: QueuePage): void {
  let dropped = page.unreadable.length;
  for (const entry of page.entries) {
    if (!passOn(engine, estate, entry)) dropped++;
    engine.append({ type: "settled", session: estate.session, sequence: entry.sequence });
  }
  if (dropped > 0) engine.dropUnseen("session-ended", estate.clientId, dropped);
  if (page.next === undefined) {
    engine.append({ type: "session-end", session: estate.session });
    return;
  }
  estate.first = page.next;
  passOnEstate(engine, estate);
}

/** @returns whether another member took it. */
function passOn(engine: Engine, estate: Estate, entry: QueueEntry): boolean {
  const mayHaveBeenSent = estate.resendCount > 0;
  if (mayHaveBeenSent) estate.resendCount--;
  if (entry.share === "" || (mayHaveBeenSent && entry.qos === 2)) return false;
  const group = engine.shared.get(entry.share);
  if (group === undefined) return false;
  const message = messageFromStore(engine, entry.message);
  return message.expiresAt === 0 || message.expiresAt > engine.now
    ? engine.passOn(group, message)
    : false;
}
