import type { QueueEntry } from "../engine/ports.ts";
import type { Ledger } from "./ledger.ts";
import type { LedgerSession } from "./ledger-session.ts";
import { collectRecovery, RecordState } from "./record-state.ts";
import type { RecoveredState } from "./record-state.ts";
import type { WatchedStore } from "./watched-store.ts";

type FoundSession = RecoveredState["sessions"][number];

const decoder = new TextDecoder();

/**
 * What a crash at this moment would leave, compared with what every client was promised: the
 * records are read as recovery reads them. Everything is at rest.
 */
export function checkRecords(ledger: Ledger, store: WatchedStore): void {
  const state = new RecordState();
  for (const { record } of store.records) state.apply(record);
  const recovery = collectRecovery();
  state.recover(recovery);
  const { sessions, retained, wills, delayed, bans } = recovery.state();
  const byKey = new Map(
    sessions.filter(({ hasLeft }) => !hasLeft).map((session) => [session.session, session]),
  );
  for (const session of ledger.sessions()) {
    if (!ledger.isCertain(session) || session.expiry === 0 || session.storeKey === undefined)
      continue;
    const found = byKey.get(session.storeKey);
    byKey.delete(session.storeKey);
    if (found === undefined) ledger.complain(`${session.name} would be gone after a crash`);
    else checkSession(ledger, session, found, state.queue(found.session));
  }
  for (const { clientId, session } of byKey.values()) {
    const known = ledger.sessions().filter((other) => other.clientId === clientId);
    if (known.some((other) => other.storeKey === session || !ledger.isCertain(other))) continue;
    ledger.complain(`session ${session} of ${clientId} has ended, but would return after a crash`);
  }
  checkRetained(
    ledger,
    new Map(retained.map((message) => [message.topicName, decoder.decode(message.payload)])),
  );
  ledger.delayed.checkKept(new Set(delayed.map(({ message }) => decoder.decode(message.payload))));
  ledger.guards.checkKept(bans);
  const kept = [
    ...sessions.flatMap(({ will }) => (will === undefined ? [] : [will])),
    ...wills.map(({ will }) => will),
  ];
  ledger.checkKeptWills(new Set(kept.map(({ message }) => decoder.decode(message.payload))));
}

function checkSession(
  ledger: Ledger,
  session: LedgerSession,
  found: FoundSession,
  queue: readonly QueueEntry[],
): void {
  const isAttached = session.connection !== undefined;
  if (isAttached !== (found.detachedAt === undefined)) {
    ledger.complain(
      `${session.name} is ${isAttached ? "attached" : "detached"}, after a crash it would be the other`,
    );
  }
  checkSubscriptions(ledger, session, found);
  const waiting = new Set(queue.map(keyOf));
  for (const { message } of session.owed) {
    if (!waiting.has(message.key))
      ledger.complain(`${session.name} would not get ${message.name} after a crash`);
  }
  if (!isAttached) return;
  // At rest an attached client has acknowledged all.
  for (const entry of queue)
    ledger.complain(
      `${session.name} has settled ${keyOf(entry)}, but would get it again after a crash`,
    );
  for (const { packetIdentifier } of found.inbound) {
    ledger.complain(
      `${session.name} has released ${packetIdentifier}, but after a crash a new message under it would be lost`,
    );
  }
}

function checkSubscriptions(ledger: Ledger, session: LedgerSession, found: FoundSession): void {
  const stored = new Map(
    found.subscriptions.map((subscription) => [subscription.topicFilter, subscription]),
  );
  for (const period of session.periods) {
    if (period.untilSure !== Infinity) continue;
    const { topicFilter, qos, noLocal, retainAsPublished } = period.request;
    const subscription = stored.get(topicFilter);
    const isSure = period.fromSure !== Infinity && period.until === Infinity;
    if (!isSure) {
      stored.delete(topicFilter);
      continue;
    }
    if (subscription === undefined) {
      ledger.complain(`${session.name} would have no subscription to ${topicFilter} after a crash`);
      continue;
    }
    stored.delete(topicFilter);
    const isSame =
      subscription.qos === qos &&
      subscription.noLocal === (noLocal ?? false) &&
      subscription.retainAsPublished === (retainAsPublished ?? false) &&
      subscription.subscriptionIdentifier === period.identifier;
    if (!isSame)
      ledger.complain(
        `${session.name} would have another subscription to ${topicFilter} after a crash`,
      );
  }
  for (const topicFilter of stored.keys()) {
    ledger.complain(
      `${session.name} has unsubscribed from ${topicFilter}, but would be subscribed after a crash`,
    );
  }
}

function checkRetained(ledger: Ledger, kept: Map<string, string>): void {
  for (const topicName of ledger.messages.retainedTopics("#")) {
    const { routings, mayBeNone } = ledger.messages.retainedBetween(
      topicName,
      ledger.point,
      ledger.point,
      ledger.nowMs,
    );
    const payload = kept.get(topicName);
    kept.delete(topicName);
    if (payload === undefined) {
      if (!mayBeNone) ledger.complain(`${topicName} would have nothing retained after a crash`);
    } else if (!routings.some(({ message }) => message.payload === payload)) {
      ledger.complain(
        `${topicName} would have "${payload.slice(0, 20)}" retained after a crash, and has it no more`,
      );
    }
  }
  for (const topicName of kept.keys())
    ledger.complain(`${topicName} never had anything retained, but would have after a crash`);
}

function keyOf({ message }: QueueEntry): string {
  return `${message.topicName} ${decoder.decode(message.payload)}`;
}
