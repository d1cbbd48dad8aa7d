import { TimerEntry } from "@sericite/protocol";
import { inFlightOf, takeEstate, unloadQueue } from "./backlog.ts";
import { releaseAll } from "./enqueue.ts";
import type { Engine } from "./engine.ts";
import { passOnEstate } from "./estate.ts";
import type { Claim, Position, SessionKey } from "./ports.ts";
import { NEVER_EXPIRES, Session } from "./session.ts";
import type { SharedGroup } from "./shared.ts";
import { decideWill, publishWill } from "./will.ts";

/** Longest delay that one timer is asked for. Milliseconds. */
const LONGEST = 2 ** 52;

/**
 * The sessions by Client Identifier, and by number. Nothing else holds them by name. Numbers are
 * small and used again once nothing points to them.
 */
export class SessionRegistry {
  readonly #byClientId = new Map<string, Session>(); // [MQTT5-3.1.3-2] [MQTT3-3.1.3-2]
  readonly #bySubscriber: (Session | undefined)[] = [];
  /** Shared Subscriptions have numbers of the same kind. */
  readonly #groups: (SharedGroup | undefined)[] = [];
  readonly #free: number[] = [];
  /** Ended, and their subscriptions not cleared out yet. */
  readonly #leaving: number[] = [];
  /** Where the ends of stored sessions are recorded; those that may not be durable, oldest first. */
  readonly #ends = new Map<string, Position>();

  get size(): number {
    return this.#byClientId.size;
  }

  get(clientId: string): Session | undefined {
    return this.#byClientId.get(clientId);
  }

  /** The session with this number, if it lives. */
  at(subscriber: number): Session | undefined {
    return this.#bySubscriber[subscriber];
  }

  /** One above the highest number in use: for walking all sessions in pieces. */
  get end(): number {
    return this.#bySubscriber.length;
  }

  /** The Shared Subscription with this number, if there is one. */
  groupAt(subscriber: number): SharedGroup | undefined {
    return this.#groups[subscriber];
  }

  setGroup(subscriber: number, group: SharedGroup | undefined): void {
    this.#groups[subscriber] = group;
  }

  /** A number that nothing uses. */
  takeNumber(): number {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    this.#groups.push(undefined);
    return this.#bySubscriber.push(undefined) - 1;
  }

  /** Gives a number back to which nothing points. */
  giveNumber(subscriber: number): void {
    this.#free.push(subscriber);
  }

  create(clientId: string, key: SessionKey, claim: Claim): Session {
    const subscriber = this.takeNumber();
    const session = new Session(clientId, subscriber, key, claim);
    this.#bySubscriber[subscriber] = session;
    this.#byClientId.set(clientId, session);
    return session;
  }

  remove(session: Session): void {
    if (this.#byClientId.get(session.clientId) === session)
      this.#byClientId.delete(session.clientId);
    this.#bySubscriber[session.subscriber] = undefined;
    this.#leaving.push(session.subscriber);
  }

  /** The record of a session's end is at `position`: until it is durable a crash brings the session back. */
  noteEnd(clientId: string, position: Position, durable: Position): void {
    for (const [ended, at] of this.#ends) {
      if (at > durable) break;
      this.#ends.delete(ended);
    }
    // Behind all others, as its position is.
    this.#ends.delete(clientId);
    this.#ends.set(clientId, position);
  }

  /** Position of the newest end of a stored session with this Client Identifier; 0 where it is long past. */
  endOf(clientId: string): Position {
    return this.#ends.get(clientId) ?? 0;
  }

  /** Gives numbers free whose subscriptions are cleared out. */
  reclaim(isSwept: (subscriber: number) => boolean): void {
    let kept = 0;
    for (const subscriber of this.#leaving) {
      if (isSwept(subscriber)) this.#free.push(subscriber);
      else this.#leaving[kept++] = subscriber;
    }
    this.#leaving.length = kept;
  }
}

/** The session's connection is gone: its Will is decided, and it ends now or when it expires. */
export function detach(engine: Engine, session: Session): void {
  session.rights = session.connection?.rights;
  session.connection = undefined;
  session.isParked = false;
  session.question = undefined;
  session.deliveryAllowed = undefined;
  session.detachedAt = engine.now;
  session.outbound?.rewind();
  engine.cluster?.attachmentChanged(session);
  decideWill(engine, session);
  if (session.expiryInterval === 0) return endSession(engine, session, "its connection ended"); // [MQTT5-4.1.0-1] [MQTT3-4.1.0-1] [MQTT3-4.1.0-2]
  unloadQueue(engine, session);
  if (session.isStored) {
    engine.append({
      type: "session-detach",
      session: session.key,
      sessionExpiryInterval: session.expiryInterval,
      detachedAt: engine.storeTime(),
      inFlight: inFlightOf(session),
    });
  }
  scheduleExpiry(engine, session, session.expiryInterval * 1000);
}

/** Ends the session after a time without connection [MQTT5-4.1.0-2]. */
export function scheduleExpiry(engine: Engine, session: Session, delayMs: number): void {
  if (session.expiryInterval === NEVER_EXPIRES) return;
  session.expiryTimer ??= new TimerEntry(() => {
    engine.enter();
    expireSession(engine, session);
  });
  engine.wheel.schedule(session.expiryTimer, Math.min(delayMs, LONGEST));
}

/** Ends a session whose time without a connection is over. */
export function expireSession(engine: Engine, session: Session): void {
  engine.counters.sessionsExpired++;
  endSession(engine, session, "it expired");
}

/** Forgets a session and all that belongs to it. Its Will goes now if it still waits. */
export function endSession(engine: Engine, session: Session, reason: string): void {
  if (session.isEnded) return;
  publishWill(engine, session);
  session.isEnded = true;
  if (session.expiryTimer !== undefined) engine.wheel.cancel(session.expiryTimer);
  engine.cluster?.filtersRemoved(session);
  engine.topicTree.removeSubscriber(session.subscriber);
  engine.shared.leaveAll(session);
  engine.sessions.remove(session);
  const estate = takeEstate(engine, session);
  releaseAll(engine, session, estate !== undefined);
  engine.sweep();
  engine.ownership.release(session.clientId, session.claim);
  if (session.isStored) {
    const type = estate === undefined ? "session-end" : "session-leave";
    const position = engine.append({ type, session: session.key });
    engine.sessions.noteEnd(session.clientId, position, engine.store.durable);
  }
  if (estate !== undefined) passOnEstate(engine, estate);
  engine.counters.sessionsEnded++;
  engine.events.emit("sessionEnded", { clientId: session.clientId, reason });
}
