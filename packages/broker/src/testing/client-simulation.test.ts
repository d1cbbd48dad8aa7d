import assert from "node:assert/strict";
import { test } from "node:test";
import { simulateClients } from "./client-simulation.ts";

/** Seeds of each `npm test`; `npm run simulate -- --clients` runs as many as you like. */
const SEEDS = 100;

async function check(seed: number): Promise<readonly string[]> {
  const { complaints, steps } = await simulateClients(seed);
  assert.deepEqual(
    complaints,
    [],
    `seed ${seed}; step by step: npm run simulate -- --clients --seed ${seed}`,
  );
  return steps;
}

test(`what publish accepted arrives, QoS 2 once and in order, whoever dies meanwhile: seeds 1 to ${SEEDS}`, async () => {
  const steps: string[] = [];
  for (let seed = 1; seed <= SEEDS; seed += 1) steps.push(...(await check(seed)));
  for (const what of [/ p\d dies/, / s\d dies/, /broker crashes: power/, /: half/, /QoS 2: p/])
    assert.ok(steps.filter((step) => what.test(step)).length > 30, `${what.source} is too rare`);
});

for (const [seed, why] of [
  [2320, "what a repeated message left in the store of its receiver shows here"],
  [14_183, "a message that is blamed for what the network does shows here"],
] as const) {
  test(`seed ${seed} fails no more: ${why}`, async () => void (await check(seed)));
}

test("a seed gives the same run, to the last event", async () => {
  assert.deepEqual(await simulateClients(7), await simulateClients(7));
});
