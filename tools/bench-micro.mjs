/**
 * Runs all micro-benchmarks, one process each.
 *
 *     node tools/bench-micro.mjs [FILE]... [--json] [--only TEXT] [--rounds N] [--round-ms N]
 *
 * FILE is a name such as `codec`; without one, all of them run. The flags go to each benchmark.
 */
import { spawnSync } from "node:child_process";
import { ROOT } from "./checkout.mjs";
import { compiledBenchmark, findMicroBenchmarks } from "./micro-benchmarks.mjs";

const firstFlag = process.argv.findIndex((word, index) => index > 1 && word.startsWith("--"));
const wanted = process.argv.slice(2, firstFlag < 0 ? undefined : firstFlag);
const flags = firstFlag < 0 ? [] : process.argv.slice(firstFlag);

const all = findMicroBenchmarks(ROOT);
const unknown = wanted.filter((name) => !all.includes(name));
if (unknown.length > 0 || all.length === 0) {
  console.error(`no micro-benchmark ${unknown.join(", ")}; there are: ${all.join(", ") || "none"}`);
  process.exit(2);
}

for (const name of wanted.length > 0 ? wanted : all) {
  if (!flags.includes("--json")) {
    console.log(`\n${name}${" ".repeat(Math.max(1, 77 - name.length))}min     median        max`);
  }
  const { status } = spawnSync(
    process.execPath,
    ["--expose-gc", compiledBenchmark(ROOT, name), ...flags],
    { stdio: "inherit" },
  );
  if (status !== 0) process.exitCode = 1;
}
