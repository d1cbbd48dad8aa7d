import { createHash } from "node:crypto";
import { LogStore, NodeDisk } from "@sericite/broker";
import type { SessionKey } from "@sericite/broker";
import { collectRecovery } from "@sericite/broker/testing";

/** All that a store gives back: its state, and each queue message by message. */
export interface StoreContent {
  /** Everything but the queues, as one text. */
  readonly state: string;
  /** By session and sequence: what waits there, as a text. */
  readonly entries: ReadonlyMap<string, string>;
  /** Places in queues whose messages are damaged. */
  readonly unreadable: ReadonlySet<string>;
  /** Payloads that wait for one client. */
  readonly waitingFor: (clientId: string) => readonly string[];
}

/** Bytes of a page. */
const PAGE = 1 << 20;

/**
 * Opens a data directory as a broker would, and reads all of it.
 *
 * @throws ConnectionError with a code of the store's table, where it cannot be opened or read.
 */
export async function storeContent(directory: string): Promise<StoreContent> {
  const store = new LogStore(new NodeDisk(directory), { minimumFreeBytes: 0 });
  const recovery = collectRecovery();
  await store.open(recovery);
  try {
    const state = recovery.state();
    const entries = new Map<string, string>();
    const unreadable = new Set<string>();
    const payloads = new Map<string, string[]>();
    for (const { session, clientId } of state.sessions) {
      const waiting: string[] = [];
      payloads.set(clientId, waiting);
      await readAll(store, session, entries, unreadable, waiting);
    }
    return {
      state: textOf(state),
      entries,
      unreadable,
      waitingFor: (clientId) => payloads.get(clientId) ?? [],
    };
  } finally {
    await store.close();
  }
}

async function readAll(
  store: LogStore,
  session: SessionKey,
  entries: Map<string, string>,
  unreadable: Set<string>,
  payloads: string[],
): Promise<void> {
  let from: number | undefined = 0;
  while (from !== undefined) {
    const page = await store.readQueue(session, from, PAGE);
    for (const entry of page.entries) {
      entries.set(`${session} ${entry.sequence}`, textOf(entry));
      payloads.push(Buffer.from(entry.message.payload).toString("latin1", 0, 100));
    }
    for (const sequence of page.unreadable) unreadable.add(`${session} ${sequence}`);
    from = page.next;
  }
}

/** The same text for the same value: bytes by their hash, maps by their entries. */
function textOf(value: unknown): string {
  return JSON.stringify(value, (_, one: unknown) => {
    if (one instanceof Uint8Array)
      return `${one.length} ${createHash("sha1").update(one).digest("hex")}`;
    if (one instanceof Map) return [...one];
    return one === Infinity ? "Infinity" : one;
  });
}
