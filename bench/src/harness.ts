/**
 * The one way in which a micro-benchmark is timed: calibrated rounds, the least, middle and
 * greatest time of an operation.
 *
 * A file in this folder that imports `./harness.ts` is a micro-benchmark: `npm run bench:micro`
 * runs it. Flags that each of them takes: `--json` (one JSON line for each result), `--only TEXT`
 * (names that hold TEXT), `--rounds N`, `--round-ms N`.
 *
 * With an IPC channel to a parent (`npm run bench:compare`) every round waits for the parent's
 * word, so that the rounds of two builds can take turns.
 */
import { parseArgs } from "node:util";

/** How a benchmark is run. */
export interface BenchOptions {
  /** Operations that one call of the function does; figures are for one operation. Default 1. */
  readonly operations?: number;
  /** Rounds that count. Default 15. */
  readonly rounds?: number;
  /** Least length of a round, in milliseconds. Default 50. */
  readonly roundMs?: number;
  /** Calls in one round. Default: as many as fill `roundMs`. Give 1 if `prepare` must precede each. */
  readonly calls?: number;
  /** Done before each round, not timed. */
  readonly prepare?: () => void;
}

/** Times of one benchmark, in nanoseconds for one operation. */
export interface BenchResult {
  readonly name: string;
  readonly minNs: number;
  readonly medianNs: number;
  readonly maxNs: number;
  readonly rounds: number;
  /** Operations in one round. */
  readonly operations: number;
}

/** A function to time; its result is kept, so that the compiler cannot drop the work. */
export type BenchFunction = () => unknown;

/**
 * Times a function and prints the result, for example
 * `await bench("topic-tree/match exact", () => tree.match(name, visitor))`.
 *
 * For work of a few nanoseconds loop inside the function and say how often with `operations`.
 *
 * @returns `undefined` if `--only` leaves this benchmark out.
 */
export async function bench(
  name: string,
  run: BenchFunction,
  options: BenchOptions = {},
): Promise<BenchResult | undefined> {
  const results = await benchSideBySide(name, { "": run }, options);
  return results?.[""];
}

/**
 * Times several ways to do the same work: a round of each in turn, so that a disturbance of the
 * machine hits all of them. Prints each, and how many times as long it takes as the first.
 *
 * @returns Results by the keys of `ways`; `undefined` if `--only` leaves this benchmark out.
 */
export async function benchSideBySide<Key extends string>(
  name: string,
  ways: Readonly<Record<Key, BenchFunction>>,
  options: BenchOptions = {},
): Promise<Record<Key, BenchResult> | undefined> {
  const keys = Object.keys(ways) as Key[];
  const fullName = (key: Key): string => (key === "" ? name : `${name} (${key})`);
  if (flags.only !== "" && !keys.some((key) => fullName(key).includes(flags.only)))
    return undefined;

  const operations = options.operations ?? 1;
  const roundMs = flags.roundMs ?? options.roundMs ?? 50;
  const rounds = flags.rounds ?? options.rounds ?? 15;
  const prepare = options.prepare ?? noPreparation;
  const calls = new Map<Key, number>();
  for (const key of keys) {
    calls.set(key, options.calls ?? (await calibrate(ways[key], prepare, roundMs)));
  }

  const times = new Map<Key, number[]>(keys.map((key) => [key, []]));
  for (let round = 0; round < rounds; round++) {
    for (const key of keys) {
      const count = calls.get(key) ?? 1;
      prepare();
      collectGarbage();
      await turn(fullName(key), round, rounds);
      const ns = (await time(ways[key], count)) / (count * operations);
      times.get(key)?.push(ns);
      report(fullName(key), round, ns);
    }
  }

  const results = {} as Record<Key, BenchResult>;
  for (const key of keys) {
    const sorted = (times.get(key) ?? []).sort((a, b) => a - b);
    results[key] = {
      name: fullName(key),
      minNs: sorted[0] ?? Number.NaN,
      medianNs: sorted[sorted.length >> 1] ?? Number.NaN,
      maxNs: sorted.at(-1) ?? Number.NaN,
      rounds,
      operations: (calls.get(key) ?? 1) * operations,
    };
    print(results[key], results[keys[0] as Key]);
  }
  return results;
}

const flags = readFlags();

function readFlags(): { json: boolean; only: string; rounds?: number; roundMs?: number } {
  const { values } = parseArgs({
    options: {
      json: { type: "boolean", default: false },
      only: { type: "string", default: "" },
      rounds: { type: "string" },
      "round-ms": { type: "string" },
    },
    strict: false,
  });
  return {
    json: values.json === true,
    only: String(values.only),
    ...(values.rounds === undefined ? {} : { rounds: Number(values.rounds) }),
    ...(values["round-ms"] === undefined ? {} : { roundMs: Number(values["round-ms"]) }),
  };
}

/** Where results go, so that no call is without an effect. */
let sink: unknown;

/** Nanoseconds that `calls` calls take. Awaits only if the function gives promises. */
async function time(run: BenchFunction, calls: number): Promise<number> {
  const start = process.hrtime.bigint();
  let result: unknown = run();
  if (result instanceof Promise) {
    await result;
    for (let i = 1; i < calls; i++) await run();
  } else {
    for (let i = 1; i < calls; i++) result = run();
  }
  let elapsed = Number(process.hrtime.bigint() - start);
  sink = result;
  if (plantedSlowness > 0) elapsed *= 1 + plantedSlowness;
  return elapsed;
}

/** Calls that fill a round; the search for them warms the function up. */
async function calibrate(
  run: BenchFunction,
  prepare: () => void,
  roundMs: number,
): Promise<number> {
  let calls = 1;
  for (let warm = 0; ;) {
    prepare();
    const ms = (await time(run, calls)) / 1e6;
    warm += ms;
    if (ms >= roundMs && warm >= 4 * roundMs)
      return Math.max(1, Math.round((calls * roundMs) / ms));
    if (ms < roundMs) calls = Math.ceil(calls * Math.min(10, (1.2 * roundMs) / Math.max(ms, 1e-3)));
  }
}

function noPreparation(): void {
  // Most benchmarks leave nothing behind that a round would have to clear.
}

/** With `--expose-gc` each round starts from a clean heap. */
function collectGarbage(): void {
  (globalThis as { gc?: () => void }).gc?.();
}

function print(result: BenchResult, first: BenchResult): void {
  if (process.send !== undefined) return;
  if (flags.json) {
    console.log(JSON.stringify(result));
    return;
  }
  const ns = (value: number): string =>
    value.toFixed(value < 10 ? 2 : value < 1000 ? 1 : 0).padStart(10);
  const ratio = result === first ? "" : `  ${(result.medianNs / first.medianNs).toFixed(2)} x`;
  console.log(
    `${result.name.padEnd(72)} ${ns(result.minNs)} ${ns(result.medianNs)} ${ns(result.maxNs)}  ns/op${ratio}`,
  );
}

// --- Taking turns with another build, told by a parent process ---

/** For trying the comparison itself: a share by which this build pretends to be slower. */
const plantedSlowness = Number(process.env["BENCH_PLANT"] ?? 0);

/** Waits until the parent lets this round run; without a parent it is our turn at once. */
async function turn(name: string, round: number, rounds: number): Promise<void> {
  if (process.send === undefined) return;
  const word = new Promise<void>((resolve) => process.once("message", () => resolve()));
  process.send({ ready: name, round, rounds });
  await word;
}

function report(name: string, round: number, ns: number): void {
  process.send?.({ done: name, round, ns });
}

/** Reads what was last computed; exported only so that it counts as used. */
export function lastResult(): unknown {
  return sink;
}
