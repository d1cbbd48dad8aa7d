import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LogStore } from "../store/log/log-store.ts";
import { MortalDisk } from "../store/log/mortal-disk.test-support.ts";
import { storeContract } from "../testing/store-contract.ts";
import { NodeDisk } from "./node-disk.ts";

const SMALL = {
  segmentBytes: 700,
  checkpointBytes: 1500,
  compactBelow: 0.5,
  compactSlack: 0,
  minimumFreeBytes: 0,
};

storeContract("log on real files", () => {
  const directory = mkdtempSync(join(tmpdir(), "sericite-log-"));
  const disks: MortalDisk[] = [];
  return {
    store: () => {
      const disk = new MortalDisk(new NodeDisk(directory));
      disks.push(disk);
      return new LogStore(disk, SMALL);
    },
    until: async (condition) => {
      const deadline = performance.now() + 5000;
      while (!condition()) {
        assert.ok(performance.now() < deadline, "what was waited for did not happen");
        await new Promise((resolve) => {
          setImmediate(resolve);
        });
      }
    },
    crash: () => disks.at(-1)?.kill(),
    close: async () => {
      for (const disk of disks) await disk.kill();
      rmSync(directory, { recursive: true });
    },
  };
});
