/**
 * Finds the micro-benchmarks of a checkout: the files of `bench/src` that import the harness.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Names without ending, for example `codec`. */
export function findMicroBenchmarks(checkout) {
  const folder = join(checkout, "bench/src");
  return readdirSync(folder)
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
    .filter((name) => /from "\.\/harness\.ts"/.test(readFileSync(join(folder, name), "utf8")))
    .map((name) => name.slice(0, -".ts".length))
    .sort((a, b) => (a < b ? -1 : 1));
}

/** The compiled file of a micro-benchmark. */
export function compiledBenchmark(checkout, name) {
  return join(checkout, "bench/dist", `${name}.js`);
}
