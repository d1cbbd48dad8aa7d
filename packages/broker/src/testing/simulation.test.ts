import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { planOf } from "./simulation-plan.ts";
import { PROFILES } from "./simulation-profiles.ts";
import { simulate, Simulation } from "./simulation.ts";
import { Chance } from "./random.ts";

/** Seeds of each `npm test`; `npm run simulate` runs as many as you like. */
const SEEDS = 300;

/** Seeds that once failed, with what was wrong. */
const KEPT = JSON.parse(
  readFileSync(new URL("../../simulation/kept-seeds.json", import.meta.url), "utf8"),
) as { readonly seed: number; readonly why: string }[];

async function check(seed: number): Promise<void> {
  const { complaints } = await simulate(seed);
  assert.deepEqual(
    complaints,
    [],
    `seed ${seed}; step by step: npm run simulate -- --seed ${seed}`,
  );
}

test(`clients get what they were promised, whatever happens: seeds 1 to ${SEEDS}`, async () => {
  for (let seed = 1; seed <= SEEDS; seed += 1) await check(seed);
});

for (const { seed, why } of KEPT) test(`seed ${seed} fails no more: ${why}`, () => check(seed));

test("a seed gives the same run, to the last packet", async () => {
  for (const seed of [3, 47, 317]) {
    const once = await simulate(seed, { trace: true });
    const again = await simulate(seed, { trace: true });
    assert.deepEqual(again, once);
  }
});

test("tracing changes nothing", async () => {
  const plain = await simulate(5);
  const traced = await simulate(5, { trace: true });
  assert.equal(traced.events, plain.events);
  assert.ok(traced.steps.length > plain.steps.length);
});

test("the seeds that run here lead every kind of world", () => {
  const plans = Array.from({ length: SEEDS }, (_, seed) => planOf(Chance.ofSeed(seed + 1).fork()));
  const versions = new Set(plans.flatMap(({ clients }) => clients.map(({ version }) => version)));
  assert.deepEqual(
    [...versions].sort((a, b) => a - b),
    [3, 4, 5],
  );
  for (const [what, holds] of [
    ["clients of this suite", (plan) => plan.clients.some(({ isOwn }) => isOwn)],
    ["a memory store", (plan) => plan.store === undefined],
    ["a slow store", (plan) => (plan.store?.faults.delay ?? 0) > 0],
    ["the embedded log", (plan) => plan.store?.type === "log"],
    ["crashes", (plan) => plan.store !== undefined && plan.weights.crash > 0],
    ["hooks that answer late", (plan) => plan.late > 0],
    ["links that split and hold", (plan) => plan.link.split > 0 && plan.link.hold > 0],
    ["links without fault", (plan) => plan.link.delay + plan.link.split + plan.link.hold === 0],
    ["one packet a turn", (plan) => plan.settings.limits.packetsPerTurn === 1],
    ["one message in flight", (plan) => plan.settings.session.inflightMaximum === 1],
    ["queues that are full", (plan) => plan.settings.session.queueMaximumMessages < 10],
  ] as readonly [string, (plan: ReturnType<typeof planOf>) => boolean][]) {
    assert.ok(plans.filter(holds).length >= 5, `${what} is too rare`);
  }
  const profiles = new Set(plans.map(({ profile }) => profile));
  for (const { name } of PROFILES) assert.ok(profiles.has(name), `no run dwells on ${name}`);
});

test("a broker that delivers nothing is complained of", async () => {
  let complaints: readonly string[] = [];
  for (let seed = 1; seed < 20 && complaints.length === 0; seed += 1) {
    const simulation = new Simulation(seed);
    simulation.broker.engine.matches.get = () => ({ targets: [], groups: [], nodes: [] });
    ({ complaints } = await simulation.run());
  }
  assert.match(complaints.join("\n"), /never got|not in the stored queue/);
});
