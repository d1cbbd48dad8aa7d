import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { NodeDisk } from "../../disk/index.ts";
import type { QueueEntry } from "../../engine/ports.ts";
import type { StoreRecord } from "../../engine/records.ts";
import { Chance } from "../../testing/random.ts";
import { collectRecovery, RecordState } from "../../testing/record-state.ts";
import { LogStore } from "./log-store.ts";
import type { LogStoreOptions } from "./log-store-options.ts";
import { LogWorld, turn } from "./log-world.test-support.ts";
import { RecordMaker } from "./record-maker.test-support.ts";

const SESSIONS = [1, 2, 3, 4, 5, 6];
const SEGMENTED = {
  segmentBytes: 2000,
  checkpointBytes: 4000,
  compactBelow: 0.4,
  compactSlack: 0,
  minimumFreeBytes: 0,
};

/** A store's files, and what was done to them. */
interface Kept {
  readonly world: LogWorld;
  readonly options: Partial<LogStoreOptions>;
  /** Of what was appended, all batches. */
  readonly batches: readonly (readonly StoreRecord[])[];
}

/** Everything that can be known of a store: what it gives back, and its queues. */
interface Content {
  readonly state: unknown;
  readonly queues: readonly (readonly QueueEntry[])[];
}

function keep(seed: number, turns: number, options: Partial<LogStoreOptions>): Kept {
  const world = new LogWorld(seed);
  const opened = world.open(options);
  const maker = new RecordMaker(Chance.ofSeed(seed));
  const now = new RecordState();
  const batches: StoreRecord[][] = [];
  while (batches.length < turns) {
    const records = maker.batch(now);
    if (records.length === 0) continue;
    turn(opened.store, ...records);
    for (const record of records) now.apply(record);
    batches.push(records);
    world.events.settle();
  }
  world.kill(opened);
  return { world, options, batches };
}

function contentOf(batches: readonly (readonly StoreRecord[])[]): Content {
  const model = new RecordState();
  for (const record of batches.flat()) model.apply(record);
  const recovery = collectRecovery();
  model.recover(recovery);
  return { state: recovery.state(), queues: SESSIONS.map((session) => model.queue(session)) };
}

/** Opens a copy of the files after `damage`. @returns its content, or what it fails with. */
function openDamaged(kept: Kept, damage: Readonly<Record<string, Uint8Array>>): Content | Error {
  const world = new LogWorld();
  world.medium = kept.world.medium.copy();
  for (const [name, bytes] of Object.entries(damage)) world.medium.overwrite(name, bytes);
  try {
    const { store, state } = world.open(kept.options);
    let trouble: Error | undefined;
    store.onTrouble = (error) => (trouble = error);
    const pages = SESSIONS.map((session) => world.settle(store.readQueue(session, 0, 1e9)));
    // What a page cannot give is told with its place, and the rest of the page is right.
    if (pages.some(({ unreadable }) => unreadable.length > 0)) return trouble as Error;
    return { state, queues: pages.map(({ entries }) => entries) };
  } catch (error) {
    return error as Error;
  }
}

/** Damage is told with the file's name, never otherwise. */
function assertNamed(error: Error, what: string): void {
  assert.equal((error as { code?: string }).code, "ERR_STORE_DAMAGED", `${what}: ${error.stack}`);
  assert.match(error.message, /^\d{8}\.(log|ckp) is damaged at byte \d+/, what);
}

test("cut at any byte of the last batch, the log gives the batch before it", () => {
  const kept = keep(3, 12, {});
  const whole = contentOf(kept.batches);
  const before = contentOf(kept.batches.slice(0, -1));
  const bytes = kept.world.medium.read("00000001.log");
  assert.ok(isDeepStrictEqual(openDamaged(kept, {}), whole));
  const start = bytes.length - lastFrame(bytes);
  for (let length = start; length < bytes.length; length += 1)
    assert.deepEqual(
      openDamaged(kept, { "00000001.log": bytes.subarray(0, length) }),
      before,
      `cut at ${length}`,
    );
});

test("cut anywhere before the last batch, the log is refused by name", () => {
  const kept = keep(3, 12, {});
  const bytes = kept.world.medium.read("00000001.log");
  const start = bytes.length - lastFrame(bytes);
  const whole = bytes.slice(start);
  for (let length = 40; length < start - 1; length += 7) {
    // The last frame is still there, and says what had been flushed.
    const hole = bytes.slice();
    hole.fill(0, length, start);
    hole.set(whole, start);
    const outcome = openDamaged(kept, { "00000001.log": hole });
    assert.ok(outcome instanceof Error, `a hole at ${length} was not seen`);
    assertNamed(outcome, `a hole at ${length}`);
  }
});

for (const [name, seed, turns, options] of [
  ["one segment", 4, 7, { minimumFreeBytes: 0 }],
  ["segments, indexes and a checkpoint", 5, 60, SEGMENTED],
] as const)
  test(`a bit flipped anywhere gives the last whole batch or is refused by name: ${name}`, () => {
    const kept = keep(seed, turns, options);
    const allowed = [contentOf(kept.batches), contentOf(kept.batches.slice(0, -1))];
    const chance = Chance.ofSeed(9);
    let refused = 0;
    let flips = 0;
    const { files } = kept.world.medium;
    if (options === SEGMENTED)
      assert.deepEqual(
        ["ckp", "idx", "log"].filter((kind) =>
          [...files.keys()].some((file) => file.endsWith(kind)),
        ),
        ["ckp", "idx", "log"],
      );
    for (const file of files.keys()) {
      const bytes = kept.world.medium.read(file);
      // Every byte of the smaller store, some of the larger.
      const step = options === SEGMENTED ? Number(process.env["SERICITE_FLIP_STEP"] ?? 67) : 1;
      for (let at = 0; at < bytes.length; at += step) {
        const flipped = bytes.slice();
        flipped[at] = (flipped[at] as number) ^ (1 << chance.integer(0, 7));
        const outcome = openDamaged(kept, { [file]: flipped });
        const what = `${file}, byte ${at}`;
        flips += 1;
        if (outcome instanceof Error) {
          assertNamed(outcome, what);
          refused += 1;
        } else
          assert.ok(
            allowed.some((content) => isDeepStrictEqual(content, outcome)),
            `${what}: neither all, nor all but the last batch`,
          );
      }
    }
    assert.ok(refused > flips / 4 && refused < flips, `${refused} of ${flips} were refused`);
  });

test("a missing file is refused by name", () => {
  const kept = keep(5, 60, SEGMENTED);
  const whole = contentOf(kept.batches);
  // Nothing behind the newest segment could tell that it is missing.
  const newest = kept.world.files("log").at(-1);
  for (const name of kept.world.medium.files.keys()) {
    if (name === newest) continue;
    const world = new LogWorld();
    world.medium = kept.world.medium.copy();
    world.medium.files.delete(name);
    try {
      const { store, state } = world.open(kept.options);
      assert.ok(!name.endsWith("ckp"), `without ${name} it opens`);
      assert.deepEqual(state, whole.state, `without ${name}`);
      for (const [index, session] of SESSIONS.entries())
        assert.deepEqual(
          world.settle(store.readQueue(session, 0, 1e9)).entries,
          whole.queues[index],
        );
    } catch (error) {
      assert.equal((error as { code?: string }).code, "ERR_STORE_DAMAGED", String(error));
    }
  }
});

for (const [kind, version] of [
  ["log", 4],
  ["ckp", 4],
] as const)
  test(`a ${kind} file of a newer version is refused`, () => {
    const kept = keep(5, 60, SEGMENTED);
    const name = kept.world.files(kind).at(-1) as string;
    const bytes = kept.world.medium.read(name);
    const view = new DataView(bytes.buffer);
    view.setUint32(version, 2, true);
    const { crc32 } = new LogWorld().open().disk;
    view.setUint32(28, crc32(bytes.subarray(0, 28), 0), true);
    const outcome = openDamaged(kept, { [name]: bytes });
    assert.ok(outcome instanceof Error);
    assert.equal((outcome as { code?: string }).code, "ERR_STORE_NEWER");
  });

test("a whole batch of a newer version is refused, and not taken for a torn tail", () => {
  const kept = keep(3, 12, {});
  const bytes = kept.world.medium.read("00000001.log");
  const { crc32 } = new LogWorld().open().disk;
  const salt = new DataView(bytes.buffer).getUint32(8, true);
  const frame = bytes.subarray(bytes.length - lastFrame(bytes));
  const view = new DataView(frame.buffer, frame.byteOffset);
  view.setUint32(4, 2, true);
  const records = frame.subarray(40 + view.getUint32(8, true));
  view.setUint32(36, crc32(records, crc32(frame.subarray(0, 36), salt)), true);
  const outcome = openDamaged(kept, { "00000001.log": bytes });
  assert.equal((outcome as { code?: string }).code, "ERR_STORE_NEWER");
});

test("a real file cut at every byte of its last batch gives the batch before it", async () => {
  const directory = mkdtempSync(join(tmpdir(), "sericite-torn-"));
  const copies = mkdtempSync(join(tmpdir(), "sericite-torn-"));
  try {
    const first = new LogStore(new NodeDisk(directory), { minimumFreeBytes: 0 });
    await first.open(collectRecovery());
    const maker = new RecordMaker(Chance.ofSeed(6));
    const now = new RecordState();
    const batches: StoreRecord[][] = [];
    while (batches.length < 8) {
      const records = maker.batch(now);
      if (records.length === 0) continue;
      turn(first, ...records);
      for (const record of records) now.apply(record);
      batches.push(records);
    }
    const last: StoreRecord = { type: "session-end", session: 1 };
    turn(first, last);
    batches.push([last]);
    await first.close();
    const bytes = readFileSync(join(directory, "00000001.log"));
    const before = contentOf(batches.slice(0, -1));
    for (let length = bytes.length - lastFrame(bytes); length < bytes.length; length += 1) {
      rmSync(copies, { recursive: true });
      const disk = new NodeDisk(copies);
      await disk.promise(disk.lock());
      await disk.promise(disk.unlock());
      writeFileSync(join(copies, "00000001.log"), bytes.subarray(0, length));
      const store = new LogStore(disk, { minimumFreeBytes: 0 });
      const recovery = collectRecovery();
      await store.open(recovery);
      assert.deepEqual(recovery.state(), before.state, `cut at ${length}`);
      await store.close();
    }
  } finally {
    rmSync(directory, { recursive: true });
    rmSync(copies, { recursive: true });
  }
});

/** Length of the last frame. */
function lastFrame(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let length = 0;
  for (let at = 32; at < bytes.length; at += length)
    length = 40 + view.getUint32(at + 8, true) + view.getUint32(at + 12, true);
  return length;
}
