/**
 * Kills the broker again and again under load, and checks what its clients were promised.
 *
 *     npm run crash -- [--kills N] [--seed N] [--durability LEVEL] [--settle-every N] [--lie] [--spare] [--keep]
 *
 *     --kills N          how often (200)
 *     --seed N           what is drawn by chance (by the clock); the kernel has its own chance
 *     --durability L     strict, relaxed or memory (strict)
 *     --settle-every N   kills between two moments at which nothing may be owed (25)
 *     --lie              lose the last batches at each kill: the run must find out
 *     --spare            do all but kill
 *     --keep             leave the data directory there
 *
 * The exit code is 0 if the broker kept its promises. If not, the data directory stays.
 */
import { parseArgs } from "node:util";
import type { Durability } from "./broker-process.ts";
import { crashRun } from "./crash-run.ts";
import type { CrashReport } from "./crash-run.ts";

const { values: flags } = parseArgs({
  options: {
    kills: { type: "string", default: "200" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    durability: { type: "string", default: "strict" },
    "settle-every": { type: "string", default: "25" },
    lie: { type: "boolean", default: false },
    spare: { type: "boolean", default: false },
    keep: { type: "boolean", default: false },
  },
});
const seed = Number(flags.seed);
const isTerminal = process.stdout.isTTY;
let lines = 0;

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.once(signal, () => process.exit(130));
console.log(`seed ${seed}, ${flags.kills} kills, durability ${flags.durability}`);
const report = await crashRun({
  kills: Number(flags.kills),
  seed,
  durability: flags.durability as Durability,
  settleEvery: Number(flags["settle-every"]),
  lifeMs: [30, 900],
  longestDelay: 2,
  losesLastBatches: flags.lie,
  spares: flags.spare,
  keep: flags.keep,
  progress: (line) => {
    if (isTerminal) process.stdout.write(`\r\u001b[K${line}`);
    else if (lines++ % 10 === 0 || line.includes("settled")) console.log(line);
  },
});
if (isTerminal) console.log();
console.log(summary(report));
process.exit(report.faults.length === 0 ? 0 : 1);

function summary(run: CrashReport): string {
  const { figures, startMs } = run;
  const rows = [
    `kills ${run.kills}, of which while starting ${run.killsInStart}; ${run.seconds.toFixed(0)} s`,
    `start: median ${Math.round(startMs.median)} ms, longest ${Math.round(startMs.longest)} ms`,
    ...Object.entries(figures).map(([name, value]) => `${name}: ${value}`),
  ];
  if (run.faults.length > 0) {
    rows.push(`\n${run.faults.length} faults, seed ${seed}, at kill ${run.kills}:`);
    for (const fault of run.faults.slice(0, 20)) rows.push(`  ${fault}`);
  }
  if (run.dataDirectory !== undefined) rows.push(`data directory: ${run.dataDirectory}`);
  rows.push(
    run.faults.length === 0
      ? "no acknowledged message lost, no QoS 2 message doubled, order and state exact"
      : "the broker broke its promises",
  );
  return rows.join("\n");
}
