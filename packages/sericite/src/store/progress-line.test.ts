import assert from "node:assert/strict";
import { test } from "node:test";
import { formatBytes } from "./byte-count.ts";
import { ProgressLine } from "./progress-line.ts";

/** A terminal that remembers, and a clock that is set. */
function world(isWatched = true): {
  isWatched: boolean;
  written: string[];
  at: number;
  write(text: string): void;
  now(): number;
} {
  return {
    isWatched,
    written: [],
    at: 0,
    write(text) {
      this.written.push(text);
    },
    now() {
      return this.at;
    },
  };
}

test("progress shows after a second, no more than five times a second, and goes at the end", () => {
  const seen = world();
  const line = new ProgressLine("checking", false, undefined, seen);
  line.tell({ bytes: 1, ofBytes: 100 });
  assert.deepEqual(seen.written, []);
  seen.at = 1000;
  line.show();
  seen.at = 1100;
  line.tell({ bytes: 50, ofBytes: 100 });
  seen.at = 1200;
  line.tell({ bytes: 60, ofBytes: 100 }, "saving");
  line.end();
  assert.deepEqual(seen.written, [
    "\rchecking: 1 B of 100 B, 1 %",
    "\rsaving: 60 B of 100 B, 60 %",
    `\r${" ".repeat("saving: 60 B of 100 B, 60 %".length)}\r`,
  ]);
});

test("where nobody knows how much there is, what was done shows; where nothing is told, the time", () => {
  const seen = world();
  let read = 0;
  const line = new ProgressLine("reading", false, () => read, seen);
  seen.at = 2000;
  line.show();
  seen.at = 3000;
  read = 2048;
  line.show();
  seen.at = 4000;
  line.tell({ bytes: 4096, ofBytes: 0 });
  line.end();
  assert.deepEqual(seen.written.slice(0, 3), [
    "\rreading, 2 s",
    "\rreading: 2.0 KiB",
    "\rreading: 4.0 KiB",
  ]);
});

for (const [who, isQuiet, isWatched] of [
  ["whoever asks for quiet", true, true],
  ["a file or pipe", false, false],
] as const)
  test(`progress does not show to ${who}`, () => {
    const seen = world(isWatched);
    const line = new ProgressLine("checking", isQuiet, () => 1, seen);
    seen.at = 5000;
    line.tell({ bytes: 1, ofBytes: 2 });
    line.end();
    assert.deepEqual(seen.written, []);
  });

for (const [bytes, text] of [
  [0, "0 B"],
  [999, "999 B"],
  [1000, "1.0 KiB"],
  [10_240, "10 KiB"],
  [1_500_000, "1.4 MiB"],
  [3 * 1024 ** 3, "3.0 GiB"],
] as const)
  test(`${bytes} bytes are written ${text}`, () => {
    assert.equal(formatBytes(bytes), text);
  });
