import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { LogStore, NodeDisk } from "@sericite/broker";
import type { LogStoreOptions, QueueEntry, StoredMessage, StoreRecord } from "@sericite/broker";
import { collectRecovery } from "@sericite/broker/testing";
import type { RecoveredState } from "@sericite/broker/testing";

const directories: string[] = [];
after(() => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

/** A directory of its own, that is there and empty. It goes after the tests of the file. */
export function freshDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "sericite-store-"));
  directories.push(directory);
  return directory;
}

const small: Partial<LogStoreOptions> = {
  minimumFreeBytes: 0,
  segmentBytes: 8000,
  checkpointBytes: 20_000,
};

/** What of it is how large. */
export interface Filling {
  /** Default 5. */
  readonly sessions?: number;
  /** Of each session; default 60. */
  readonly queued?: number;
  /** Of each message; default 400. */
  readonly bytes?: number;
  /** Of every so many entries one is not settled; default 1. */
  readonly wanted?: number;
  readonly options?: Partial<LogStoreOptions>;
}

/** A directory with a store that has something of everything. */
export async function filledStore(filling: Filling = {}): Promise<string> {
  const { sessions = 5, queued = 60, bytes = 400, wanted = 1, options = small } = filling;
  const directory = freshDirectory();
  const store = new LogStore(new NodeDisk(directory), options);
  await store.open(collectRecovery());
  const message = (number: number, topicName: string): StoredMessage => ({
    number,
    topicName,
    payload: new Uint8Array(bytes).fill(number),
    qos: 1,
    retain: false,
    properties: number % 2 === 0 ? Uint8Array.of(1, 1) : new Uint8Array(),
    publisher: "publisher",
    expiresAt: number % 3 === 0 ? Infinity : 1e9,
  });
  const turn = async (...records: readonly StoreRecord[]): Promise<void> => {
    for (const record of records) store.append(record);
    store.endTurn();
    // Others go on, housekeeping too.
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  };
  for (let session = 1; session <= sessions; session += 1)
    await turn(
      {
        type: "session-begin",
        session,
        clientId: `client-${session}`,
        epoch: session,
        username: session % 2 === 0 ? "ada" : undefined,
        sessionExpiryInterval: 3600,
        isTrusted: false,
        inFlightMaximum: 20,
      },
      {
        type: "subscribe",
        session,
        topicFilter: "données/#",
        qos: 2,
        noLocal: false,
        retainAsPublished: true,
        subscriptionIdentifier: session,
        retainedOwed: false,
      },
      { type: "inbound-begin", session, packetIdentifier: 7, denied: false },
    );
  let number = 0;
  for (let sequence = 1; sequence <= queued; sequence += 1) {
    number += 1;
    const records: StoreRecord[] = [
      { type: "message", message: message(number, `données/${number}`) },
    ];
    for (let session = 1; session <= sessions; session += 1)
      records.push({
        type: "enqueue",
        session,
        sequence,
        message: number,
        qos: 1,
        retain: false,
        subscriptionIdentifiers: [session],
        share: session === 3 ? "$share/g/données/#" : "",
      });
    if (sequence % wanted !== 0)
      for (let session = 1; session <= sessions; session += 1)
        records.push({ type: "settled", session, sequence });
    await turn(...records);
  }
  await turn(
    { type: "received", session: 1, sequence: wanted, packetIdentifier: 9 },
    { type: "message", message: message(number + 1, "kept") },
    { type: "retained", topicName: "kept", message: number + 1 },
    { type: "message", message: message(number + 2, "later") },
    { type: "delayed", delayedId: 1, message: number + 2, dueAt: 5000 },
    {
      type: "will-set",
      session: 2,
      clientId: "client-2",
      will: { message: message(0, "gone"), delayInterval: 5, expiryInterval: -1, delayedBy: 0 },
    },
    { type: "ban", kind: "clientId", value: "mallory", until: Infinity, reason: "loud" },
    { type: "time-mark", storeTime: 1234, wallTime: 1.7e12 },
  );
  // What is damaged behind a checkpoint keeps no broker from starting.
  const isLong = store.figures.bytes > (options.checkpointBytes ?? Infinity);
  while (isLong && store.figures.checkpoint === 0) await turn();
  await store.close();
  return directory;
}

/** What a store gives back and holds. */
export interface Content extends RecoveredState {
  /** In the order of `sessions`. */
  readonly queues: readonly (readonly QueueEntry[])[];
}

/** Opens a store as a broker does. @returns all that it keeps. @throws what `open` fails with. */
export async function contentOf(directory: string): Promise<Content> {
  const store = new LogStore(new NodeDisk(directory), small);
  const recovery = collectRecovery();
  await store.open(recovery);
  try {
    const state = recovery.state();
    const queues: (readonly QueueEntry[])[] = [];
    for (const { session } of state.sessions)
      queues.push((await store.readQueue(session, 0, 1e9)).entries);
    return { ...state, queues };
  } finally {
    await store.close();
  }
}
