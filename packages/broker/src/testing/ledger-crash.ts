import type { LedgerSession } from "./ledger-session.ts";
import type { Point, Routing } from "./ledger-messages.ts";

/** What is known of a new life of the broker. Times are the ledger's, in milliseconds. */
export interface Restart {
  /** Store time that passed from the crash until the broker was open again; may be negative. */
  readonly passedMs: number;
  /** Age of the newest mark of both clocks that survived, at the crash. */
  readonly markAgeMs: number;
}

/** For this long after the newest mark a session counts as connected that was so at the crash. Milliseconds. */
export const CONNECTED_AFTER_MARK_MS = 60_000;

/**
 * The broker crashed. What it did of its own accord since everything last was at rest may be
 * forgotten; what it was asked for and did not answer may have been done or not.
 *
 * @param restedAt  When everything last was at rest.
 */
export function forget(session: LedgerSession, restedAt: Point): void {
  session.revived.push(...session.settled.splice(0));
  // Nobody waits for the record of a DISCONNECT.
  if (session.expiryChangedAt > restedAt) session.isUncertain = true;
  for (const flight of session.flights.values()) {
    // QoS 2 is kept before it is sent; QoS 1 is so where its publisher was told or time enough has passed.
    if (flight.qos === 2 || flight.sentAt <= restedAt) continue;
    const { routings } = flight.message.stream;
    const isKept =
      !flight.retain &&
      routings.every((routing) => routing.message !== flight.message || routing.isSure);
    if (isKept) continue;
    flight.isUncertain = true;
    // Its client may not have got it.
    const counts = session.counts.get(flight.message);
    if (counts !== undefined) counts[1] = Math.max(0, counts[1] - 1);
  }
  for (const routing of session.used) {
    // Sent before it was kept, it comes again when its publisher sends it again.
    const wasKept = session.wasKept && session.counts.get(routing.message)?.[2] === 1;
    if (mayBeUndone(routing, restedAt) && !wasKept) session.used.delete(routing);
  }
  for (const message of session.empty.keys()) {
    if (message.stream.routings.some((routing) => mayBeUndone(routing, restedAt)))
      session.empty.delete(message);
  }
  // Where a subscription was in the middle of what is retained, it begins once more.
  for (const period of session.periods) if (period.isRetainedOwed) period.retainedGot?.clear();
}

/** Whether a crash may make a routing not to have happened, so that it happens once more. */
function mayBeUndone({ isSure, to }: Routing, restedAt: Point): boolean {
  return !isSure && to > restedAt;
}
