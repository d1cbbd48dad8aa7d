import type { MessageNumber, StoredMessage } from "../../engine/ports.ts";
import type { Recovery } from "../../engine/records.ts";
import type { Disk } from "./disk.ts";
import { messageOf, readBodies } from "./reading.ts";
import type { Recovered } from "./recover.ts";
import { wait } from "./task.ts";
import type { Task } from "./task.ts";

/** Messages that are read at a time, and their bytes at most. */
const SLICE = 1000;
const SLICE_BYTES = 4 << 20;

/** Tells an engine what was found, reading the bodies of retained and delayed messages only. */
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
      isTrusted: session.isTrusted,
      detachedAt: session.detachedAt,
      inFlight: session.inFlight,
      inFlightMaximum: session.inFlightMaximum,
      subscriptions: [...(session.subscriptions?.values() ?? [])],
      inbound: [...(session.inbound ?? [])].map(([packetIdentifier, denied]) => ({
        packetIdentifier,
        denied,
      })),
      queue: { first: queue.first, next: queue.next, count: queue.count, bytes },
      received: new Map(session.received),
      will: state.wills.get(session.session)?.will,
      hasLeft: session.hasLeft,
    });
  }
  yield* readEach(
    disk,
    found,
    [...state.retained.values()].map((message) => ({ message })),
    (_retained, message) => recovery.retained(message),
  );
  for (const [session, { clientId, will }] of state.wills)
    if (!state.sessions.has(session)) recovery.will(session, clientId, will);
  yield* readEach(disk, found, [...state.delayed.values()], (delayed, message) =>
    recovery.delayed(delayed, message),
  );
  for (const ban of state.bans.values()) recovery.ban(ban);
}

/** Reads the message of each, slice by slice. */
function* readEach<T extends { readonly message: MessageNumber }>(
  disk: Disk,
  found: Recovered,
  all: readonly T[],
  tell: (one: T, message: StoredMessage) => void,
): Task<void> {
  const { messages } = found.state;
  for (let at = 0; at < all.length;) {
    const slice: T[] = [];
    for (let bytes = 0; at < all.length && slice.length < SLICE && bytes < SLICE_BYTES; at += 1) {
      const one = all[at] as T;
      messages.find(one.message);
      bytes += messages.length;
      slice.push(one);
    }
    const bodies = yield* read(
      disk,
      found,
      slice.map(({ message }) => message),
    );
    for (const one of slice) tell(one, bodies.get(one.message) as StoredMessage);
  }
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
  const [damage] = yield* wait(
    readBodies(disk, salt, wanted, ({ number }, bytes) => {
      found.set(number, messageOf(bytes));
    }),
  );
  if (damage !== undefined) throw damage.error;
  return found;
}
