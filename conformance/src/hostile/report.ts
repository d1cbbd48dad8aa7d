import type { LatencyHistogram } from "./latency-histogram.ts";
import type { RunReport } from "./hostile-run.ts";

/** How much resident memory may grow from the first pass, which warms up, to any later one. */
const GROWTH_MAXIMUM = 1.2;
/** Faults of one attack that are printed. */
const FAULTS_SHOWN = 5;

/** One thing that has to hold. */
export interface Verdict {
  readonly name: string;
  /** Nothing: it holds. */
  readonly faults: readonly string[];
}

/**
 * What had to hold in a run: each attack by itself, and what is of all of them.
 *
 * @param ending  What is wrong about the broker's end and its log.
 */
export function verdicts(run: RunReport, passes: number, ending: readonly string[]): Verdict[] {
  return [
    ...run.attacks.map(({ name, faults }) => ({ name, faults })),
    { name: "the well-behaved pair", faults: [...run.faults, ...nothingSent(run)] },
    {
      name: "resident memory",
      faults: memoryFaults(
        run.memory.map(({ collected }) => collected),
        passes,
      ),
    },
    { name: "the broker's log and end", faults: ending },
  ];
}

function nothingSent({ sent }: RunReport): string[] {
  return sent > 0 ? [] : ["it sent nothing"];
}

/**
 * Whether memory has grown more than it may.
 *
 * @param memory  After each pass, in bytes, garbage collected; empty where it is not known.
 */
export function memoryFaults(memory: readonly number[], passes: number): string[] {
  if (memory.length === 0) return [];
  if (memory.length < passes) return [`known of ${memory.length} passes of ${passes} only`];
  const [first = 0, ...later] = memory;
  const highest = Math.max(...later);
  if (highest <= first * GROWTH_MAXIMUM) return [];
  return [
    `grew from ${mebibytes(first)} to ${mebibytes(highest)}: all passes ${memory.map(mebibytes).join(", ")}`,
  ];
}

/** A run as a table, with what memory came to and what went wrong. */
export function reportText(run: RunReport, all: readonly Verdict[], seed: number): string {
  const width = Math.max(...run.attacks.map(({ name }) => name.length), "no attack".length);
  const row = (name: string, latency: LatencyHistogram, memory: string, rest: string): string =>
    `${name.padEnd(width)} ${milliseconds(latency.quantile(0.5))} ${milliseconds(latency.quantile(0.99))} ${milliseconds(latency.longest)}  ${memory.padStart(8)}  ${rest}`;
  const lines = [
    `${"attack".padEnd(width)}      p50      p99  longest      most  (ms of the well-behaved pair; memory) and what it came to`,
    row("no attack", run.quiet, "", ""),
    ...run.attacks.map(({ name, latency, mostMemory, figures }) =>
      row(name, latency, mebibytes(mostMemory), figuresText(figures)),
    ),
    row("all attacks", run.attacked, "", `${run.sent} messages of the pair`),
    "",
  ];
  if (run.memory.length > 0)
    lines.push(
      `resident memory after each pass: ${run.memory.map(({ collected }) => mebibytes(collected)).join(", ")}` +
        `; before garbage was collected ${run.memory.map(({ asItIs }) => mebibytes(asItIs)).join(", ")}`,
    );
  else lines.push("resident memory is not known: see --pid");
  for (const { name, faults } of all) {
    if (faults.length === 0) continue;
    const isAttack = run.attacks.some((one) => one.name === name);
    lines.push(
      "",
      `FAILED ${name}${isAttack ? `: replay with --seed ${seed} --only ${name}` : ""}`,
    );
    for (const fault of faults.slice(0, FAULTS_SHOWN)) lines.push(`  ${fault}`);
    if (faults.length > FAULTS_SHOWN) lines.push(`  and ${faults.length - FAULTS_SHOWN} more`);
  }
  return lines.join("\n");
}

function figuresText(figures: Readonly<Record<string, number>>): string {
  return Object.entries(figures)
    .map(([name, count]) => `${count} ${name}`)
    .join(", ");
}

function milliseconds(ms: number): string {
  return (Number.isNaN(ms) ? "-" : ms.toFixed(2)).padStart(8);
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}
