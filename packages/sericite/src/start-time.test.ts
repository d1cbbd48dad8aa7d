import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { startBroker } from "./testing/run-command.test-support.ts";

/** Promise of the command: from start to listening. Milliseconds. */
const promiseMs = 300;

const directory = mkdtempSync(join(tmpdir(), "sericite-start-"));
after(() => rmSync(directory, { recursive: true }));

test("the broker listens within 300 ms of its start, with a store of its own, best of five", async (t) => {
  // What Node needs for an empty program: tells how busy this machine is.
  const emptyTimes: number[] = [];
  const times: number[] = [];
  for (let i = 0; i < 5; i++) {
    const before = performance.now();
    spawnSync(process.execPath, ["-e", ""]);
    const between = performance.now();
    const { command } = await startBroker([
      "--durability",
      "strict",
      "--data-dir",
      join(directory, String(i)),
    ]);
    times.push(performance.now() - between);
    emptyTimes.push(between - before);
    await command.stop();
  }
  const best = Math.min(...times);
  const empty = Math.min(...emptyTimes);
  t.diagnostic(
    `listening after ${Math.round(best)} ms; an empty program of Node takes ${Math.round(empty)} ms`,
  );
  // An idle machine starts an empty program in about 40 ms; a busy one gets as much more time.
  assert.ok(best < promiseMs * Math.max(1, empty / 40), `${best} ms`);
});
