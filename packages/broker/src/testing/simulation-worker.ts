import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { simulateClients } from "./client-simulation.ts";
import { simulate } from "./simulation.ts";

/** Seeds that one worker runs: from `from`, every `step`th, up to `to` (inclusive). */
export interface SeedRange {
  readonly from: number;
  readonly to: number;
  readonly step: number;
  /** The simulation of clients with stores, in place of that of the broker. */
  readonly ofClients: boolean;
}

/** What a worker tells. */
export type WorkerMessage =
  | { readonly type: "done"; readonly count: number }
  | { readonly type: "failed"; readonly seed: number; readonly complaints: readonly string[] };

/** Seeds between two words of progress. */
const STRIDE = 50;

/** Runs the seeds of a range in turn. @param tell  Told of each that fails, and of progress; `false` stops it. */
export async function runSeeds(
  { from, to, step, ofClients }: SeedRange,
  tell: (message: WorkerMessage) => boolean,
): Promise<void> {
  let count = 0;
  for (let seed = from; seed <= to; seed += step) {
    const { complaints } = await (ofClients ? simulateClients(seed) : simulate(seed));
    count += 1;
    if (complaints.length > 0 && !tell({ type: "failed", seed, complaints })) return;
    if (count === STRIDE) {
      tell({ type: "done", count });
      count = 0;
    }
  }
  tell({ type: "done", count });
}

if (!isMainThread && parentPort !== null) {
  const port = parentPort;
  await runSeeds(workerData as SeedRange, (message) => {
    port.postMessage(message);
    return true;
  });
}
