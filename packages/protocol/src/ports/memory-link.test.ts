import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Link, LinkHandler } from "./link.ts";
import { connectMemory, memoryLinkPair } from "./memory-link.ts";
import type { Scheduler } from "./scheduler.ts";

class Turns implements Scheduler {
  #next: (() => void)[] = [];
  endOfTurn(callback: () => void): void {
    this.#next.push(callback);
  }
  nextTurn(callback: () => void): void {
    this.#next.push(callback);
  }
  setAlarm(): void {}
  clearAlarm(): void {}
  turn(): boolean {
    const due = this.#next;
    this.#next = [];
    for (const callback of due) callback();
    return due.length > 0;
  }
  drain(): void {
    while (this.turn());
  }
}

class Recorder implements LinkHandler {
  readonly bytes: number[] = [];
  readonly events: string[] = [];
  onData(bytes: Uint8Array, start: number, end: number): void {
    this.bytes.push(...bytes.subarray(start, end));
    this.events.push("data");
  }
  onWritable(): void {
    this.events.push("writable");
  }
  onClose(cause?: Error): void {
    this.events.push(cause === undefined ? "close" : "close with cause");
  }
}

function pair(capacity?: number) {
  const turns = new Turns();
  const [one, other] = memoryLinkPair(turns, capacity === undefined ? {} : { capacity });
  const handlers = [new Recorder(), new Recorder()] as const;
  one.handler = handlers[0];
  other.handler = handlers[1];
  return { turns, one, other, oneSees: handlers[0], otherSees: handlers[1] };
}

test("bytes are copied and arrive in a later turn", () => {
  const { turns, one, otherSees } = pair();
  const bytes = Uint8Array.of(1, 2, 3);
  assert.equal(one.write(bytes), true);
  bytes.fill(9);
  assert.deepEqual(otherSees.bytes, []);
  assert.equal(one.unsentBytes, 3);
  turns.turn();
  assert.deepEqual(otherSees.bytes, [1, 2, 3]);
  assert.equal(one.unsentBytes, 0);
});

test("the bytes of a Buffer are copied too", () => {
  const { turns, one, otherSees } = pair();
  const bytes = Buffer.from([1, 2, 3]);
  one.write(bytes);
  bytes.fill(9);
  turns.turn();
  assert.deepEqual(otherSees.bytes, [1, 2, 3]);
});

test("a write above the capacity returns false, and onWritable follows when all has left", () => {
  const { turns, one, other, oneSees, otherSees } = pair(4);
  other.pause();
  assert.equal(one.write(new Uint8Array(4)), true);
  assert.equal(one.write(new Uint8Array(1)), false);
  assert.equal(one.write(new Uint8Array(1)), false);
  turns.drain();
  assert.deepEqual(otherSees.events, []);
  assert.equal(one.unsentBytes, 6);
  other.resume();
  turns.drain();
  assert.equal(otherSees.bytes.length, 6);
  assert.deepEqual(oneSees.events, ["writable"]);
  assert.equal(one.write(new Uint8Array(1)), true);
});

test("a pause from inside onData holds what comes behind", () => {
  const { turns, one, other } = pair();
  const seen: number[] = [];
  other.handler = {
    onData: (bytes) => {
      seen.push(bytes[0]!);
      other.pause();
    },
    onWritable: () => {},
    onClose: () => {},
  };
  one.write(Uint8Array.of(1));
  one.write(Uint8Array.of(2));
  turns.drain();
  assert.deepEqual(seen, [1]);
  other.resume();
  turns.drain();
  assert.deepEqual(seen, [1, 2]);
});

test("end sends what was written, then both ends are told once", () => {
  const { turns, one, other, oneSees, otherSees } = pair();
  one.write(Uint8Array.of(1));
  one.end();
  one.end();
  one.write(Uint8Array.of(2));
  turns.drain();
  other.destroy();
  turns.drain();
  assert.deepEqual(otherSees.bytes, [1]);
  assert.deepEqual(otherSees.events, ["data", "close"]);
  assert.deepEqual(oneSees.events, ["close"]);
});

test("end waits for a paused reader", () => {
  const { turns, one, other, otherSees } = pair();
  other.pause();
  one.write(Uint8Array.of(1));
  one.end();
  turns.drain();
  assert.deepEqual(otherSees.events, []);
  other.resume();
  turns.drain();
  assert.deepEqual(otherSees.events, ["data", "close"]);
});

test("destroy loses what was not sent, and no callback runs inside it", () => {
  const { turns, one, oneSees, otherSees } = pair();
  one.write(Uint8Array.of(1));
  one.destroy();
  assert.deepEqual([oneSees.events, otherSees.events], [[], []]);
  turns.drain();
  assert.deepEqual([oneSees.events, otherSees.events], [["close"], ["close"]]);
});

test("whatever is written and whoever pauses, every byte arrives once and in order", () => {
  const step = fc.oneof(
    fc.record({ act: fc.constant("write" as const), length: fc.integer({ min: 0, max: 9 }) }),
    fc.record({
      act: fc.constantFrom("pause" as const, "resume" as const, "turn" as const),
      length: fc.constant(0),
    }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const { turns, one, other, oneSees, otherSees } = pair(10);
      const sent: number[] = [];
      let held = false;
      for (const { act, length } of steps) {
        if (act === "turn") turns.turn();
        else if (act === "write") {
          const bytes = Uint8Array.from({ length }, (_, i) => (sent.length + i) & 0xff);
          sent.push(...bytes);
          held = !one.write(bytes);
          assert.equal(held, held || one.unsentBytes > 10);
        } else other[act]();
      }
      one.end();
      other.resume();
      turns.drain();
      assert.deepEqual(otherSees.bytes, sent);
      assert.equal(one.unsentBytes, 0);
      assert.equal(oneSees.events.at(-1), "close");
      assert.equal(otherSees.events.at(-1), "close");
      if (held) assert.ok(oneSees.events.includes("writable"));
    }),
  );
});

test("connectMemory gives the accepting side a link and settles with the other end", async () => {
  const turns = new Turns();
  const client = new Recorder();
  const server = new Recorder();
  let accepted: Link | undefined;
  const dial = connectMemory(
    (link) => {
      accepted = link;
      link.write(Uint8Array.of(7));
      return server;
    },
    turns,
    { peerOfServer: { listener: "inside", transport: "memory" } },
  );
  const dialled = dial(client);
  turns.drain();
  const link = await dialled;
  assert.equal(accepted?.peer.listener, "inside");
  assert.deepEqual(client.bytes, [7]);
  link.write(Uint8Array.of(8));
  turns.drain();
  assert.deepEqual(server.bytes, [8]);
});

test("connectMemory fails as the accepting side does", async () => {
  const turns = new Turns();
  const dialled = connectMemory(() => {
    throw new Error("full");
  }, turns)(new Recorder());
  turns.drain();
  await assert.rejects(dialled, /full/);
});
