import assert from "node:assert/strict";
import { test } from "node:test";
import type { LinkHandler } from "@sericite/protocol";
import { EventScheduler } from "./event-scheduler.ts";
import { dialFaulty, faultyLinkPair, NO_LINK_FAULTS } from "./faulty-link.ts";
import type { FaultyLink, LinkFaults } from "./faulty-link.ts";
import { linkContract } from "./link-contract.ts";
import { Chance } from "./random.ts";

const ALL_FAULTS: LinkFaults = { delay: 0.3, delayMaximumMs: 50, split: 0.5, hold: 0.3 };

for (const [kind, faults] of [
  ["faultless", NO_LINK_FAULTS],
  ["faulty", ALL_FAULTS],
] as const) {
  let seed = 0;
  linkContract(kind, () => {
    const chance = Chance.ofSeed((seed += 1));
    const events = new EventScheduler(chance.random);
    const quiet = (): Promise<void> => events.advanceAsync(10_000);
    return {
      open: async (handler, accept) => {
        const opening = dialFaulty(events.process("near"), events.process("far"), accept, chance, {
          faults,
        })(handler);
        await quiet();
        return opening;
      },
      until: async (condition) => {
        await quiet();
        assert.ok(condition(), "the simulation is at rest, and what was waited for did not happen");
      },
      quiet,
      close: () => undefined,
    };
  });
}

interface Told {
  readonly bytes: number[];
  closed: number;
  writable: number;
  cause: Error | undefined;
}

function pair(
  seed: number,
  faults: LinkFaults = NO_LINK_FAULTS,
): { events: EventScheduler; near: FaultyLink; far: FaultyLink; atNear: Told; atFar: Told } {
  const chance = Chance.ofSeed(seed);
  const events = new EventScheduler(chance.random);
  const [near, far] = faultyLinkPair(events.process("near"), events.process("far"), chance, {
    faults,
  });
  const recorder = (): Told & LinkHandler => ({
    bytes: [],
    closed: 0,
    writable: 0,
    cause: undefined,
    onData(bytes, start, end) {
      this.bytes.push(...bytes.subarray(start, end));
    },
    onWritable() {
      this.writable += 1;
    },
    onClose(cause) {
      this.closed += 1;
      this.cause = cause;
    },
  });
  const atNear = recorder();
  const atFar = recorder();
  near.handler = atNear;
  far.handler = atFar;
  return { events, near, far, atNear, atFar };
}

test("bytes that arrived turn to poison when the call is over", () => {
  const { events, near, far } = pair(1);
  let kept: Uint8Array | undefined;
  far.handler = {
    onData: (bytes, start, end) => {
      kept = bytes.subarray(start, end);
      assert.deepEqual([...kept], [1, 2, 3]);
    },
    onWritable: () => undefined,
    onClose: () => undefined,
  };
  near.write(Uint8Array.of(1, 2, 3));
  events.settle();
  assert.deepEqual([...(kept as Uint8Array)], [0xdb, 0xdb, 0xdb]);
});

test("a stalled end takes nothing until it is released", () => {
  const { events, near, atFar, atNear } = pair(2);
  near.stall();
  assert.equal(near.write(Uint8Array.of(1)), false);
  assert.equal(near.write(Uint8Array.of(2)), false);
  events.advance(60_000);
  assert.equal(near.unsentBytes, 2);
  assert.deepEqual(atFar.bytes, []);
  near.release();
  events.settle();
  assert.deepEqual(atFar.bytes, [1, 2]);
  assert.equal(atNear.writable, 1);
});

test("bytes that are changed while the link still holds them arrive changed", () => {
  const { events, near, atFar } = pair(3);
  near.stall();
  const bytes = Uint8Array.of(1);
  near.write(bytes);
  bytes[0] = 9;
  near.release();
  events.settle();
  assert.deepEqual(atFar.bytes, [9]);
});

test("a cut loses what is on its way and closes both ends with a cause", () => {
  const { events, near, far, atNear, atFar } = pair(4);
  near.write(Uint8Array.of(1));
  far.write(Uint8Array.of(2));
  near.cut(true);
  events.settle();
  assert.deepEqual([atFar.bytes, atNear.bytes], [[], []]);
  assert.deepEqual([atFar.closed, atNear.closed], [1, 1]);
  assert.ok(atFar.cause instanceof Error && atNear.cause instanceof Error);
});

test("after a cut of one half the other end goes on unaware", () => {
  const { events, near, far, atNear, atFar } = pair(5);
  near.cut(false);
  far.write(Uint8Array.of(1));
  events.advance(3_600_000);
  assert.deepEqual([atNear.closed, atFar.closed], [1, 0]);
  assert.deepEqual(atNear.bytes, []);
  far.cut(false);
  events.settle();
  assert.equal(atFar.closed, 1);
});

test("a watcher sees what an end is given and writes, and its close once, before its handler", () => {
  const { events, near, far, atFar } = pair(6, ALL_FAULTS);
  const seen: string[] = [];
  far.watcher = {
    onData: (bytes, start, end) => seen.push(`in ${[...bytes.subarray(start, end)].join()}`),
    onWrite: (bytes) => seen.push(`out ${[...bytes].join()}`),
    onClosed: () => seen.push(`closed ${atFar.closed}`),
  };
  near.write(Uint8Array.of(1));
  events.advance(1000);
  far.write(Uint8Array.of(2));
  far.end();
  events.advance(1000);
  assert.deepEqual(seen, ["in 1", "out 2", "closed 0"]);
});

test("bytes that were split and joined are the bytes that were sent", () => {
  for (let seed = 0; seed < 100; seed += 1) {
    const { events, near, atFar } = pair(seed, ALL_FAULTS);
    for (let i = 0; i < 100; i += 1) {
      near.write(Uint8Array.of(i, i + 100));
      if (i % 10 === 0) events.advance(20);
    }
    events.advance(60_000);
    assert.deepEqual(atFar.bytes, Array.from({ length: 100 }, (_, i) => [i, i + 100]).flat());
  }
});
