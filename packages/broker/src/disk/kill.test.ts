import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { LogStore } from "../store/log/log-store.ts";
import { begin, publish, settled } from "../store/log/log-world.test-support.ts";
import { collectRecovery } from "../testing/record-state.ts";
import { NodeDisk } from "./node-disk.ts";

const OPTIONS = { segmentBytes: 200_000, checkpointBytes: 400_000, minimumFreeBytes: 0 };
const KEPT = 300;
const KILLS = 3;

if (process.send === undefined)
  test("killed at any moment under load, a store keeps all that it called durable", async () => {
    const directory = mkdtempSync(join(tmpdir(), "sericite-kill-"));
    try {
      let told = 0;
      for (let round = 0; round < KILLS; round += 1) {
        const child = fork(fileURLToPath(import.meta.url), [directory]);
        child.on("message", (number: number) => {
          told = number;
        });
        await once(child, "message");
        await new Promise((resolve) => {
          setTimeout(resolve, 15 + 17 * round);
        });
        child.kill("SIGKILL");
        await once(child, "close");
        const store = new LogStore(new NodeDisk(directory), OPTIONS);
        const recovery = collectRecovery();
        await store.open(recovery);
        const { queue } = recovery.state().sessions[0] as {
          queue: { next: number; count: number };
        };
        assert.ok(queue.next > told, `${told} was durable, ${queue.next - 1} is the last`);
        assert.equal(queue.count, Math.min(KEPT, queue.next - 1));
        const { entries } = await store.readQueue(1, 0, 1e9);
        assert.deepEqual(
          entries.map(({ sequence, message }) => [sequence, message.number, message.payload[0]]),
          entries.map((_, index) => {
            const number = queue.next - queue.count + index;
            return [number, number, number & 0xff];
          }),
        );
        await store.close();
      }
      assert.ok(told > KILLS);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
else await publishUntilKilled(process.argv[2] as string);

/** One message a batch for one session, the oldest settled; says which are durable. */
async function publishUntilKilled(directory: string): Promise<void> {
  const store = new LogStore(new NodeDisk(directory), OPTIONS);
  const recovery = collectRecovery();
  await store.open(recovery);
  let number = recovery.state().sessions[0]?.queue.next ?? 0;
  if (number === 0) {
    store.append(begin(1));
    number = 1;
  }
  const positions: { number: number; position: number }[] = [];
  store.onDurable = () => {
    let last = 0;
    while (positions[0] !== undefined && positions[0].position <= store.durable)
      last = positions.shift()?.number ?? 0;
    if (last > 0) process.send?.(last);
  };
  const turn = (): void => {
    for (let count = 0; count < 5; count += 1) {
      for (const record of publish(number, 500, { 1: number })) store.append(record);
      if (number > KEPT) store.append(settled(1, number - KEPT));
      positions.push({ number, position: store.append({ type: "will-clear", session: 1 }) });
      store.endTurn();
      number += 1;
    }
    setImmediate(turn);
  };
  turn();
}
