import assert from "node:assert/strict";
import { test } from "node:test";
import type { Link } from "@sericite/protocol";
import fc from "fast-check";
import { hexOf } from "../spelling.test-support.ts";
import { Joiner, Output } from "./output.ts";

/** A link that takes all, or holds what it gets without a copy, as a socket does. */
class RecordingLink implements Link {
  readonly peer = { listener: "test", transport: "memory" } as const;
  readonly unsentBytes = 0;
  takes = true;
  readonly written: Uint8Array[] = [];
  readonly held: { bytes: Uint8Array; copy: Uint8Array }[] = [];
  write(bytes: Uint8Array): boolean {
    this.written.push(bytes.slice());
    if (!this.takes) this.held.push({ bytes, copy: bytes.slice() });
    return this.takes;
  }
  pause(): void {}
  resume(): void {}
  end(): void {}
  destroy(): void {}
  /** Throws if memory that it still holds was written to. */
  check(): void {
    for (const { bytes, copy } of this.held) assert.equal(hexOf(bytes), hexOf(copy));
  }
}

const noticesNothing = (): Joiner => new Joiner(() => {});

test("ranges that touch are written as one view of the memory they lie in, uncopied", () => {
  const output = new Output();
  const memory = Uint8Array.from({ length: 100 }, (_, i) => i);
  output.append(memory, 10, 20);
  output.append(memory, 20, 25);
  assert.equal(output.size, 15);
  let view: Uint8Array | undefined;
  const link = new RecordingLink();
  link.write = (bytes) => {
    view = bytes;
    return true;
  };
  assert.equal(output.flush(link, noticesNothing()), true);
  assert.equal(view!.buffer, memory.buffer);
  assert.deepEqual([...view!], [...memory.subarray(10, 25)]);
  assert.equal(output.size, 0);
});

test("equal ranges of many receivers are one view", () => {
  const memory = new Uint8Array(100);
  const joiner = noticesNothing();
  const views = new Set<Uint8Array>();
  const link = new RecordingLink();
  link.write = (bytes) => {
    views.add(bytes);
    return true;
  };
  for (let i = 0; i < 10; i++) {
    const output = new Output();
    output.append(memory, 5, 50);
    output.flush(link, joiner);
  }
  assert.equal(views.size, 1);
  joiner.endTurn();
});

test("whatever is appended, kept and flushed, the bytes leave in order, and memory that a link holds is not written to", () => {
  const step = fc.oneof(
    fc.record({
      act: fc.constant("append" as const),
      block: fc.integer({ min: 0, max: 2 }),
      length: fc.integer({ min: 1, max: 70 }),
      jump: fc.boolean(),
    }),
    fc.record({
      act: fc.constantFrom("keep" as const, "flush" as const, "clear" as const, "full" as const),
      block: fc.constant(0),
      length: fc.constant(0),
      jump: fc.constant(false),
    }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const output = new Output();
      const heldBlocks = new Set<Uint8Array>();
      const joiner = new Joiner((bytes) => heldBlocks.add(bytes));
      const link = new RecordingLink();
      const blocks = [0, 1, 2].map(() => ({ bytes: new Uint8Array(8192), used: 0 }));
      let waiting: number[] = [];
      const expected: number[] = [];
      let next = 0;
      for (const { act, block, length, jump } of steps) {
        const memory = blocks[block]!;
        switch (act) {
          case "append": {
            if (jump) memory.used += 3;
            const start = memory.used;
            for (let i = 0; i < length; i++) {
              memory.bytes[start + i] = next;
              waiting.push(next);
              next = (next + 1) & 0xff;
            }
            memory.used += length;
            output.append(memory.bytes, start, memory.used);
            break;
          }
          case "keep":
            if (output.size === 0) break;
            output.keep();
            // From now on the blocks are free, unless a link holds them.
            blocks.forEach((one, i) => {
              if (heldBlocks.has(one.bytes)) blocks[i] = { bytes: new Uint8Array(8192), used: 0 };
              else one.bytes.fill(0xdb);
            });
            break;
          case "clear":
            output.clear();
            waiting = [];
            break;
          default:
            if (output.size === 0) break;
            link.takes = act === "flush";
            assert.equal(output.flush(link, joiner), link.takes);
            expected.push(...waiting);
            waiting = [];
            link.check();
        }
        assert.equal(output.size, waiting.length);
        link.check();
      }
      assert.deepEqual(Buffer.concat(link.written), Buffer.from(expected));
    }),
    { numRuns: 200 },
  );
});

test("what is joined for a link that holds it is not joined over by the next", () => {
  const joiner = noticesNothing();
  const link = new RecordingLink();
  link.takes = false;
  const [one, other] = [new Uint8Array(64).fill(1), new Uint8Array(64).fill(2)];
  for (let i = 0; i < 3; i++) {
    const output = new Output();
    output.append(one, 0, 10);
    output.append(other, i, 60);
    output.flush(link, joiner);
    link.check();
  }
});

test("more than the scratch buffer holds is joined all the same", () => {
  const output = new Output();
  const large = new Uint8Array(300_000).fill(7);
  output.append(large, 0, 200_000);
  output.append(large, 210_000, 300_000);
  const link = new RecordingLink();
  output.flush(link, noticesNothing());
  assert.equal(link.written[0]!.length, 290_000);
  assert.ok(link.written[0]!.every((byte) => byte === 7));
});
