import assert from "node:assert/strict";
import { test } from "node:test";
import { TimingWheel } from "@sericite/protocol";
import type { StoreState } from "./engine/ports.ts";
import { StoreWatch } from "./store-watch.ts";
import type { WatchedStore } from "./store-watch.ts";
import { MemoryStore } from "./store/memory.ts";
import { storeError } from "./store/log/error-codes.ts";
import { EventScheduler } from "./testing/event-scheduler.ts";
import { Chance } from "./testing/random.ts";

const FULL = storeError("ERR_STORE_DISK_FULL", "no space left to write 1.log");

/** A store in any state, watched. */
class Watched {
  readonly events = new EventScheduler(Chance.ofSeed(1).random);
  readonly lines: { level: string; event: string; message: string; count?: number }[] = [];
  readonly store: WatchedStore & { state: StoreState; trouble: Error | undefined } = Object.assign(
    new MemoryStore(),
    { state: "ok" as StoreState, trouble: undefined, onTrouble: undefined },
  );

  constructor() {
    const scheduler = this.events.process("broker");
    const wheel = new TimingWheel({ clock: this.events.clock, scheduler });
    const log = {
      enabled: () => true,
      write: (level: string, event: string, fields: object) =>
        void this.lines.push({ level, event, message: "", ...fields }),
    };
    new StoreWatch(this.store, log, wheel).begin();
  }

  enter(state: StoreState, trouble?: Error): void {
    Object.assign(this.store, { state, trouble });
    this.store.onState?.();
  }

  get texts(): string[] {
    return this.lines.map(({ level, message }) => `${level} ${message}`);
  }
}

test("a change of state is told with the reason, its code, and what to do", () => {
  const watched = new Watched();
  watched.enter("refusing", FULL);
  watched.enter("ok");
  assert.deepEqual(watched.texts, [
    "warn the store can write nothing at present: durable messages and sessions are refused: no space left to write 1.log " +
      "(ERR_STORE_DISK_FULL: There is no space left for the store. Free some; nothing is lost meanwhile.)",
    "info the store takes messages again",
  ]);
});

test("a state that comes and goes is told once in ten seconds, and the last word is true", () => {
  const watched = new Watched();
  for (let count = 0; count < 100; count += 1) {
    watched.enter("slow");
    watched.enter("ok");
    watched.events.advance(10);
  }
  watched.enter("slow");
  assert.equal(watched.lines.length, 2);
  watched.events.advance(9000);
  assert.equal(watched.lines.length, 3);
  assert.match(watched.texts[2]!, /^warn .*does not keep up/);
  watched.events.advance(60_000);
  assert.equal(watched.lines.length, 3);
});

test("refusing is told at once, though the store was slow a moment ago", () => {
  const watched = new Watched();
  watched.enter("slow");
  watched.enter("refusing", FULL);
  assert.equal(watched.lines.length, 2);
});

test("trouble of each second leaves a line a minute, with how often", () => {
  const watched = new Watched();
  for (let second = 0; second < 150; second += 1) {
    watched.store.onTrouble?.(FULL);
    watched.events.advance(1000);
  }
  assert.deepEqual(
    watched.lines.map(({ level, event, count }) => [level, event, count]),
    [
      ["error", "store-trouble", 1],
      ["error", "store-trouble", 59],
      ["error", "store-trouble", 60],
    ],
  );
  assert.match(watched.texts[1]!, /no space left to write 1\.log .*59 times in the last minute/);
});

test("trouble of another kind is told at once, and an old one again when it comes back", () => {
  const watched = new Watched();
  watched.store.onTrouble?.(FULL);
  watched.store.onTrouble?.(storeError("ERR_STORE_DAMAGED", "2.log is damaged"));
  assert.equal(watched.lines.length, 2);
  watched.events.advance(120_000);
  assert.equal(watched.lines.length, 2, "nothing happened meanwhile");
  watched.store.onTrouble?.(FULL);
  assert.equal(watched.lines.length, 3);
});

test("those who listened before are told too", () => {
  const watched = new Watched();
  let told = 0;
  const before = watched.store.onState;
  watched.store.onState = () => {
    told += 1;
    before?.();
  };
  watched.enter("slow");
  assert.deepEqual([told, watched.lines.length], [1, 1]);
});
