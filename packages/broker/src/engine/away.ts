import type { Engine } from "./engine.ts";
import type { Message } from "./message.ts";
import { META_DUP, META_QOS } from "./queue.ts";
import type { Dropped, Queue } from "./queue.ts";
import type { Session } from "./session.ts";

/**
 * Of `limits.queuedBytes`, what may wait before something has to go that waits in memory for clients
 * that are away. It is where overload ends: none begins, and none goes on, because of those who may
 * never come for it.
 */
const SHARE = 0.8;

/** Whether a message has no room in the memory of a session without a connection. */
export function isCrowded(engine: Engine, session: Session, message: Message): boolean {
  const { queuedBytes } = engine.settings.limits;
  return (
    queuedBytes > 0 &&
    engine.meter.bytes + message.end - message.start > queuedBytes * SHARE &&
    !session.isKept
  );
}

/**
 * Drops as many bytes of the session's queue as the message has, and no more than it takes, as `session.queueFull` says: what
 * others wait for is not touched.
 *
 * @returns false where the new message is what goes.
 */
export function giveWay(engine: Engine, session: Session, message: Message, qos: number): boolean {
  const { queueFull } = engine.settings.session;
  const goal = engine.meter.bytes - (message.end - message.start);
  engine.limitReached("limits.queuedBytes", session);
  while (engine.meter.bytes > goal && isCrowded(engine, session, message)) {
    const { queue } = session;
    let dropped = queueFull === "oldest" || qos !== 0 ? queue?.dropQos0() : undefined;
    if (queueFull === "oldest" && qos !== 0) dropped ??= dropOldest(queue);
    if (dropped === undefined) {
      engine.drop("queue-full", session.clientId, message, qos);
      return false;
    }
    dropFrom(engine, session, dropped);
  }
  return true;
}

/** Makes room in the longest queues of clients that are away, until no more waits than may; those of a store are not in memory. */
export function trimAway(engine: Engine, queuedBytes: number): void {
  const most = queuedBytes * SHARE;
  if (engine.meter.bytes <= most) return;
  for (const session of longestAway(engine)) {
    let dropped = session.queue!.dropQos0() ?? dropOldest(session.queue);
    if (dropped !== undefined) engine.limitReached("limits.queuedBytes", session);
    while (dropped !== undefined) {
      dropFrom(engine, session, dropped);
      if (engine.meter.bytes <= most) return;
      dropped = session.queue!.dropQos0() ?? dropOldest(session.queue);
    }
  }
}

function longestAway(engine: Engine): Session[] {
  const found: Session[] = [];
  for (let number = 0; number < engine.sessions.end; number++) {
    const session = engine.sessions.at(number);
    if (session === undefined || session.connection !== undefined || session.isKept) continue;
    if ((session.queue?.bytes ?? 0) > 0) found.push(session);
  }
  return found.sort((a, b) => b.queue!.bytes - a.queue!.bytes);
}

/** What was sent already stays: it has to be sent again. */
function dropOldest(queue: Queue | undefined): Dropped | undefined {
  if (queue?.head() === undefined || (queue.headMeta & META_DUP) !== 0) return undefined;
  return queue.dropOldest();
}

/** No store knows of it: the reference is all there is to give up. */
function dropFrom(engine: Engine, session: Session, { message, meta }: Dropped): void {
  engine.drop("queue-full", session.clientId, message, meta & META_QOS);
  message.release();
}
