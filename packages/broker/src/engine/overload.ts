import { ReasonCode } from "@sericite/protocol";
import { trimAway } from "./away.ts";
import { waitingOf } from "./backlog.ts";
import type { Connection } from "./connection.ts";
import type { Engine } from "./engine.ts";
import { discard } from "./enqueue.ts";
import { META_QOS } from "./queue.ts";

/** What is done at each level, besides what is done at those below. */
const DOING = [
  "nothing",
  "new clients are refused",
  "publishers are held",
  "QoS 0 messages of the slowest clients are dropped",
  "what waits in memory for clients that are away is cut, and the slowest clients are disconnected",
] as const;

/** Share of a bound below which there is calm. */
const CALM = 0.8;

/**
 * What is done where the broker has more than it can bear: too many bytes that wait in memory, or an
 * event loop that lags behind. Each moment of overload goes one step further, each calm one a step
 * back: new clients are refused, publishers held, QoS 0 messages of the slowest clients dropped, what
 * waits in memory for clients that are away cut and the slowest clients disconnected. No pause has to be waited for by the one who could end it: the
 * acknowledgements of held clients pass, a client for which messages wait is let in, and who is held
 * for `limits.holdTimeout` is disconnected.
 */
export class Overload {
  readonly #engine: Engine;
  /** 0: there is none; up to 4. */
  level = 0;
  /** Highest since it began. */
  #highest = 0;
  /** What there was too much of last. */
  #limit: "limits.queuedBytes" | "limits.overloadLag" = "limits.queuedBytes";

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Publishers are held with their next PUBLISH. */
  get holdsPublishers(): boolean {
    return this.level >= 2;
  }

  /**
   * One moment, of about a second.
   *
   * @param lagMs  How late the event loop is.
   * @param queuedBytes  Bytes of messages in memory that are too many.
   */
  look(lagMs: number, queuedBytes: number): void {
    const engine = this.#engine;
    engine.enter();
    const most = engine.settings.limits.overloadLag;
    const { bytes } = engine.meter;
    const isOver = bytes > queuedBytes || (most > 0 && lagMs > most);
    const isCalm = bytes <= queuedBytes * CALM && (most === 0 || lagMs <= most * CALM);
    if (isOver) this.#limit = bytes > queuedBytes ? "limits.queuedBytes" : "limits.overloadLag";
    if (isOver) this.#rise(lagMs, queuedBytes);
    else if (isCalm && this.level > 0) this.#fall(lagMs);
    if (this.level < 3 || !isOver) return;
    const goal = Math.max(bytes - queuedBytes, bytes / 10);
    this.#dropQos0(goal);
    if (this.level < 4) return;
    if (bytes > queuedBytes) trimAway(engine, queuedBytes);
    this.#disconnect(goal - (bytes - engine.meter.bytes));
  }

  #rise(lagMs: number, queuedBytes: number): void {
    const engine = this.#engine;
    if (this.level === 4) return;
    this.level++;
    if (this.level <= this.#highest) return;
    this.#highest = this.level;
    if (this.level === 1) engine.counters.overloads++;
    engine.log.write("warn", "overload", {
      doing: DOING[this.level],
      lagMs: Math.round(lagMs),
      bytes: engine.meter.bytes,
      queuedBytes,
    });
  }

  #fall(lagMs: number): void {
    const engine = this.#engine;
    this.level--;
    if (this.level === 1) engine.heldPublishers.release();
    if (this.level > 0) return;
    this.#highest = 0;
    engine.log.write("info", "overload-over", {
      lagMs: Math.round(lagMs),
      bytes: engine.meter.bytes,
    });
  }

  /** Refuses a client that is new; one for which messages wait makes it better. @returns whether it is refused. */
  refuses(connection: Connection, cleanStart: boolean): boolean {
    const engine = this.#engine;
    if (this.level === 0 || connection.isTrusted) return false;
    const session = cleanStart ? undefined : engine.sessions.get(connection.clientId);
    if (session !== undefined && waitingOf(session) > 0) return false;
    engine.counters.overloadRefused++;
    engine.limitReached(this.#limit, connection);
    connection.refuse(ReasonCode.serverBusy, "the broker has too much to do");
    return true;
  }

  /** Connections with the most bytes that they have not taken, the worst first. */
  #slowest(): { connection: Connection; bytes: number }[] {
    const slow: { connection: Connection; bytes: number }[] = [];
    for (const connection of this.#engine.connections) {
      if (connection.state !== "open" || connection.isTrusted) continue;
      const bytes = (connection.session?.queue?.bytes ?? 0) + connection.link.unsentBytes;
      if (bytes > 0) slow.push({ connection, bytes });
    }
    return slow.sort((a, b) => b.bytes - a.bytes);
  }

  #dropQos0(goal: number): void {
    const engine = this.#engine;
    const until = engine.meter.bytes - goal;
    for (const { connection } of this.#slowest()) {
      const session = connection.session!;
      const { queue } = session;
      while (queue !== undefined && engine.meter.bytes > until) {
        const dropped = queue.dropQos0();
        if (dropped === undefined) break;
        engine.drop("overload", connection.clientId, dropped.message, dropped.meta & META_QOS);
        discard(engine, session, dropped.message, dropped.sequence, dropped.meta);
      }
      if (engine.meter.bytes <= until) return;
    }
  }

  #disconnect(goal: number): void {
    const engine = this.#engine;
    let left = goal;
    for (const { connection, bytes } of this.#slowest()) {
      if (left <= 0) return;
      left -= bytes;
      engine.counters.overloadDisconnects++;
      engine.limitReached(this.#limit, connection);
      const reason = "the broker has too much to do, and the client takes too little";
      // DISCONNECT would stand behind what the client does not read.
      if (connection.isWritable) connection.close(ReasonCode.quotaExceeded, reason);
      else connection.abort(reason, ReasonCode.quotaExceeded);
    }
  }
}
