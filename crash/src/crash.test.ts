import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { crashRun } from "./crash-run.ts";
import type { CrashRunOptions } from "./crash-run.ts";

const OPTIONS: CrashRunOptions = {
  kills: 3,
  seed: 1,
  durability: "strict",
  settleEvery: 100,
  lifeMs: [100, 300],
  longestDelay: 1,
  losesLastBatches: false,
  spares: false,
  keep: false,
  progress: () => undefined,
};

describe("a broker that is killed", { concurrency: 2 }, () => {
  test("loses nothing that it acknowledged, doubles nothing, and knows its sessions", async () => {
    const { faults, kills, figures, dataDirectory } = await crashRun(OPTIONS);
    assert.deepEqual(faults, [], `see ${dataDirectory}`);
    assert.ok(kills >= 3);
    for (const name of [
      "acknowledged",
      "received",
      "retainedRead",
      "subscriptionsProbed",
      "bansProbed",
    ] as const)
      assert.ok(figures[name] > 0, name);
  });

  test("without durability it loses much, and the ledger says so", async () => {
    const { faults } = await crashRun({ ...OPTIONS, kills: 1, durability: "memory" });
    assert.match(faults.join("\n"), /Session Present/);
  });
});
