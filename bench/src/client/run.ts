/**
 * One client in a process of its own, so that its memory is its own. Prints what it did as JSON.
 *
 *     node bench/dist/client/run.js LIBRARY WAY URL SECONDS [TOPIC-FILTER]
 */
import type { Measured } from "./meter.ts";
import type { Ways } from "./libraries.ts";
import { libraries } from "./libraries.ts";

/** What a run found. */
export interface RunResult extends Measured {
  /** Highest resident set of the process. MiB. */
  readonly peakRssMiB: number;
  /** JavaScript heap in use at the end. MiB. */
  readonly heapUsedMiB: number;
}

const [library, way, url = "", seconds = "", topicFilter = ""] = process.argv.slice(2);
const client = await libraries[library as keyof typeof libraries](url);
const measured = await measure(client, way as keyof Ways);
const result: RunResult = {
  ...measured,
  peakRssMiB: process.resourceUsage().maxRSS / 1024,
  heapUsedMiB: process.memoryUsage().heapUsed / 2 ** 20,
};
console.log(JSON.stringify(result));
// What is still on its way is of no interest.
process.exit();

async function measure(ways: Ways, name: keyof Ways): Promise<Measured> {
  if (name === "receive") return ways.receive(topicFilter, Number(seconds));
  if (name === "end") throw new Error("nothing to measure");
  // A short run first: what counts is the code after it was compiled.
  await ways[name](Number(seconds) / 4);
  return ways[name](Number(seconds));
}
