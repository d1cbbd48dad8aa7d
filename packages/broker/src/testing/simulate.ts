/**
 * The command behind `npm run simulate`:
 *
 *     npm run simulate -- --seeds 10000               seeds 1 to 10000, on all cores
 *     npm run simulate -- --from 5000 --seeds 100
 *     npm run simulate -- --seed 42                   one seed, with its steps and packets
 *     npm run simulate -- --clients --seeds 1000      clients of this suite that die and come back with their stores
 *     npm run simulate -- --seeds 100 --until-failure the first that fails, as JSON, on one core
 *
 * Exit code 1 if the ledger complained of anything, 2 for options that mean nothing.
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { simulateClients } from "./client-simulation.ts";
import { runSeeds } from "./simulation-worker.ts";
import type { SeedRange, WorkerMessage } from "./simulation-worker.ts";
import { simulate } from "./simulation.ts";

/** A seed that failed. */
interface Failure {
  readonly seed: number;
  readonly complaints: readonly string[];
}

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    seeds: { type: "string", default: "1000" },
    from: { type: "string", default: "1" },
    clients: { type: "boolean", default: false },
    jobs: { type: "string", default: String(availableParallelism()) },
    "until-failure": { type: "boolean", default: false },
  },
});
const from = numberOf("from", values.from);
const count = numberOf("seeds", values.seeds);
const ofClients = values.clients;

if (values.seed !== undefined) process.exitCode = await runOne(numberOf("seed", values.seed));
else if (values["until-failure"]) process.exitCode = await runUntilFailure();
else process.exitCode = await runMany(Math.max(1, numberOf("jobs", values.jobs)));

function numberOf(name: string, text: string): number {
  const value = Number(text);
  if (text !== "" && Number.isInteger(value) && value >= 0) return value;
  console.error(`--${name} is ${text}, expected a whole number`);
  process.exit(2);
}

async function runOne(seed: number): Promise<number> {
  const run = ofClients ? simulateClients(seed) : simulate(seed, { trace: true });
  const { steps, complaints, events } = await run;
  console.log(steps.join("\n"));
  console.log(
    `\nseed ${seed}: ${events} events, ${complaints.length === 0 ? "nothing wrong" : "wrong:"}`,
  );
  for (const complaint of complaints) console.log(`  ${complaint}`);
  return complaints.length === 0 ? 0 : 1;
}

async function runUntilFailure(): Promise<number> {
  let failure: Failure | null = null;
  await runSeeds({ from, to: from + count - 1, step: 1, ofClients }, (message) => {
    if (message.type === "failed") failure = { seed: message.seed, complaints: message.complaints };
    return message.type !== "failed";
  });
  console.log(JSON.stringify(failure));
  return failure === null ? 0 : 1;
}

async function runMany(jobs: number): Promise<number> {
  const begun = performance.now();
  const failures: Failure[] = [];
  let done = 0;
  const isShown = process.stderr.isTTY;
  const listen = (message: WorkerMessage): void => {
    if (message.type === "failed") failures.push(message);
    else done += message.count;
    if (isShown) process.stderr.write(`\r${done} of ${count} seeds, ${failures.length} failed `);
  };
  const ranges = Array.from({ length: jobs }, (_, index): SeedRange => ({
    from: from + index,
    to: from + count - 1,
    step: jobs,
    ofClients,
  }));
  await Promise.all(ranges.map((range) => runWorker(range, listen)));
  if (isShown) process.stderr.write("\n");
  failures.sort((a, b) => a.seed - b.seed);
  for (const { seed, complaints } of failures.slice(0, 20))
    console.log(`seed ${seed}: ${complaints[0]}`);
  const seconds = (performance.now() - begun) / 1000;
  const each = (seconds * 1000) / Math.max(1, done);
  console.log(
    `${done} seeds, ${failures.length} failed, ${seconds.toFixed(1)} s, ${each.toFixed(1)} ms a seed`,
  );
  const first = failures[0];
  if (first === undefined) return 0;
  console.log(
    `\nThe first that failed (once more: npm run simulate -- ${ofClients ? "--clients " : ""}--seed ${first.seed}):\n`,
  );
  await runOne(first.seed);
  if (!ofClients)
    console.log(
      "\nOnce it is mended, keep the seed in packages/broker/simulation/kept-seeds.json.",
    );
  return 1;
}

function runWorker(range: SeedRange, listen: (message: WorkerMessage) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("simulation-worker.js", import.meta.url), {
      workerData: range,
    });
    worker.on("message", listen);
    worker.on("error", reject);
    worker.on("exit", () => resolve());
  });
}
