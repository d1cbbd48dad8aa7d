import type { MessageNumber, StoredMessage } from "../../engine/ports.ts";
import type { Recovery } from "../../engine/records.ts";
import type { Disk } from "./disk.ts";
import { messageOf, readBodies } from "./reading.ts";
import type { Recovered } from "./recover.ts";
import { wait } from "./task.ts";
import type { Task } from "./task.ts";

/** Retained messages that are read at a time. */
const SLICE = 1000;

/** Tells an engine what was found, reading the bodies of retained messages, and of nothing else. */
export function* tellRecovery(disk: Disk, found: Recovered, recovery: Recovery): Task<void> {
  const { state } = found;
  if (state.time !== undefined) recovery.time(state.time);
  recovery.numbers(state.highestMessage, state.highestSession);
  for (const session of state.sessions.values()) {
    const { queue } = session;
    let bytes = 0;
    queue.forEachFrom(0, ({ message }) => {
      state.messages.find(message);
      bytes += state.messages.length;
      return true;
    });
    recovery.session({
      session: session.session,
      clientId: session.clientId,
      epoch: session.epoch,
      username: session.username,
      sessionExpiryInterval: session.sessionExpiryInterval,
      detachedAt: session.detachedAt,
      subscriptions: [...(session.subscriptions?.values() ?? [])],
      inbound: [...(session.inbound ?? [])].map(([packetIdentifier, denied]) => ({
        packetIdentifier,
        denied,
      })),
      queue: { first: queue.first, next: queue.next, count: queue.count, bytes },
      received: new Map(session.received),
      will: state.wills.get(session.session)?.will,
    });
  }
  const retained = [...state.retained.values()];
  for (let start = 0; start < retained.length; start += SLICE) {
    const numbers = retained.slice(start, start + SLICE);
    const messages = yield* read(disk, found, numbers);
    for (const number of numbers) recovery.retained(messages.get(number) as StoredMessage);
  }
  for (const [session, { clientId, will }] of state.wills)
    if (!state.sessions.has(session)) recovery.will(clientId, will);
  for (const delayed of state.delayed.values()) recovery.delayed(delayed);
  for (const ban of state.bans.values()) recovery.ban(ban);
}

/** Messages by their numbers. The tail is in its old files still, and read from there. */
function* read(
  disk: Disk,
  { state, salt }: Recovered,
  numbers: readonly MessageNumber[],
): Task<Map<MessageNumber, StoredMessage>> {
  const { messages, segments } = state;
  const found = new Map<MessageNumber, StoredMessage>();
  const wanted = [...new Set(numbers)].map((number) => {
    messages.find(number);
    const { slot, offset, length } = messages;
    return { number, segment: segments.at(slot), offset, length };
  });
  if (wanted.length > 0)
    yield* wait(
      readBodies(disk, salt, wanted, ({ number }, bytes) => {
        found.set(number, messageOf(bytes));
      }),
    );
  return found;
}
