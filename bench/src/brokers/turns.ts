/**
 * Runs groups of scenarios by `bench/peers/compare.sh`, one after the other, and tells how far it
 * has come.
 */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { spreadOf, figureOf, parseRunLines, whyNot } from "./run-line.ts";
import { halfRateScenarios, SATURATED } from "./groups.ts";
import type { Group } from "./groups.ts";
import type { RunLine } from "./run-line.ts";

/** How groups are run. */
export interface TurnsOptions {
  /** The folder of `compare.sh`. */
  readonly peers: string;
  readonly rounds: number;
  readonly duration: string;
  readonly warmup: string;
  /** Seconds of load after each start that are not measured. */
  readonly warmStart: number;
  /** A file for the lines of a group, removed after it. */
  readonly scratch: string;
  /** Commands for brokers that have no launcher of their own. */
  readonly commands: ReadonlyMap<string, string>;
  readonly print: (line: string) => void;
}

/** Seconds that one run takes, starts included: a guess for the estimate. */
const RUN_SECONDS = 6.5;
/** Runs that take longer than most. */
const SLOW: Readonly<Record<string, number>> = {
  "wild-1m": 25,
  "wild-fresh-1m": 25,
  "retained-500k": 14,
  "retained-1m": 30,
  "retained-1m-wide": 30,
  leave: 15,
  "connect-15k": 12,
  "connect-18k": 12,
};

/** How often a group is run. */
export function roundsOf(group: Group, rounds: number): number {
  return Math.min(Math.max(rounds, group.leastRounds ?? 1), group.mostRounds ?? Infinity);
}

/** Seconds that groups will take, roughly. */
export function estimate(groups: readonly Group[], rounds: number): number {
  let seconds = 0;
  for (const group of groups) {
    for (const label of group.scenarios) {
      seconds += roundsOf(group, rounds) * group.brokers.length * (SLOW[label] ?? RUN_SECONDS);
    }
  }
  return seconds;
}

/** Runs one group after the other; every group's lines are kept by whoever iterates. */
export async function* runGroups(
  groups: readonly Group[],
  options: TurnsOptions,
): AsyncGenerator<RunLine[]> {
  const progress = new Progress(groups, options);
  const seen: RunLine[] = [];
  for (const group of groups) {
    options.print(`\n${group.name}: ${group.what}`);
    const more = group.scenarios.some((label) => label.includes("half"))
      ? halfRateScenarios(await saturation(seen, options))
      : new Map<string, string>();
    const lines = await runGroup(group, more, options, progress);
    seen.push(...lines);
    yield lines;
  }
}

/** What mosquitto can do: as measured before, else measured now. Publishes per second. */
async function saturation(
  seen: readonly RunLine[],
  options: TurnsOptions,
): Promise<Map<string, number>> {
  const rates = new Map<string, number>();
  const learn = (lines: readonly RunLine[]): void => {
    for (const label of SATURATED) {
      const values = lines
        .filter((run) => run.label === label && run.broker === "mosquitto" && !whyNot(run))
        .map((run) => figureOf(run, "pub_s"));
      const spread = spreadOf(values.filter((value) => value !== undefined));
      if (spread !== undefined) rates.set(label, spread.median);
    }
  };
  learn(seen);
  const scenarios = SATURATED.filter((label) => !rates.has(label));
  if (scenarios.length > 0) {
    options.print("first: how much mosquitto can do at most");
    const group = { name: "saturation", what: "", scenarios, brokers: ["mosquitto"] };
    learn(await runGroup(group, new Map(), { ...options, rounds: 1 }));
  }
  return rates;
}

async function runGroup(
  group: Group,
  more: ReadonlyMap<string, string>,
  options: TurnsOptions,
  progress?: Progress,
): Promise<RunLine[]> {
  rmSync(options.scratch, { force: true });
  const brokers = group.brokers.map((name) => {
    const command = options.commands.get(name);
    return command === undefined ? name : `${name}='${command}'`;
  });
  const child = spawn(
    "bash",
    [
      join(options.peers, "compare.sh"),
      ...["-r", String(roundsOf(group, options.rounds))],
      ...["-w", String(options.warmStart)],
      ...["-b", brokers.join(" ")],
      ...["-s", group.scenarios.join(" ")],
      ...["-o", options.scratch],
      ...(group.isFresh === true ? ["-f"] : []),
    ],
    {
      stdio: ["ignore", "ignore", "pipe"],
      env: {
        ...process.env,
        SCENARIOS: [...more].map(([label, flags]) => `${label} ${flags}`).join("\n"),
        GENFLAGS: `--warmup ${options.warmup} --duration ${options.duration}`,
      },
    },
  );
  const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
  process.once("SIGINT", pass);
  process.once("SIGTERM", pass);
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code));
  });
  for await (const line of createInterface({ input: child.stderr })) {
    if (/^\d\d:\d\d:\d\d r\d/.test(line)) {
      options.print(progress === undefined ? line : progress.step(group, line));
    } else if (!line.startsWith("results:")) {
      options.print(line);
    }
  }
  const code = await ended;
  process.off("SIGINT", pass);
  process.off("SIGTERM", pass);
  if (!existsSync(options.scratch)) throw new Error(`compare.sh ended with ${code}, without runs`);
  const lines = parseRunLines(readFileSync(options.scratch, "utf8"), group.name);
  rmSync(options.scratch, { force: true });
  return lines;
}

/** How many runs are done, and how long the rest will take if the guess was off by as much. */
class Progress {
  readonly #all: number;
  readonly #seconds: number;
  readonly #begun = Date.now();
  #done = 0;
  #guessed = 0;

  constructor(groups: readonly Group[], { rounds }: TurnsOptions) {
    this.#all = groups.reduce(
      (sum, group) => sum + roundsOf(group, rounds) * group.brokers.length * group.scenarios.length,
      0,
    );
    this.#seconds = estimate(groups, rounds);
  }

  step(group: Group, line: string): string {
    this.#done++;
    const label = group.scenarios.find((name) => line.includes(` ${name} `));
    this.#guessed += SLOW[label ?? ""] ?? RUN_SECONDS;
    const took = (Date.now() - this.#begun) / 1000;
    const left = (took / this.#guessed) * Math.max(0, this.#seconds - this.#guessed);
    const done = `${String(this.#done).padStart(String(this.#all).length)}/${this.#all}`;
    return `[${done}, about ${Math.ceil(left / 60)} min left] ${line.slice(9)}`;
  }
}
