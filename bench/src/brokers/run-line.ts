/**
 * One run of the load generator: the line that it prints, and what can be said of a few of them.
 */

/** A result line of `bench/loadgen` (its README names the fields), with the round it belongs to. */
export interface RunLine {
  readonly label: string;
  readonly broker: string;
  /** What it was run together with, see `groups.ts`. */
  readonly group?: string;
  readonly round?: number;
  readonly failed?: string;
  readonly [field: string]: unknown;
}

/** Reads the lines of a file of results; what is no JSON object with label and broker is left out. */
export function parseRunLines(text: string, group: string): RunLine[] {
  const lines: RunLine[] = [];
  for (const line of text.split("\n")) {
    if (!line.startsWith("{")) continue;
    const value: unknown = JSON.parse(line);
    if (isRunLine(value)) lines.push({ ...value, group });
  }
  return lines;
}

function isRunLine(value: unknown): value is RunLine {
  if (typeof value !== "object" || value === null) return false;
  const { label, broker } = value as Record<string, unknown>;
  return typeof label === "string" && typeof broker === "string";
}

/** A figure of a run by its name; `extra.few_p50_us` is one of the fields of `extra`. */
export function figureOf(run: RunLine, metric: string): number | undefined {
  let value: unknown = run;
  for (const key of metric.split(".")) {
    if (typeof value !== "object" || value === null) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return typeof value === "number" ? value : undefined;
}

/**
 * Why a run does not count: it failed, or the broker lost, reordered or refused something, or
 * repeated what may not come twice (QoS 1 may). `undefined` if it counts.
 */
export function whyNot(run: RunLine): string | undefined {
  if (run.failed !== undefined) return run.failed;
  for (const [metric, word] of [
    ["lost", "lost"],
    ["misordered", "out of order"],
    ["errors", "errors"],
    ["stalls", "times nothing moved"],
    ["blocked", "could not be sent in time"],
  ] as const) {
    const count = figureOf(run, metric) ?? 0;
    if (count > 0) return `${count} ${word}`;
  }
  const repeated = figureOf(run, "duplicates") ?? 0;
  return repeated > 0 && run["qos"] !== 1 ? `${repeated} repeated` : undefined;
}

/** Least, middle and greatest figure of the runs that count. */
export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/** @returns `undefined` for no values. */
export function spreadOf(values: readonly number[]): Spread | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const [min, max] = [sorted[0], sorted.at(-1)];
  if (min === undefined || max === undefined) return undefined;
  const half = sorted.length >> 1;
  const upper = sorted[half] ?? max;
  const median = sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? min) + upper) / 2;
  return { min, median, max };
}
