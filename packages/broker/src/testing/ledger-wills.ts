import type { Will } from "@sericite/protocol";
import type { LedgerConnection } from "./ledger-connection.ts";
import type { Ledger } from "./ledger.ts";
import { EXPIRY_MARGIN_MS } from "./ledger-messages.ts";
import type { Point, Routing } from "./ledger-messages.ts";
import type { LedgerSession } from "./ledger-session.ts";

const CONNECTED = "a Will whose client is connected";

/** A Will that a client left with the broker. */
export interface ArmedWill {
  readonly clientId: string;
  session: LedgerSession | undefined;
  readonly routing: Routing;
  /** Seconds. */
  readonly delay: number;
  /** The same, or the Session Expiry Interval of its CONNECT where that is shorter. Seconds. */
  readonly wait: number;
  readonly connection: LedgerConnection;
  state: "armed" | "waiting" | "perhaps" | "over";
  /** When it was left. */
  readonly at: Point;
  /** When it is to be published. Milliseconds. */
  dueAtMs: number;
  /** The same, at the latest: after a crash the broker may know it less well. Milliseconds. */
  dueLatestMs: number;
  /** When its connection went. Milliseconds. */
  closedAtMs: number;
  closedAt: Point;
  /** A Clean Start that nobody saw answered may have brought it out, or it was due before a crash. */
  mayHaveCome: boolean;
  /** Since another CONNECT of its client came, which ends its connection before anybody sees that. */
  contestedAt: Point | undefined;
}

/** Wills: each exactly once where its connection ended without DISCONNECT 0x00, and never too early or too late. */
export class Wills {
  readonly #ledger: Ledger;
  readonly #open = new Set<ArmedWill>();
  /** Given up since everything last was at rest, which nobody was told: a crash may bring them back. */
  #givenUp: ArmedWill[] = [];

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  /** A CONNECT with a Will came. @param expiry  Session Expiry Interval that it asks for, seconds. */
  arm(connection: LedgerConnection, clientId: string, will: Will, expiry: number): ArmedWill {
    const ledger = this.#ledger;
    const routing = ledger.messages.add(
      clientId,
      `will of ${clientId}`,
      {
        topicName: ledger.rewrite(will.topicName),
        payload: will.payload,
        qos: will.qos,
        retain: will.retain,
        expiry: will.properties?.messageExpiryInterval,
        userProperties: will.properties?.userProperties ?? [],
      },
      ledger.point,
      ledger.nowMs,
      undefined,
    );
    routing.refused = CONNECTED;
    const armed: ArmedWill = {
      clientId,
      session: undefined,
      routing,
      delay: will.properties?.willDelayInterval ?? 0,
      // The session's end comes first where it is earlier.
      wait: Math.min(will.properties?.willDelayInterval ?? 0, expiry),
      connection,
      state: "armed",
      at: ledger.point,
      dueAtMs: Infinity,
      dueLatestMs: 0,
      closedAtMs: Infinity,
      closedAt: Infinity,
      mayHaveCome: false,
      contestedAt: undefined,
    };
    this.#open.add(armed);
    connection.will = armed;
    return armed;
  }

  /** Another CONNECT of the client came: it may take the connection over at any moment. */
  contested(connection: LedgerConnection, clientId: string, cleanStart: boolean): void {
    const ledger = this.#ledger;
    for (const will of this.#open) {
      if (will.clientId !== clientId || will.state !== "armed" || connection.will === will)
        continue;
      this.mayCome(will);
      if (will.wait > 0 && !cleanStart)
        will.routing.notBeforeMs = ledger.nowMs + will.wait * 1000 - EXPIRY_MARGIN_MS;
    }
  }

  /** It may come from now on, though its connection is not seen to be closed. */
  mayCome(will: ArmedWill): void {
    if (will.state !== "armed") return;
    will.contestedAt ??= this.#ledger.point;
    will.routing.from = will.contestedAt;
    will.routing.refused = undefined;
  }

  /** Whether the broker may have closed the connection of a Will that is armed. */
  mayBeDue(routing: Routing): boolean {
    for (const will of this.#open) {
      if (will.routing !== routing || will.state !== "armed" || !will.connection.mayBeGone)
        continue;
      this.mayCome(will);
      return true;
    }
    return false;
  }

  /** That CONNECT was refused. */
  uncontested(clientId: string): void {
    for (const will of this.#open) {
      if (will.clientId !== clientId || will.state !== "armed") continue;
      will.contestedAt = undefined;
      will.routing.refused = CONNECTED;
    }
  }

  /** Its connection is gone. */
  closed(connection: LedgerConnection, session: LedgerSession): void {
    const will = connection.will;
    if (will === undefined || will.state !== "armed") return;
    const ledger = this.#ledger;
    will.session = session;
    will.routing.from = will.contestedAt ?? ledger.point;
    will.routing.refused = undefined;
    will.closedAtMs = ledger.nowMs;
    will.closedAt = ledger.point;
    will.dueAtMs = ledger.nowMs + Math.min(will.delay, session.expiry) * 1000;
    will.routing.fromMs = will.routing.latestMs = will.dueAtMs;
    if (will.contestedAt === undefined) will.routing.notBeforeMs = will.dueAtMs - EXPIRY_MARGIN_MS;
    will.state = "waiting";
    if (session.mayEnd) will.routing.notBeforeMs = 0;
    if (session.isEnded) this.sessionEnded(session);
    else if (session.connection !== connection && will.wait > 0 && !connection.leftInOrder) {
      return this.#cancel(will, "its client had taken over [MQTT5-3.1.3-9]");
    }
    // Whether its DISCONNECT was read, and so when the session ends, is not known.
    if (connection.leftWith !== undefined && !connection.wasReadToEnd) will.state = "perhaps";
    if (!connection.leftInOrder) return;
    if (connection.wasReadToEnd && will.contestedAt === undefined) this.#giveUp(will);
    else will.state = "perhaps";
  }

  /** A connection is gone that may or may not have been let in. */
  gaveUp(connection: LedgerConnection, clientId: string, cleanStart: boolean): void {
    const ledger = this.#ledger;
    for (const will of this.#open) {
      if (will.clientId !== clientId || !isPending(will)) continue;
      // With Clean Start it came early or comes when it is due, else it came early or never.
      if (cleanStart) will.mayHaveCome = true;
      else will.state = "perhaps";
      will.routing.notBeforeMs = 0;
    }
    const own = connection.will;
    if (own === undefined) return;
    own.state = "perhaps";
    own.routing.from = ledger.point;
    own.routing.refused = undefined;
    own.routing.notBeforeMs = own.wait === 0 ? 0 : Math.min(own.routing.notBeforeMs, ledger.nowMs);
    own.dueAtMs = ledger.nowMs + own.wait * 1000;
    own.routing.fromMs = ledger.nowMs;
    own.routing.latestMs = own.dueAtMs;
  }

  /** CONNACK says that the client is back in its session, for which it asked at `connectMs`. */
  returned(session: LedgerSession, connectMs: number): void {
    const ledger = this.#ledger;
    for (const will of this.#open) {
      if (will.session !== session || will.state !== "waiting") continue;
      if (will.mayHaveCome || session.mayEnd) will.state = "perhaps";
      else if (ledger.nowMs < will.dueAtMs - EXPIRY_MARGIN_MS)
        this.#cancel(will, "its client was back before it was due [MQTT5-3.1.3-9]");
      else if (connectMs < latestOf(will) + EXPIRY_MARGIN_MS && latestOf(will) > will.closedAtMs)
        will.state = "perhaps";
    }
  }

  /** The session ended: what waits is due now. */
  sessionEnded(session: LedgerSession): void {
    for (const will of this.#open) {
      if (will.session !== session || !isPending(will)) continue;
      will.dueAtMs = Math.min(will.dueAtMs, this.#ledger.nowMs);
      will.routing.fromMs = will.routing.latestMs = will.dueAtMs;
      will.routing.notBeforeMs = Math.min(will.routing.notBeforeMs, will.dueAtMs);
    }
  }

  /** A CONNECT with Clean Start came: what waits may come. */
  sessionMayEnd(clientId: string): void {
    for (const will of this.#open) {
      if (will.clientId === clientId && isPending(will)) will.routing.notBeforeMs = 0;
    }
  }

  /** Nothing is under way: what was due has been routed. */
  atRest(): void {
    const ledger = this.#ledger;
    this.#givenUp = [];
    for (const will of this.#open) {
      if (will.state === "armed" || ledger.nowMs < this.#latestOf(will) + EXPIRY_MARGIN_MS)
        continue;
      const isSure = will.state === "waiting" && !ledger.wasTroubledSince(will.routing.fromMs);
      if (isSure) ledger.messages.confirm(will.routing, ledger.point);
      else ledger.messages.close(will.routing, ledger.point);
      this.#over(will);
    }
  }

  /** When it must have come: a connection that the broker did not read for the store's sake ends only after that. */
  #latestOf(will: ArmedWill): number {
    if (!this.#ledger.wasTroubledSince(will.closedAtMs)) return latestOf(will);
    return Math.max(latestOf(will), this.#ledger.troubledAtMs + will.delay * 1000);
  }

  /** What a crash would leave: every Will that may still come, and no other. */
  checkKept(payloads: ReadonlySet<string>): void {
    const known = new Set<string>();
    for (const will of this.#open) {
      const { payload, name } = will.routing.message;
      known.add(payload);
      const isSure =
        will.state === "waiting" || (will.state === "armed" && will.connection.isAccepted);
      // What is nearly due may be gone.
      const isNear =
        this.#ledger.nowMs >= will.dueAtMs - EXPIRY_MARGIN_MS ||
        will.mayHaveCome ||
        will.contestedAt !== undefined;
      if (isSure && !isNear && !payloads.has(payload))
        this.#ledger.complain(`the Will ${name} would be gone after a crash`);
    }
    for (const payload of payloads) {
      if (!known.has(payload))
        this.#ledger.complain(`the Will ${payload} is over, but would be published after a crash`);
    }
  }

  /**
   * The broker crashed; all connections are closed. A Will that was left, or given up, in the last
   * flush's window may be missing, or come after all.
   *
   * @param restedAt  When everything last was at rest.
   */
  crashed(restedAt: Point): void {
    for (const will of this.#open) {
      const isKept = will.connection.isAccepted && (will.session?.wasKept ?? false);
      if (will.state === "waiting" && !isKept && will.at > restedAt) will.state = "perhaps";
      // Where time is lost it may be due once more.
      if (this.#ledger.nowMs >= will.dueAtMs - EXPIRY_MARGIN_MS) will.mayHaveCome = true;
    }
    for (const will of this.#givenUp) {
      will.state = "perhaps";
      will.routing.notBeforeMs = 0;
      this.#ledger.messages.revive(will.routing);
      this.#open.add(will);
    }
    this.#givenUp = [];
  }

  /**
   * The broker is open again.
   *
   * @param crashedAtMs  When it crashed.
   * @param detachedAtMs  Since when it counts as detached what was connected.
   * @param restedAt  When everything last was at rest.
   */
  restarted(crashedAtMs: number, detachedAtMs: number, restedAt: Point): void {
    const { nowMs } = this.#ledger;
    for (const will of this.#open) {
      if (!isPending(will)) continue;
      // What was due meanwhile comes now.
      will.dueLatestMs = Math.max(will.dueLatestMs, nowMs);
      const wait = Math.min(will.delay, will.session?.expiry ?? will.wait) * 1000;
      // Where time was lost, its connection went at the latest now.
      let earliest = Math.min(will.closedAtMs, nowMs) + wait;
      if (will.closedAt >= restedAt) {
        // Nobody knows any more when exactly that was.
        // The end of its session that DISCONNECT brought about may be forgotten as well.
        const longest = Math.max(wait, will.wait * 1000);
        will.dueLatestMs = Math.max(latestOf(will), detachedAtMs + longest);
        earliest = Math.min(earliest, crashedAtMs + wait, detachedAtMs + wait);
      }
      if (earliest >= will.dueAtMs) continue;
      will.dueAtMs = earliest;
      will.routing.fromMs = Math.min(will.routing.fromMs, earliest);
      will.routing.notBeforeMs = Math.min(will.routing.notBeforeMs, earliest - EXPIRY_MARGIN_MS);
    }
  }

  /** Given up, but nobody was told: its record may not be kept yet. */
  #giveUp(will: ArmedWill): void {
    this.#cancel(will, "its client said DISCONNECT");
    this.#givenUp.push(will);
  }

  #cancel(will: ArmedWill, why: string): void {
    will.routing.refused = undefined;
    this.#ledger.messages.refuse(will.routing, `a Will, and ${why}`);
    this.#over(will);
  }

  #over(will: ArmedWill): void {
    will.state = "over";
    this.#open.delete(will);
  }
}

/** When it is to come at the latest. Milliseconds. */
function latestOf({ dueAtMs, dueLatestMs }: ArmedWill): number {
  return Math.max(dueAtMs, dueLatestMs);
}

/** Whether it waits for its time, for certain or perhaps. */
function isPending({ state }: ArmedWill): boolean {
  return state === "waiting" || state === "perhaps";
}
