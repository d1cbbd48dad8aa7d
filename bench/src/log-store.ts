/**
 * Figures of the embedded log store on real files; nothing is checked.
 *
 *     node bench/dist/log-store.js [--messages N] [--sessions N] [--bytes N] [--ms N] [--directory DIR]
 *
 * First the rate of durable messages by batch size, one flush at a time, and what is written for each. Then `messages` of `bytes`
 * are queued for `sessions` sessions, a process of its own opens that again, and both tell what
 * memory they take.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Recovery, StoreRecord } from "@sericite/broker";
import type { NodeDisk as NodeDiskClass } from "../../packages/broker/dist/disk/node-disk.js";
import type { LogStore as LogStoreClass } from "../../packages/broker/dist/store/log/log-store.js";
import { StallWatch } from "./stall-watch.ts";

// The store has no door of its own yet: it is opened by its compiled file.
const compiled = new URL("../../packages/broker/dist/", import.meta.url);
const { LogStore } = (await import(new URL("store/log/log-store.js", compiled).href)) as {
  LogStore: typeof LogStoreClass;
};
const { NodeDisk } = (await import(new URL("disk/node-disk.js", compiled).href)) as {
  NodeDisk: typeof NodeDiskClass;
};

const { values: flags } = parseArgs({
  options: {
    messages: { type: "string", default: "1000000" },
    sessions: { type: "string", default: "1000" },
    bytes: { type: "string", default: "1024" },
    ms: { type: "string", default: "1000" },
    directory: { type: "string" },
    reopen: { type: "string" },
  },
});
const MIB = 1 << 20;

const nobody: Recovery = {
  session: () => undefined,
  retained: () => undefined,
  will: () => undefined,
  delayed: () => undefined,
  ban: () => undefined,
  time: () => undefined,
  numbers: () => undefined,
};

/** A message and its entry in one session's queue. */
function append(
  store: LogStoreClass,
  number: number,
  payload: Uint8Array,
  sessions: number,
): number {
  const session = 1 + (number % sessions);
  store.append({
    type: "message",
    message: {
      number,
      topicName: `devices/${session}/telemetry`,
      payload,
      qos: 1,
      retain: false,
      properties: new Uint8Array(),
      publisher: "publisher",
      expiresAt: Infinity,
    },
  });
  return store.append({
    type: "enqueue",
    session,
    sequence: Math.floor(number / sessions),
    message: number,
    qos: 1,
    retain: false,
    subscriptionIdentifiers: [],
    share: "",
  });
}

/** A disk that counts what is written to its files, checkpoints and indexes too. */
class CountingDisk extends NodeDisk {
  written = 0;

  override create(name: string): ReturnType<NodeDiskClass["create"]> {
    const create = super.create(name);
    return (resolve, reject) =>
      create((file) => {
        const write = file.write.bind(file);
        file.write = (offset, bytes) => {
          this.written += bytes.length;
          return write(offset, bytes);
        };
        resolve(file);
      }, reject);
  }
}

/** Pages that this process made the system write, by its own count. Bytes; `undefined` where it does not tell. */
function pagesWritten(): number | undefined {
  if (process.platform !== "linux") return undefined;
  const count = /^write_bytes: (\d+)$/m.exec(readFileSync("/proc/self/io", "latin1"))?.[1];
  return count === undefined ? undefined : Number(count);
}

function begin(session: number): StoreRecord {
  return {
    type: "session-begin",
    session,
    clientId: `client-${session}`,
    epoch: 1,
    username: undefined,
    sessionExpiryInterval: 0xffff_ffff,
    isTrusted: false,
    inFlightMaximum: 2048,
  };
}

function durable(store: LogStoreClass, position: number): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (store.durable < position) return;
      store.onDurable = undefined;
      resolve();
    };
    store.onDurable = look;
    look();
  });
}

async function rate(batch: number, bytes: number): Promise<void> {
  const directory = mkdtempSync(join(flags.directory ?? tmpdir(), "sericite-bench-"));
  try {
    const disk = new CountingDisk(directory);
    const store = new LogStore(disk);
    await store.open(nobody);
    store.append(begin(1));
    const payload = new Uint8Array(bytes).fill(7);
    const watch = new StallWatch();
    const cpu = process.cpuUsage();
    const pages = pagesWritten();
    const started = performance.now();
    let number = 0;
    while (performance.now() - started < Number(flags.ms)) {
      let position = 0;
      for (let count = 0; count < batch; count += 1) {
        number += 1;
        position = append(store, number, payload, 1);
        // As a subscriber that keeps up would.
        if (number > 10_000)
          store.append({ type: "settled", session: 1, sequence: number - 10_000 });
      }
      store.endTurn();
      await durable(store, position);
    }
    const seconds = (performance.now() - started) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    const stall = watch.end();
    const inPages =
      pages === undefined
        ? ""
        : ` (${(((pagesWritten() ?? 0) - pages) / number).toFixed(0)} in pages)`;
    console.log(
      `${String(bytes).padStart(5)} B × ${String(batch).padStart(4)}: ` +
        `${Math.round(number / seconds).toLocaleString("en")} durable messages/s, ` +
        `${((user + system) / number).toFixed(1)} µs CPU each, ` +
        `${(disk.written / number).toFixed(0)} B written${inPages}, ` +
        stall,
    );
    await store.close();
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function fill(directory: string): Promise<void> {
  const messages = Number(flags.messages);
  const sessions = Number(flags.sessions);
  const payload = new Uint8Array(Number(flags.bytes)).fill(7);
  const store = new LogStore(new NodeDisk(directory));
  await store.open(nobody);
  for (let session = 1; session <= sessions; session += 1) store.append(begin(session));
  store.endTurn();
  const watch = new StallWatch();
  const started = performance.now();
  for (let number = 0; number < messages;) {
    let position = 0;
    for (const end = Math.min(messages, number + 200); number < end; number += 1)
      position = append(store, number, payload, sessions);
    store.endTurn();
    await durable(store, position);
  }
  const seconds = (performance.now() - started) / 1000;
  const stall = watch.end();
  console.log(
    `${messages.toLocaleString("en")} messages for ${sessions} sessions in ${seconds.toFixed(1)} s, ` +
      `${(store.figures.appendedBytes / MIB).toFixed(0)} MiB appended, ` +
      `${stall}; ${memory()}`,
  );
}

/** In a process of its own: what was filled is opened, and every session drained in turn. */
async function reopen(directory: string): Promise<void> {
  const before = memory();
  const started = performance.now();
  const sessions: { session: number; count: number }[] = [];
  const store = new LogStore(new NodeDisk(directory));
  await store.open({
    ...nobody,
    session: ({ session, queue }) => void sessions.push({ session, count: queue.count }),
  });
  const opened = performance.now();
  console.log(
    `opened in ${((opened - started) / 1000).toFixed(2)} s; before: ${before}; after: ${memory()}`,
  );
  const watch = new StallWatch();
  let entries = 0;
  let position = 0;
  for (const { session } of sessions) {
    for (let from: number | undefined = 0; from !== undefined;) {
      const page: Page = await store.readQueue(session, from, 256 * 1024);
      for (const { sequence } of page.entries)
        position = store.append({ type: "settled", session, sequence });
      store.endTurn();
      entries += page.entries.length;
      from = page.next;
    }
  }
  await durable(store, position);
  const read = performance.now();
  const stall = watch.end();
  console.log(
    `${entries.toLocaleString("en")} entries drained in ${((read - opened) / 1000).toFixed(1)} s, ` +
      `${stall}; ${memory()}`,
  );
  for (let seconds = 0; seconds < 60 && store.figures.bytes > 100 * MIB; seconds += 1)
    await new Promise((resolve) => {
      setTimeout(resolve, 1000);
    });
  const { bytes, appendedBytes } = store.figures;
  console.log(
    `${(bytes / MIB).toFixed(0)} MiB left after another ${((performance.now() - read) / 1000).toFixed(0)} s, ` +
      `${(appendedBytes / MIB).toFixed(0)} MiB appended meanwhile`,
  );
  await store.close();
}

type Page = Awaited<ReturnType<LogStoreClass["readQueue"]>>;

function memory(): string {
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
  const [all, heap, buffers] = [rss, heapUsed, arrayBuffers].map((bytes) =>
    (bytes / MIB).toFixed(0),
  );
  return `${all} MiB resident, ${heap} heap, ${buffers} buffers`;
}

const self = fileURLToPath(import.meta.url);
if (flags.reopen !== undefined) await reopen(flags.reopen);
else if (process.send !== undefined) {
  await fill(flags.directory as string);
  // As a crash leaves it.
  process.kill(process.pid, "SIGKILL");
} else {
  for (const bytes of [200, 1024]) for (const batch of [1, 10, 100, 1000]) await rate(batch, bytes);
  const directory = mkdtempSync(join(flags.directory ?? tmpdir(), "sericite-bench-"));
  try {
    const { messages, sessions, bytes } = flags;
    const sizes = ["--messages", messages, "--sessions", sessions, "--bytes", bytes];
    await once(fork(self, [...sizes, "--directory", directory]), "exit");
    await once(fork(self, ["--reopen", directory]), "exit");
  } finally {
    rmSync(directory, { recursive: true });
  }
}
